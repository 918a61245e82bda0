import errno
import json

import numpy as np
import pytest

from holdfast.base.faults import DataFault, DiskFault
from holdfast.feed import write
from holdfast.feed.shards import Shards
from holdfast.feed.write import MANIFEST_FILE, ShardWriter, ids_dtype

META = {"tokenizer_fingerprint": "t", "made_from": "m", "text_bytes": 9, "note": "kept"}


def store(out, *documents, meta=META):
    with ShardWriter(out) as writer:
        for ids, mask in documents:
            writer.add(ids, mask)
        return writer.close(meta)


def test_the_manifest_says_what_was_written(tmp_path):
    writer = ShardWriter(tmp_path, np.uint16, shard_tokens=5)
    writer.add([1, 2, 3], [0, 1, 1])
    writer.add(np.array([4, 5]), np.array([False, True]))
    writer.add([6, 7, 8, 9, 10, 11, 12], [True] * 7)
    writer.add([13], [0])
    manifest = writer.close(META)
    assert manifest == json.loads((tmp_path / MANIFEST_FILE).read_text())
    counts = {"tokens": 13, "trained_tokens": 10, "documents": 4, "dtype": "uint16", "masked": True, **META}
    assert counts.items() <= manifest.items()
    assert manifest["shards"] == [
        {"tokens": 5, "documents": 2},
        {"tokens": 7, "documents": 1},
        {"tokens": 1, "documents": 1},
    ]
    assert {name: entry["bytes"] for name, entry in manifest["files"].items() if name.startswith("00000")} == {
        "00000.bin": 10,
        "00000.idx": 8,
        "00000.mask": 5,
    }


def test_equal_documents_have_equal_fingerprints_whatever_they_were_made_from(tmp_path):
    prints = []
    for number, (ids, made_from) in enumerate([([1, 2], "a"), ([1, 2], "b"), ([1, 3], "a")]):
        manifest = store(tmp_path / str(number), (ids, None), meta={**META, "made_from": made_from})
        prints.append(manifest["fingerprint"])
    assert prints[0] == prints[1] != prints[2]


def test_writing_again_leaves_nothing_of_before(tmp_path):
    first = ShardWriter(tmp_path, shard_tokens=1)
    for number in range(3):
        first.add([number], [1])
    first.close(META)
    with ShardWriter(tmp_path) as second:
        assert not (tmp_path / MANIFEST_FILE).exists()
        second.add([1])
        second.close(META)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.bin", "00000.idx", MANIFEST_FILE]


def test_without_close_there_are_no_shards(tmp_path):
    with ShardWriter(tmp_path) as writer:
        writer.add(np.arange(10))
    with pytest.raises(DataFault, match="no finished token shards"):
        Shards.open(tmp_path)


@pytest.mark.parametrize(
    "adds",
    [
        [([], None)],
        [([1, 2], [1])],
        [([1], None), ([1], [1])],
        [([1], [1]), ([1], None)],
        [([65536], None)],
        [([-1], None)],
    ],
)
def test_what_can_not_be_stored_is_refused(tmp_path, adds):
    with pytest.raises(ValueError, match=r"document|mask|fit"):
        store(tmp_path, *adds)
    assert not (tmp_path / MANIFEST_FILE).exists()


def test_no_document_is_a_fault_and_meta_must_be_complete(tmp_path):
    with pytest.raises(DataFault, match="not one document"):
        ShardWriter(tmp_path).close(META)
    with pytest.raises(ValueError, match="made_from"):
        ShardWriter(tmp_path).close({"tokenizer_fingerprint": "t", "text_bytes": 0})


def test_a_full_disk_is_a_disk_fault(tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "fsync_file", full)
    with pytest.raises(DiskFault, match="No space left"):
        store(tmp_path, ([1, 2], None))
    assert not (tmp_path / MANIFEST_FILE).exists()


def test_ids_take_two_bytes_while_they_fit():
    assert ids_dtype(65536).itemsize == 2
    assert ids_dtype(65537).itemsize == 4
