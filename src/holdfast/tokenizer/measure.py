"""How well a tokenizer suits a text, and which tokenizers can be compared: ours, and files that other tools made."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer as Library

from holdfast.base.faults import DataFault
from holdfast.tokenizer import store
from holdfast.tokenizer.adopt import TOKENIZER, adopt
from holdfast.tokenizer.codec import Ids, Tokenizer
from holdfast.tokenizer.settings import Pattern
from holdfast.tokenizer.vocabulary import PATTERNS

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
WORDS_AT_ONCE = 50_000

# The word patterns of the vocabularies that tiktoken's files, which do not say theirs, are known by.
TIKTOKEN_PATTERNS: dict[str, Pattern] = {
    "gpt2": "gpt2",
    "r50k_base": "gpt2",
    "p50k_base": "gpt2",
    "cl100k_base": "llama-bpe",
}


class Subject(NamedTuple):
    """A tokenizer to measure, whoever made it. decode gives UTF-8."""

    name: str
    vocab_size: int
    encode: Callable[[Sequence[str]], Sequence[Ids]]
    decode: Callable[[Sequence[int]], bytes]


def subject(path: Path) -> Subject:
    """The tokenizer at `path`: a run's, a folder of ours, a tokenizer.json, a folder with it or with vocab.json and
    merges.txt, or a .tiktoken file. Nothing is downloaded. Raises DataFault for anything else."""
    for folder in (path / "tokenizer", path):
        if (folder / store.MANIFEST_FILE).is_file():
            return of_ours(str(path), store.load(folder))
    if path.suffix == ".tiktoken":
        return _tiktoken(path)
    file = path / TOKENIZER if path.is_dir() else path
    if not file.exists():  # vocab.json and merges.txt, or nothing, of which it complains
        return of_ours(str(path), Tokenizer(adopt(path)))
    try:
        library = Library.from_file(str(file))
    except Exception as error:
        if type(error) is not Exception:  # the library raises this very class, whatever is wrong with the file
            raise
        raise DataFault(f"{file} is no tokenizer: {error}", "give a tokenizer.json or a folder with one") from error

    def encode(texts: Sequence[str]) -> list[Ids]:
        found = library.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(each.ids, dtype=np.int32) for each in found]

    def decode(ids: Sequence[int]) -> bytes:
        return library.decode(ids, skip_special_tokens=False).encode()

    return Subject(str(path), library.get_vocab_size(), encode, decode)


def of_ours(name: str, tokenizer: Tokenizer) -> Subject:
    """One of our tokenizers."""
    return Subject(name, tokenizer.vocab_size, tokenizer.encode_arrays, tokenizer.decode_bytes)


def _tiktoken(path: Path) -> Subject:
    if path.stem not in TIKTOKEN_PATTERNS:
        known = ", ".join(f"{name}.tiktoken" for name in TIKTOKEN_PATTERNS)
        raise DataFault(f"{path} does not say its word pattern", f"known by their names are {known}")
    try:
        import tiktoken
    except ImportError as error:
        raise DataFault(f"{path} needs the tiktoken package", "pip install 'holdfast[bench]'") from error
    try:
        lines = [line.split() for line in path.read_bytes().splitlines() if line]
        ranks = {b64decode(token): int(rank) for token, rank in lines}
    except (OSError, ValueError) as error:
        raise DataFault(f"{path} can not be read: {error}", "copy it again from where it came") from error
    pattern = PATTERNS[TIKTOKEN_PATTERNS[path.stem]]
    made = tiktoken.Encoding(path.stem, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})

    def encode(texts: Sequence[str]) -> list[Ids]:
        return [np.array(ids, dtype=np.int32) for ids in made.encode_ordinary_batch(list(texts))]

    return Subject(str(path), made.n_vocab, encode, made.decode_bytes)


@dataclass
class Measure:
    """Counts over texts, given in batches; memory grows with the number of different words only."""

    subject: Subject
    bytes: int = 0
    tokens: int = 0
    texts: int = 0
    lost: int = 0
    used: set[int] = field(default_factory=set)

    def add(self, texts: Sequence[str]) -> None:
        """Encode and decode some more texts."""
        for text, ids in zip(texts, self.subject.encode(texts), strict=True):
            spelled = text.encode("utf-8")
            self.texts += 1
            self.bytes += len(spelled)
            self.tokens += len(ids)
            self.used.update(np.unique(ids).tolist())
            self.lost += self.subject.decode(ids.tolist()) != spelled

    def result(self, words: Counter[str]) -> dict[str, Any]:
        """Everything by name. words: how often the texts have each word. A rare one stands there once."""
        lengths = self._lengths(list(words))
        times = np.array(list(words.values()), dtype=np.int64)
        rare = times == 1
        return {
            "tokenizer": self.subject.name,
            "vocab_size": self.subject.vocab_size,
            "bytes": self.bytes,
            "tokens": self.tokens,
            "bytes_per_token": _share(self.bytes, self.tokens),
            "tokens_per_word": _share(float((lengths * times).sum()), int(times.sum())),
            "words_in_one_token": _share(int(times[lengths == 1].sum()), int(times.sum())),
            "rare_words": int(rare.sum()),
            "tokens_per_rare_word": _share(int(lengths[rare].sum()), int(rare.sum())),
            "texts_lost": self.lost,
            "unused_tokens": self.subject.vocab_size - len(self.used),
        }

    def _lengths(self, words: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """How many tokens each word takes in the middle of a text."""
        counts: list[int] = []
        for start in range(0, len(words), WORDS_AT_ONCE):
            some = [f" {word}" for word in words[start : start + WORDS_AT_ONCE]]
            counts += [len(ids) for ids in self.subject.encode(some)]
        return np.array(counts, dtype=np.int64)


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def measure(
    subjects: Sequence[Subject], batches: Iterable[Sequence[str]], progress: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Each subject on the same texts. progress(bytes done). Raises DataFault when there is no text."""
    measures = [Measure(each) for each in subjects]
    words: Counter[str] = Counter()
    for batch in batches:
        for each in measures:
            each.add(batch)
        for text in batch:
            words.update(WORD.findall(text))
        progress(measures[0].bytes)
    if not measures[0].bytes:
        raise DataFault("there is no text to measure on", "name files with text: --text FILES")
    return [each.result(words) for each in measures]
