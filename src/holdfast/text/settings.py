"""What a recipe may say about its corpus."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from holdfast.base.settings import Count, Section, free, group
from holdfast.text.clean import SAFE, StepName


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
        ".html, .jsonl and .parquet, each also packed as .gz, .xz, .zst or .bz2, and .tar archives of them.",
    )
    generator: Literal["harbour"] | None = Field(
        default=None, description="Make the text instead of reading it; harbour: a small town by the sea."
    )
    documents: Count = Field(default=20_000, ge=1, description="How many documents the generator makes.")
    text_field: str = Field(
        default="text",
        min_length=1,
        description="The field of a .jsonl row, or the .parquet column, that holds the text.",
    )
    clean: list[StepName] = Field(
        default=list(SAFE),
        description="Cleaning steps, always in this order: newlines, controls (characters), nfc (Unicode), trailing "
        "(white space), boilerplate (of Project Gutenberg), blank_lines, unwrap (paragraphs wrapped by hand).",
    )
    min_chars: Count = Field(default=1, ge=1, description="Shorter documents are left out, counted after cleaning.")
    dedup: DedupSettings = group(DedupSettings)
    val_fraction: float = Field(
        default=0.05, gt=0, le=0.5, description="Share of the text, in bytes, that is held out as whole documents."
    )
    max_documents: Count | None = Field(
        default=None, ge=1, description="Stop reading after so many documents; off: read everything."
    )
    workers: Count | None = free(
        None, ge=1, description="Processes that clean and compare; off: one for each core, up to 4. Changes no byte."
    )
