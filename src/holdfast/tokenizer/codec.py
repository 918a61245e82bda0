"""Text to ids and back: the only object other rooms need from here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.base.faults import DataFault
from holdfast.tokenizer.cut import PIECE_CHARACTERS, pieces
from holdfast.tokenizer.settings import Kind, Pattern
from holdfast.tokenizer.vocabulary import Vocabulary, text_encoder

# How many characters the library is given at once: enough for all threads, little enough for its bookkeeping.
GROUP_CHARACTERS = 1 << 21


class _Special:
    """A property that reads one special token's id."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tokenizer: Tokenizer, owner: type) -> int:
        return tokenizer.special[self.name]


class Tokenizer:
    """A vocabulary at work. Every text survives `decode(encode(text))`, and no text encodes to a special token."""

    bos = _Special("<|bos|>")
    eot = _Special("<|eot|>")
    pad = _Special("<|pad|>")
    user_start = _Special("<|user_start|>")
    user_end = _Special("<|user_end|>")
    assistant_start = _Special("<|assistant_start|>")
    assistant_end = _Special("<|assistant_end|>")
    system_start = _Special("<|system_start|>")
    system_end = _Special("<|system_end|>")
    python_start = _Special("<|python_start|>")
    python_end = _Special("<|python_end|>")
    output_start = _Special("<|output_start|>")
    output_end = _Special("<|output_end|>")

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.special: dict[str, int] = dict(vocabulary.special)
        self._encoder = text_encoder(vocabulary)
        self._bytes = vocabulary.token_bytes
        self._names = {place: name.encode("ascii") for name, place in self.special.items()}

    @property
    def vocab_size(self) -> int:
        """All ids, special and reserved ones included: the height of a model's embedding."""
        return self.vocabulary.size

    @property
    def kind(self) -> Kind:
        return self.vocabulary.kind

    @property
    def pattern(self) -> Pattern | None:
        return self.vocabulary.pattern

    @property
    def fingerprint(self) -> str:
        """Equal iff every text gets equal ids."""
        return self.vocabulary.fingerprint

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without bos or eot. Raises DataFault for a lone surrogate, which is not Unicode text."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text. The work runs on the library's threads, outside Python's lock."""
        ids: list[list[int]] = [[] for _ in texts]
        for group in _groups(texts):
            try:
                encodings = self._encoder.encode_batch_fast([piece for _, piece in group], add_special_tokens=False)
            except TypeError:  # the library's word for a str that has no UTF-8 form
                for text in texts:
                    utf8(text)
                raise
            for (owner, _), encoding in zip(group, encodings, strict=True):
                if ids[owner]:
                    ids[owner].extend(encoding.ids)
                else:
                    ids[owner] = encoding.ids
        return ids

    def decode_bytes(self, ids: Iterable[int], skip_special: bool = True) -> bytes:
        """The exact bytes behind ids, so that a stream can be cut inside a character and still be joined."""
        if skip_special:
            return b"".join([self._bytes[i] for i in ids])
        return b"".join([self._names.get(i) or self._bytes[i] for i in ids])

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """The text behind ids. Bytes that form no character, as a model may well produce, become U+FFFD."""
        return self.decode_bytes(ids, skip_special).decode("utf-8", errors="replace")

    def token_bytes(self) -> NDArray[np.int64]:
        """How many bytes of text each id stands for, shape (V,), 0 for special tokens: the ruler of bits per byte."""
        return np.array([len(spelled) for spelled in self._bytes], dtype=np.int64)


def _groups(texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """(number of the text, piece of it) in order, in groups of about GROUP_CHARACTERS."""
    group: list[tuple[int, str]] = []
    held = 0
    for owner, text in enumerate(texts):
        for piece in (text,) if len(text) <= PIECE_CHARACTERS else pieces(text):
            group.append((owner, piece))
            held += len(piece)
            if held >= GROUP_CHARACTERS:
                yield group
                group, held = [], 0
    if group:
        yield group


def utf8(text: str) -> bytes:
    """The UTF-8 form of a text. Raises DataFault for a lone surrogate, which JSON may smuggle in and no file holds."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataFault(
            f"a text holds half a surrogate pair (U+{ord(text[error.start]):04X}) at character {error.start}",
            "clean the text first: such a code is no character and has no UTF-8 form",
        ) from error
