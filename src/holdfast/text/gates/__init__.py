"""Gates: reasons not to learn from a clean text. Each is a pure question with an answer that can be counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatch
from itertools import islice

from holdfast.base.records import Document
from holdfast.text.gates.language import language
from holdfast.text.gates.measures import advertising, meaningful, repeated, sample
from holdfast.text.gates.noise import noise
from holdfast.text.gates.settings import GateSettings
from holdfast.text.rejection import Rejected, preview

VERSION = 1  # rises whenever a gate answers another way for any text

_Gate = Callable[[Document, GateSettings], Rejected | None]

_NONCOMMERCIAL = re.compile(r"(?:^|[-\s_])nc(?:$|[-\s_])|non-?\s?commercial", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_LINE = re.compile(r"^.*\S.*$", re.MULTILINE)


def judge(document: Document, settings: GateSettings) -> Rejected | None:
    """Why a cleaned document is left out, or None when it is kept."""
    return judge_source(document, settings) or judge_text(document, settings)


def judge_source(document: Document, settings: GateSettings) -> Rejected | None:
    """Why a document is left out whatever its text: its year, its licence. Worth asking before it is cleaned."""
    return _first((_period, _licence), document, settings)


def judge_text(document: Document, settings: GateSettings) -> Rejected | None:
    """Why a cleaned document is left out for its text, quick questions first."""
    return _first((_size, _meaning, _noise, _advertising, _repetition, _language), document, settings)


def _first(gates: tuple[_Gate, ...], document: Document, settings: GateSettings) -> Rejected | None:
    return next((refused for ask in gates if (refused := ask(document, settings)) is not None), None)


def _refused(document: Document, reason: str, detail: str = "") -> Rejected:
    return Rejected(document.id, reason, detail, preview(document.text))


def _period(document: Document, settings: GateSettings) -> Rejected | None:
    if settings.period is None:
        return None
    year = document.meta.get("year")
    first, last = settings.period
    if not isinstance(year, int) or isinstance(year, bool):
        return (
            None if settings.undated is not False else _refused(document, "no year", f"{first} to {last} is asked for")
        )
    if first <= year <= last:
        return None
    return _refused(document, "outside the period", f"{year} is not in {first} to {last}")


def _licence(document: Document, settings: GateSettings) -> Rejected | None:
    wanted, licence = settings.licences, document.meta.get("licence")
    if not isinstance(licence, str) or not licence.strip():
        return None if wanted.unknown is not False else _refused(document, "no licence")
    name = licence.strip().lower()
    if any(fnmatch(name, each.lower()) for each in wanted.deny or ()):
        return _refused(document, "licence denied", licence)
    if wanted.allow and not any(fnmatch(name, each.lower()) for each in wanted.allow):
        return _refused(document, "licence not allowed", licence)
    if wanted.noncommercial is False and _NONCOMMERCIAL.search(name):
        return _refused(document, "non-commercial licence", licence)
    return None


def _size(document: Document, settings: GateSettings) -> Rejected | None:
    text = document.text
    if not text or text.isspace():
        return Rejected(document.id, "empty")
    least = settings.limit("min_chars")
    if len(text) < least:
        return _refused(document, "too short", f"{len(text)} of {least} characters")
    for name, reason, what in (("min_words", "too few words", _WORD), ("min_lines", "too few lines", _LINE)):
        least = settings.limit(name)
        if least > 1 and (found := sum(1 for _ in islice(what.finditer(text), least))) < least:
            return _refused(document, reason, f"{found} of {least}")
    return None


def _meaning(document: Document, settings: GateSettings) -> Rejected | None:
    least = settings.limit("min_meaningful")
    if least <= 0 or (share := meaningful(sample(document.text))) >= least:
        return None
    return _refused(
        document, "too little meaning", f"{share:.0%} letters, digits, space and punctuation of {least:.0%}"
    )


def _noise(document: Document, settings: GateSettings) -> Rejected | None:
    most = settings.limit("max_noise_kinds")
    if most >= 99 or len(kinds := noise(sample(document.text))) <= most:
        return None
    told = ", ".join(f"{name} {share:.1%}" for name, share in kinds.items())
    return _refused(document, "noise of a reading machine", f"{len(kinds)} kinds, at most {most}: {told}")


def _advertising(document: Document, settings: GateSettings) -> Rejected | None:
    most = settings.limit("max_advertising")
    if most >= 1 or (share := advertising(sample(document.text))) <= most:
        return None
    return _refused(document, "advertising", f"{share:.0%} of its lines, at most {most:.0%}")


def _repetition(document: Document, settings: GateSettings) -> Rejected | None:
    most = settings.limit("max_repeated")
    if most >= 1 or (share := repeated(document.text)) <= most:
        return None
    return _refused(document, "repetition", f"{share:.0%} of it came before, at most {most:.0%}")


def _language(document: Document, settings: GateSettings) -> Rejected | None:
    wanted = settings.limit("languages")
    if not wanted:
        return None
    found, share = language(sample(document.text))
    if found in wanted:
        return None
    return _refused(document, f"language: {found}", f"{share:.0%} function words; wanted is {', '.join(wanted)}")
