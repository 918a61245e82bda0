"""How each kind of vocabulary finds ids: one way for a few short texts, one for whole corpora. Both find the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Library

from holdfast.tokenizer.lexicon import Lexicon, library_batch
from holdfast.tokenizer.merging import Merger
from holdfast.tokenizer.vocabulary import Vocabulary, byte_token, text_encoder

Ids = NDArray[np.int32]
Encode = Callable[[Sequence[str]], list[Ids]]


def encoders(vocabulary: Vocabulary) -> tuple[Encode, Encode]:
    """(for little, for much) text. Both raise TypeError or UnicodeEncodeError for text that has no UTF-8 form."""
    if vocabulary.kind == "byte":
        return _bytes, _bytes
    if vocabulary.kind == "char":
        characters = _Characters(vocabulary.tokens)
        return characters, characters
    library = text_encoder(vocabulary)
    return partial(library_batch, library), _Much(vocabulary, library)


class _Much:
    """A lexicon that is made when it is first needed, for it takes memory, and used by one thread at a time."""

    def __init__(self, vocabulary: Vocabulary, library: Library) -> None:
        self._vocabulary, self._library = vocabulary, library
        self._lexicon: Lexicon | None = None
        self._lock = Lock()

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        pattern = self._vocabulary.pattern
        if pattern is None:
            return library_batch(self._library, texts)
        with self._lock:
            if self._lexicon is None:
                self._lexicon = Lexicon(self._library, Merger(self._vocabulary), pattern)
            return self._lexicon.encode(texts)


def _bytes(texts: Sequence[str]) -> list[Ids]:
    """The bytes of UTF-8 are the ids: `byte_alphabet` is in that order."""
    return [np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int32) for text in texts]


class _Characters:
    """An id per character, and for those without one the ids of their bytes in UTF-8."""

    def __init__(self, tokens: Sequence[str]) -> None:
        place = {token: number for number, token in enumerate(tokens)}
        points = {ord(token): number for token, number in place.items() if len(token) == 1}
        self._of_point = np.full(max(points) + 2, -1, dtype=np.int32)  # the last stands for all beyond it too
        self._of_point[list(points)] = list(points.values())
        self._of_byte = np.array([place.get(byte_token(byte), -1) for byte in range(256)], dtype=np.int32)

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> Ids:
        points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        ids: Ids = np.take(self._of_point, points, mode="clip")
        rare = ids < 0
        if not rare.any():
            return ids
        spelled = points[rare].tobytes().decode("utf-32-le").encode("utf-8")
        size = 1 + sum((points >= first).astype(np.int64) for first in (0x80, 0x800, 0x10000))
        ids = np.repeat(ids, np.where(rare, size, 1))
        ids[ids < 0] = self._of_byte[np.frombuffer(spelled, dtype=np.uint8)]
        return ids
