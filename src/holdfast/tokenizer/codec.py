"""Text to ids and back: the only object other rooms need from here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.base.faults import DataFault
from holdfast.tokenizer.cut import PIECE_CHARACTERS, pieces
from holdfast.tokenizer.encoders import Encode, encoders
from holdfast.tokenizer.settings import Kind, Pattern
from holdfast.tokenizer.vocabulary import Vocabulary

# What is encoded at once: little enough to stay in the processor's cache.
GROUP_CHARACTERS = 1 << 17

Ids = NDArray[np.int32]


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
        self._encode_little, self._encode_much = encoders(vocabulary)
        self._domain = {name: np.array([place], dtype=np.int32) for name, place in vocabulary.domain_ids.items()}
        self._apart = apart(vocabulary.domain)
        self._bytes = vocabulary.token_bytes
        self._names = {place: name.encode("ascii") for name, place in self.special.items()}

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[Vocabulary]]:
        """It travels to other processes as its vocabulary, which is plain data."""
        return Tokenizer, (self.vocabulary,)

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
        """The ids of each text, as lists."""
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, each of shape (ids,). Whole corpora are best given some million characters at a time.
        Raises DataFault for a lone surrogate."""
        much = sum(map(len, texts)) > GROUP_CHARACTERS
        try:
            return self._encoded(texts, self._encode_much if much else self._encode_little)
        except (TypeError, UnicodeEncodeError):  # the library's word and Python's for a str that has no UTF-8 form
            for text in texts:
                utf8(text)
            raise

    def _encoded(self, texts: Sequence[str], encode: Encode) -> list[Ids]:
        found: list[list[Ids]] = [[] for _ in texts]
        for group in self._groups(texts):
            for (owner, piece), ids in zip(group, encode([piece for _, piece in group]), strict=True):
                found[owner].append(self._domain.get(piece, ids))
        return [parts[0] if len(parts) == 1 else np.concatenate([_NO_IDS, *parts]) for parts in found]

    def _groups(self, texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
        """(number of the text, piece of it) in order, in groups of about GROUP_CHARACTERS."""
        group: list[tuple[int, str]] = []
        held = 0
        for owner, text in enumerate(texts):
            for piece in self._pieces(text):
                group.append((owner, piece))
                held += len(piece)
                if held >= GROUP_CHARACTERS:
                    yield group
                    group, held = [], 0
        if group:
            yield group

    def _pieces(self, text: str) -> Iterable[str]:
        """The text cut where its ids can be joined again: around domain tokens, and between words."""
        if self._apart is not None:
            return (piece for part in self._apart.split(text) if part for piece in pieces(part))
        return (text,) if len(text) <= PIECE_CHARACTERS else pieces(text)

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


_NO_IDS: Ids = np.zeros(0, dtype=np.int32)


def apart(names: Sequence[str]) -> re.Pattern[str] | None:
    """Splits a text around the domain tokens in it; where one begins with another the longer is meant."""
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})") if names else None


def utf8(text: str) -> bytes:
    """The UTF-8 form of a text. Raises DataFault for a lone surrogate, which JSON may smuggle in and no file holds."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataFault(
            f"a text holds half a surrogate pair (U+{ord(text[error.start]):04X}) at character {error.start}",
            "clean the text first: such a code is no character and has no UTF-8 form",
        ) from error
