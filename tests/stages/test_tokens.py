"""Token shards: encoded once, whatever happens on the way."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest

from holdfast.base.records import Document
from holdfast.disk.fileops import watched
from holdfast.feed.shards import Shards
from holdfast.stages import tokens
from holdfast.text import crew, harbour
from holdfast.tokenizer.codec import Ids, Tokenizer
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train

from ..disk.breaking import WAYS, contents, goes_on_wherever_it_is_broken, nothing_goes_past_the_watcher, vouched
from ..disk.watchers import Killed, Nth

TEXTS = [document.text for document in harbour.documents(60, 7)]


class Counting(Tokenizer):
    """A tokenizer that remembers how many texts it was given."""

    def __init__(self) -> None:
        super().__init__(train([], TokenizerSettings(kind="byte")).vocabulary)
        self.texts = 0

    def encode_arrays(self, texts: Sequence[str]) -> list[Ids]:
        self.texts += len(texts)
        return super().encode_arrays(texts)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "BATCH_CHARACTERS", 600)


def documents(skip: int) -> Iterator[Document]:
    return islice((Document(str(number), text) for number, text in enumerate(TEXTS)), skip, None)


def encode(out: Path, tokenizer: Tokenizer | None = None, made_from: str = "corpus") -> dict[str, object]:
    return tokens.encode(documents, made_from, tokenizer or Counting(), out, 2500, lambda done: None)


def test_shards_hold_every_text_between_its_marks(tmp_path: Path) -> None:
    told: list[int] = []
    tokenizer = Counting()
    manifest = tokens.encode(documents, "corpus", tokenizer, tmp_path, 2500, told.append)
    shards = Shards.open(tmp_path, verify=True)
    assert shards.documents == len(TEXTS) == tokenizer.texts
    for start, length, text in zip(shards.starts, shards.lengths, TEXTS, strict=True):
        ids = shards.read(start, start + length).tolist()
        assert (ids[0], ids[-1]) == (tokenizer.bos, tokenizer.eot)
        assert tokenizer.decode(ids[1:-1]) == text
    assert manifest["text_bytes"] == told[-1] == sum(len(text.encode()) for text in TEXTS)


def test_nothing_goes_past_the_watcher(tmp_path: Path) -> None:
    nothing_goes_past_the_watcher(encode, tmp_path / "out")


@pytest.mark.parametrize("way", WAYS)
def test_wherever_it_is_broken_it_goes_on_behind_the_finished_shards(tmp_path: Path, way: str) -> None:
    assert goes_on_wherever_it_is_broken(encode, tmp_path, way, 8)["finished_files_kept"] > 20


def test_a_finished_shard_is_not_encoded_again(tmp_path: Path) -> None:
    counter = Nth()
    with watched(counter):
        encode(tmp_path / "unbroken")
    longest = max(each["documents"] for each in Shards.open(tmp_path / "unbroken").manifest["shards"])
    for number in range(5, counter.count, counter.count // 6):
        out = tmp_path / str(number)
        with watched(Nth(number, Killed)), pytest.raises(Killed):
            encode(out)
        finished = len([name for name in vouched(out) if name.endswith(".json")])
        behind = sum(each["documents"] for each in Shards.open(tmp_path / "unbroken").manifest["shards"][:finished])
        again = Counting()
        encode(out, again)
        assert again.texts == len(TEXTS) - behind <= len(TEXTS) - finished * longest // 2
        assert contents(out) == contents(tmp_path / "unbroken")


def test_what_was_made_from_another_corpus_or_tokenizer_is_encoded_anew(tmp_path: Path) -> None:
    encode(tmp_path)
    first, second = Counting(), Counting()
    encode(tmp_path, first)
    encode(tmp_path, second, made_from="another")
    assert (first.texts, second.texts) == (0, len(TEXTS))
    other = train(TEXTS, TokenizerSettings(vocab_size=320))
    assert encode(tmp_path, other, made_from="another")["tokenizer_fingerprint"] == other.fingerprint


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "ALONE", 1000)
    tokenizer = train(TEXTS, TokenizerSettings(vocab_size=300))
    found = [
        tokens.encode(documents, "corpus", tokenizer, tmp_path / str(workers), 2500, lambda done: None, workers)
        for workers in (1, 2, 3)
    ]
    assert found[0] == found[1] == found[2]
    assert contents(tmp_path / "1") == contents(tmp_path / "2") == contents(tmp_path / "3")
