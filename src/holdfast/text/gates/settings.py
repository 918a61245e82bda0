"""What a recipe may ask of a document before it is learned from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from holdfast.base.settings import Count, Problem, Section, group

Share = Annotated[float, Field(ge=0, le=1)]
Language = Literal["en", "fr", "de", "nl", "la", "it", "es", "cy", "unknown"]

# What a preset says where a recipe is silent. `plain` asks for a letter; `historical` is for books of unknown quality.
PRESETS: dict[str, dict[str, Any]] = {
    "plain": {
        "min_chars": 1,
        "min_words": 0,
        "min_lines": 0,
        "min_meaningful": 0.0,
        "max_noise_kinds": 99,
        "max_advertising": 1.0,
        "max_repeated": 1.0,
        "max_lost": 0.3,
        "languages": [],
    },
    "historical": {
        "min_chars": 200,
        "min_words": 50,
        "min_lines": 5,
        "min_meaningful": 0.5,
        "max_noise_kinds": 2,
        "max_advertising": 0.3,
        "max_repeated": 0.5,
        "max_lost": 0.3,
        "languages": ["en"],
    },
}


class LicenceSettings(Section):
    """Which licences are taken. Patterns such as CC-BY-NC*; capitals do not matter."""

    allow: list[str] | None = Field(default=None, description="Only licences that one of these matches; off: all.")
    deny: list[str] | None = Field(default=None, description="No licence that one of these matches.")
    noncommercial: bool | None = Field(
        default=None,
        description="false: no licence that forbids commercial use, as models of such texts can not be sold.",
    )
    unknown: bool | None = Field(default=None, description="false: no text that does not say its licence.")


class GateSettings(Section):
    """What is asked of a cleaned document. Every setting can be off: then the preset says it, or nothing is asked."""

    preset: Literal["plain", "historical"] | None = Field(
        default=None,
        description="plain (the default) takes every text that is not empty; historical: at least 200 characters, "
        "50 words and 5 lines in English, less than 3 kinds of noise, at most 0.3 advertising and 0.5 repetition.",
    )
    min_chars: Count | None = Field(default=None, description="Fewest characters, counted after cleaning.")
    min_words: Count | None = Field(default=None, description="Fewest words.")
    min_lines: Count | None = Field(default=None, description="Fewest lines that are not empty.")
    min_meaningful: Share | None = Field(
        default=None, description="Smallest share of letters, digits, white space and punctuation."
    )
    max_noise_kinds: Count | None = Field(
        default=None,
        description="Most kinds of noise of reading machines: stray symbols, symbols in words, digits in words, "
        "capitals in words, lone letters, words without vowels, unreadable characters.",
    )
    max_advertising: Share | None = Field(default=None, description="Largest share of lines that advertise.")
    max_repeated: Share | None = Field(default=None, description="Largest share of text in lines that came before.")
    max_lost: Share | None = Field(
        default=None,
        description="Largest share of a text that one cleaning step may take away, boilerplate apart. Where it would "
        "take more, the text is left out, as the step does not suit it.",
    )
    languages: list[Language] | None = Field(
        default=None, description="Languages that are taken, by function words; an empty list takes all."
    )
    period: tuple[int, int] | None = Field(
        default=None,
        description="First and last year, such as [1500, 1850], of the year that a document's source says.",
    )
    undated: bool | None = Field(default=None, description="false: with a period, no document that says no year.")
    licences: LicenceSettings = group(LicenceSettings)

    def problems(self) -> Iterator[Problem]:
        """A period that ends before it begins."""
        if self.period is not None and self.period[0] > self.period[1]:
            yield Problem("period", f"{self.period[0]} is later than {self.period[1]}", "write [FIRST, LAST]")

    def limit(self, name: str) -> Any:
        """A setting's value, or what the preset says of it."""
        value = getattr(self, name)
        return PRESETS[self.preset or "plain"][name] if value is None else value

    def under(self, other: GateSettings) -> GateSettings:
        """These settings, with all that `other` says in place of what is said here."""
        licences = self.licences.model_copy(update=_said(other.licences))
        return self.model_copy(update=_said(other) | {"licences": licences})


def _said(section: Section) -> dict[str, Any]:
    """What a section says: nothing that is off."""
    return {name: value for name in type(section).model_fields if (value := getattr(section, name)) is not None}
