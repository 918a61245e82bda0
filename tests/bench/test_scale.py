"""Synthetic tokens and journals are what real ones are, and what a start reads of them does not grow."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.bench import scale
from holdfast.disk import files
from holdfast.feed.shards import Shards
from holdfast.feed.write import ShardWriter
from holdfast.journal.journal import Journal, read


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    with ShardWriter(tmp_path / "train", np.uint16) as writer:
        writer.add(np.arange(100))
        writer.close({"tokenizer_fingerprint": "t", "made_from": "m"})
    return tmp_path / "train"


def test_hollow_shards_verify(tokens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "SHARD_TOKENS", 3_000_000)
    scale.hollow(tokens, 7_000_001)
    shards = Shards.open(tokens, verify=True)
    assert (shards.tokens, len(shards.manifest["shards"])) == (7_000_001, 3)
    assert shards.tokenizer_fingerprint == "t"


@pytest.mark.parametrize("count", [10**6, 10**9])
def test_opening_hashes_what_the_number_of_documents_takes_and_no_token(
    count: int, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale.hollow(tokens, count)
    hashed = []
    real = files.chunk_hashes
    monkeypatch.setattr("holdfast.disk.parts.chunk_hashes", lambda path: hashed.append(path) or real(path))
    Shards.open(tokens, as_read=True)
    assert {path.suffix for path in hashed} == {".idx"}
    assert sum(path.stat().st_size for path in hashed) <= 4 * (count // scale.DOCUMENT_TOKENS + len(hashed))


def test_a_lengthened_journal_is_sound(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal")
    journal.append("event", event="start")
    for step in (1, 2):
        journal.append("step", stage="pretrain", step=step, loss=1.0)
    journal.close()
    scale.lengthen(tmp_path / "journal", 50)
    problems: list = []
    records = list(read(tmp_path / "journal", problems))
    assert not problems
    assert [record["step"] for record in records if record["kind"] == "step"] == [*range(-49, 1), 1, 2]
