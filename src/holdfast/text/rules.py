"""What happens to a document between reading and learning: the rules for its source, cleaning, gates."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.text import gates
from holdfast.text.clean import STEPS, Change, StepName, changes, visible
from holdfast.text.clean import versions as step_versions
from holdfast.text.clean.words import read_words
from holdfast.text.gates.settings import GateSettings
from holdfast.text.rejection import Rejected, preview
from holdfast.text.settings import CorpusSettings, OverrideSettings

FEWEST_LOST = 100  # characters: of a short text a page number can be half, and no step is wrong for it


class Ruling(NamedTuple):
    """What the rules say of one document. refused: why it is left out whatever its text."""

    clean: tuple[StepName, ...]
    gates: GateSettings
    refused: str | None = None


class Rules:
    """The rules of a corpus. Pure: one document at a time, the same for equal settings and word lists.

    Raises DataFault when the word list can not be read.
    """

    def __init__(self, settings: CorpusSettings) -> None:
        self.known = _known_words(settings.words)
        self._usual = Ruling(tuple(settings.clean), settings.gates)
        self._others = [(each.match, _otherwise(each, self._usual)) for each in settings.overrides]

    def ruling(self, document: Document) -> Ruling:
        """What holds for a document: what the first override that matches says, or what is said of all."""
        source, path = document.meta.get("source"), str(document.meta.get("path", ""))
        for pattern, ruling in self._others:
            if source == pattern or fnmatch(path, pattern) or fnmatch(document.id, pattern):
                return ruling
        return self._usual

    def treat(self, document: Document) -> Document | Rejected:
        """The document as it is learned from, or why it is not. meta["cleaned"] names the steps that changed it."""
        ruling = self.ruling(document)
        if ruling.refused is not None:
            return Rejected(document.id, "switched off", ruling.refused, preview(document.text))
        if (refused := gates.judge_source(document, ruling.gates)) is not None:
            return refused
        text, changed = document.text, set()
        most = ruling.gates.limit("max_lost")
        for change in changes(document.text, ruling.clean, self.known):
            if STEPS[change.step].bounded and (share := _lost(change)) > most:
                detail = f"{change.step} would take {share:.0%}, at most {most:.0%}"
                return Rejected(document.id, "cleaning would lose too much", detail, preview(document.text))
            changed.add(change.step)
            text = change.after
        meta = {**document.meta, "cleaned": [name for name in STEPS if name in changed]} if changed else document.meta
        cleaned = replace(document, text=text, meta=meta)
        refused = gates.judge_text(cleaned, ruling.gates)
        return cleaned if refused is None else refused


def _lost(change: Change) -> float:
    """The share of a text that a step took away, white space apart; 0 for short texts."""
    if len(change.before) - len(change.after) < FEWEST_LOST:
        return 0.0
    return change.lost / max(1, visible(change.before))


def versions(settings: CorpusSettings) -> Mapping[str, Any]:
    """The versions of all that `Rules` does: part of what a corpus is made from, and recorded in its manifest."""
    named = {*settings.clean, *(name for each in settings.overrides for name in each.clean or ())}
    return {"clean": step_versions(tuple(named)), "gates": gates.VERSION}


def _otherwise(override: OverrideSettings, usual: Ruling) -> Ruling:
    return Ruling(
        usual.clean if override.clean is None else tuple(override.clean),
        usual.gates if override.gates is None else usual.gates.under(override.gates),
        None if override.enabled else override.reason or f"by the override for {override.match}",
    )


def _known_words(path: str | None) -> Set[str]:
    if path is None:
        return frozenset()
    try:
        return read_words(Path(path).expanduser().read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DataFault(f"the word list {path} can not be read: {why}", "check corpus.words") from None
