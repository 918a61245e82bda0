"""One source as the catalogue describes it: what it holds, under which terms, and how its files are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, Field, PlainSerializer

from holdfast.base.settings import Count, Problem, Section, parse_count

Kind = Literal["local", "gutenberg", "internet-archive", "tcp", "github", "http-list", "huggingface", "by-hand"]
Access = Literal["open", "registration", "limited", "paid"]
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_YEARS = re.compile(r"(\d{3,4})(?:\s*-\s*(\d{3,4}))?")
_SIZE = re.compile(r"(.*[kmgKMG])(?:i?[bB])")


class Years(NamedTuple):
    """A span of years, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"

    def meets(self, other: Years) -> bool:
        """Whether the two have a year in common."""
        return self.first <= other.last and other.first <= self.last


def parse_years(value: Any) -> Years:
    """`1660-1669`, `1666`, or two numbers. Raises ValueError."""
    if isinstance(value, list | tuple) and len(value) == 2:
        value = f"{value[0]}-{value[1]}"
    match = _YEARS.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write years as 1660-1669, or one year as 1666")
    years = Years(int(match[1]), int(match[2] or match[1]))
    if years.first > years.last:
        raise ValueError(f"{years} ends before it begins")
    return years


def _size(value: Any) -> Any:
    """`2GB` and `500 MB` are sizes, as 2G and 500M are."""
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    return parse_count(match[1] if match else value)


Period = Annotated[
    Years, BeforeValidator(parse_years, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
Bytes = Annotated[Count, BeforeValidator(_size, json_schema_input_type=int | str)]


Priority = Literal["high", "medium", "low"]


class Entry(Section):
    """A source of text. Which of the fields below `kind` are used depends on the kind; others are refused."""

    name: str = Field(min_length=1, description="What it is called, for people.")
    period: Period | None = Field(default=None, description="Years its texts are from, such as 1660-1669.")
    place: str | None = Field(default=None, description="Where its texts are from or about.")
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}$", description="ISO 639-1 code, such as en.")
    format: Literal["text", "html", "tei", "ocr", "pdf", "epub", "jsonl", "parquet", "chats", "mixed"] = Field(
        default="text", description="What its files are; chats: conversations, which are no running text."
    )
    licence: str = Field(min_length=1, description="SPDX identifier, `public domain`, or `unknown`.")
    access: Access = Field(default="open", description="open: for anybody; limited: with rules or in part; or worse.")
    priority: Priority = Field(default="medium", description="What to fetch first.")
    enabled: bool = Field(default=True, description="Whether a recipe may name it as it stands.")
    why: str | None = Field(default=None, description="Why it is not enabled.")
    url: str | None = Field(default=None, description="Its page, for people.")
    terms: str | None = Field(default=None, description="Where its rules for readers and robots are.")
    notes: str | None = Field(default=None, description="Anything else worth knowing.")
    probed: date | None = Field(default=None, description="When its files were last seen; off: never from here.")

    kind: Kind = Field(description="How its files are found.")
    path: str | list[str] | None = Field(default=None, description="local: folders, files or patterns.")
    ids: list[str] = Field(default=[], description="gutenberg, internet-archive, tcp: what the archive calls them.")
    words: list[str] = Field(
        default=[], description="gutenberg, tcp: phrases, one of which a title, an author or a subject has to hold."
    )
    query: str | None = Field(default=None, description="internet-archive: a search; the period is added to it.")
    series: list[Literal["eebo", "ecco", "evans"]] = Field(default=[], description="tcp: which of the collections.")
    lists: list[str] = Field(default=[], description="http-list: pages or text files with links.")
    urls: list[str] = Field(default=[], description="http-list: files by their addresses.")
    repo: str | None = Field(default=None, description="github, huggingface: owner/name.")
    revision: str | None = Field(default=None, description="github, huggingface: a commit; off: the newest.")
    config: str | None = Field(default=None, description="huggingface: one of the dataset's configurations.")
    split: str | None = Field(default=None, description="huggingface: one of its splits.")
    column: str | None = Field(default=None, description="The field that holds the text; off: as the corpus says.")
    files: list[str] = Field(default=[], description="Patterns for the files that are wanted, such as *.xml.")
    mirror: str | None = Field(default=None, description="gutenberg: the mirror to read from.")

    include: list[str] = Field(default=[], description="Only what matches one of these patterns, by id or file name.")
    exclude: list[str] = Field(default=[], description="Nothing that matches one of these patterns.")
    max_bytes: Bytes | None = Field(default=None, ge=1, description="Fetch no more than this, such as 500MB.")
    max_items: Count | None = Field(default=None, ge=1, description="Fetch no more files than this.")
    max_documents: Count | None = Field(default=None, ge=1, description="Read no more texts than this.")

    @property
    def turn(self) -> int:
        """Its place in a queue: of two sources the smaller is fetched, and listed, first."""
        return get_args(Priority).index(self.priority)

    def problems(self) -> Iterator[Problem]:
        """What the types can not say."""
        if not self.enabled and not self.why:
            yield Problem("why", "a source that is not enabled says why", "add why: REASON")
        for choice in FIELDS[self.kind][0]:
            if not any(self._given(name) for name in choice):
                what = f"kind {self.kind} needs {' or '.join(choice)}"
                yield Problem(choice[0], what, f"add {choice[0]}: ..., or choose another kind")
        for name in sorted(_OF_KINDS - fields_of(self.kind)):
            if self._given(name):
                users = ", ".join(kind for kind in FIELDS if name in fields_of(kind))
                yield Problem(name, f"kind {self.kind} does not use it", f"leave it out; it is for {users}")
        if self.repo is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repo):
            yield Problem("repo", f"{self.repo!r} names no repository", "write owner/name")

    def _given(self, name: str) -> bool:
        return getattr(self, name) not in (None, [])


_LIMITS = ("include", "exclude", "max_bytes", "max_items")
# For each kind: fields it needs, one of each group; fields it may have besides.
FIELDS: dict[Kind, tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]] = {
    "local": ((("path",),), ("column",)),
    "gutenberg": ((("ids", "words"),), ("mirror", *_LIMITS)),
    "internet-archive": ((("query", "ids"),), _LIMITS),
    "tcp": ((("series", "ids"),), ("words", *_LIMITS)),
    "github": ((("repo",), ("files",)), ("revision", "column", *_LIMITS)),
    "http-list": ((("lists", "urls"),), ("files", "column", *_LIMITS)),
    "huggingface": ((("repo",), ("files", "config")), ("revision", "split", "column", *_LIMITS)),
    "by-hand": ((("url",),), ("column",)),
}


def fields_of(kind: Kind) -> set[str]:
    """The fields that a kind uses: which files a source has depends on them."""
    needed, taken = FIELDS[kind]
    return {*taken, *(name for choice in needed for name in choice)}


_OF_KINDS = set().union(*map(fields_of, FIELDS)) - {"url"}  # every source may say where its page is
