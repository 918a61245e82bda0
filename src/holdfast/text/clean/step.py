"""What a cleaning step is."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import NamedTuple


class Step(NamedTuple):
    """A pure function from text to text. Twice is the same as once.

    version: rises whenever the result changes for any text.
    does:    in a few words, for people.
    apply:   the function; with `guided` it also takes the words that are known from elsewhere, in small letters.
    bounded: False where no share is too much: only white space goes, or marks in the text prove what goes.
    """

    version: int
    does: str
    apply: Callable[..., str]
    guided: bool = False
    bounded: bool = True

    def __call__(self, text: str, known: Set[str] = frozenset()) -> str:
        """The text after this step."""
        return self.apply(text, known) if self.guided else self.apply(text)
