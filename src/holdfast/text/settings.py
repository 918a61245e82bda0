"""What a recipe may say about its corpus."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from holdfast.base.settings import Count, Section, free, group
from holdfast.text.clean import SAFE, StepName
from holdfast.text.fetch.settings import FetchSettings
from holdfast.text.gates.settings import GateSettings


class OverrideSettings(Section):
    """What is otherwise for some of the texts."""

    match: str = Field(
        min_length=1, description="The id of a source, or a pattern for the paths or ids of texts, such as old/*.txt."
    )
    enabled: bool = Field(default=True, description="false: these texts are left out, and listed with the reason.")
    reason: str | None = Field(default=None, description="Why; read by people.")
    clean: list[StepName] | None = Field(default=None, description="Cleaning steps, instead of corpus.clean.")
    gates: GateSettings | None = Field(default=None, description="What is said here stands in for corpus.gates.")


class DedupSettings(Section):
    """What happens to text that is there more than once, or that is also somewhere it must not be."""

    documents: Literal["off", "exact", "near"] = Field(
        default="near",
        description="Of several documents keep the first; exact: of those that differ in nothing but white space and "
        "capitals; near: also of those that are as alike as `similarity` says.",
    )
    similarity: float = Field(
        default=0.5,
        ge=0.3,
        le=1,
        description="Share of their runs of five words that two documents have in common, at which one is enough; "
        "of texts shorter than 500 words at least 0.8.",
    )
    paragraphs: Literal["off", "exact", "near"] = Field(
        default="off",
        description="Cut out paragraphs of 20 words or more that an earlier document has; near: also many of those "
        "that differ in a word or two.",
    )
    decontaminate: list[str] = Field(
        default=[],
        description="Evaluation files, folders or patterns (.jsonl, .json, .csv, text): passages that share 13 words "
        "in a row with them are cut out.",
    )
    leaks: Literal["cut", "count", "off"] = Field(
        default="cut",
        description="Held-out passages that share 13 words in a row with training text; cut: out of the held-out text; "
        "count: only say how many. Generated text is made of a few phrases and always counted only.",
    )


class CorpusSettings(Section):
    """Where the text comes from, how it is cleaned, and what is held out."""

    path: str | list[str] | None = Field(
        default=None,
        description="A folder, a file or a pattern such as texts/**/*.txt, or a list of these. Read are .txt, .md, "
        ".html, .xml (TEI, CNXML, DjVu), .epub, .pdf with a text layer, .jsonl, .json, .csv and .parquet, each also "
        "packed as .gz, .xz, .zst or .bz2, and .tar and .zip archives of them.",
    )
    sources: list[str] | None = Field(
        default=None,
        description="Sources by their ids, see `holdfast sources list`, or by patterns such as ia-*. They are brought "
        "by `holdfast fetch`, and read behind what corpus.path names, if that is given too.",
    )
    source_files: list[str] = free(
        [], description="YAML files with sources of your own, or with changes of those that come with holdfast."
    )
    fetch: FetchSettings = group(FetchSettings)
    generator: Literal["harbour"] | None = Field(
        default=None, description="Make the text instead of reading it; harbour: a small town by the sea."
    )
    documents: Count = Field(default=20_000, ge=1, description="How many documents the generator makes.")
    text_field: str = Field(
        default="text",
        min_length=1,
        description="The field of a .jsonl or .json row, or the .csv or .parquet column, that holds the text.",
    )
    clean: list[StepName] = Field(
        default=list(SAFE),
        description="Cleaning steps, always in this order: newlines, controls (characters), nfc (Unicode), ligatures, "
        "long_s, trailing (white space), boilerplate (of digital libraries), markup, page_numbers, running_heads, "
        "noise_lines, hyphens, broken_words, spaces, blank_lines, unwrap (paragraphs wrapped by hand).",
    )
    words: str | None = Field(
        default=None,
        description="A file of words, one a line, that the steps hyphens and broken_words may rely on; off: only the "
        "words that a document itself holds elsewhere.",
    )
    gates: GateSettings = group(GateSettings)
    overrides: list[OverrideSettings] = Field(
        default=[], description="What is otherwise for some sources or paths; of several that match, the first counts."
    )
    dedup: DedupSettings = group(DedupSettings)
    val_fraction: float = Field(
        default=0.05, gt=0, le=0.5, description="Share of the text, in bytes, that is held out as whole documents."
    )
    max_documents: Count | None = Field(
        default=None, ge=1, description="Stop reading after so many documents; off: read everything."
    )
    workers: Count | None = free(
        None,
        ge=1,
        description="Processes that clean, compare and encode; off: one for each core, up to 4. Changes no byte.",
    )
