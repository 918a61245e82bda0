"""What a recipe may say about its corpus."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from holdfast.base.settings import Count, Section, free, group
from holdfast.text.clean import SAFE, StepName
from holdfast.text.fetch.settings import FetchSettings


class CorpusSettings(Section):
    """Where the text comes from, how it is cleaned, and what is held out."""

    path: str | list[str] | None = Field(
        default=None,
        description="A folder, a file or a pattern such as texts/**/*.txt, or a list of these. Read are .txt, .md, "
        ".html, .jsonl and .parquet, each also packed as .gz, .xz, .zst or .bz2, and .tar archives of them.",
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
        description="The field of a .jsonl row, or the .parquet column, that holds the text.",
    )
    clean: list[StepName] = Field(
        default=list(SAFE),
        description="Cleaning steps, always in this order: newlines, controls (characters), nfc (Unicode), trailing "
        "(white space), boilerplate (of Project Gutenberg), blank_lines, unwrap (paragraphs wrapped by hand).",
    )
    min_chars: Count = Field(default=1, ge=1, description="Shorter documents are left out, counted after cleaning.")
    dedup: bool = Field(
        default=True, description="Keep one of several documents that differ in nothing but white space and capitals."
    )
    val_fraction: float = Field(
        default=0.05, gt=0, le=0.5, description="Share of the text, in bytes, that is held out as whole documents."
    )
    max_documents: Count | None = Field(
        default=None, ge=1, description="Stop reading after so many documents; off: read everything."
    )
