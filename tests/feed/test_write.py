import json

import numpy as np
import pytest

from holdfast.base.faults import DataFault, DiskFault
from holdfast.disk.fileops import watched
from holdfast.feed.shards import Shards
from holdfast.feed.write import MANIFEST_FILE, ShardWriter, ids_dtype

from ..disk.breaking import WAYS, goes_on_wherever_it_is_broken, nothing_goes_past_the_watcher
from ..disk.watchers import Nth

META = {"tokenizer_fingerprint": "t", "made_from": "m", "note": "kept"}


def store(out, *documents, meta=META):
    with ShardWriter(out) as writer:
        for ids, mask in documents:
            writer.add(ids, mask)
        return writer.close(meta)


def test_the_manifest_says_what_was_written(tmp_path):
    writer = ShardWriter(tmp_path, np.uint16, shard_tokens=5)
    writer.add([1, 2, 3], [0, 1, 1], text_bytes=9)
    writer.add(np.array([4, 5]), np.array([False, True]))
    writer.add([6, 7, 8, 9, 10, 11, 12], [True] * 7)
    writer.add([13], [0])
    manifest = writer.close(META)
    assert manifest == json.loads((tmp_path / MANIFEST_FILE).read_text())
    counts = {"tokens": 13, "trained_tokens": 10, "documents": 4, "text_bytes": 9}
    assert (counts | {"dtype": "uint16", "masked": True} | META).items() <= manifest.items()
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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.bin", "00000.idx", "00000.json", MANIFEST_FILE]


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
    with pytest.raises(ValueError, match="tokenizer_fingerprint"):
        ShardWriter(tmp_path).close({"made_from": "m"})


@pytest.mark.parametrize("kind", ["create", "write", "sync", "sync_directory", "replace"])
def test_a_full_disk_is_a_disk_fault(tmp_path, kind):
    with watched(Nth(1, kinds=[kind])), pytest.raises(DiskFault, match="No space left"):
        store(tmp_path / "out", ([1, 2], None))
    assert not (tmp_path / "out" / MANIFEST_FILE).exists()


DOCUMENTS = [list(range(length)) for length in (5, 2, 9, 1, 4, 4, 7)]


def write_until(out, stop, made_from="same", dtype=np.uint16):
    """Go on writing DOCUMENTS up to number `stop`, as the stage does; returns how many were there and the manifest."""
    with ShardWriter(out, dtype, shard_tokens=8, made_from=made_from) as writer:
        kept = writer.documents
        for ids in DOCUMENTS[kept:stop]:
            writer.add(ids, text_bytes=3 * len(ids))
        return kept, writer.close(META) if stop == len(DOCUMENTS) else None


def test_finished_shards_are_kept_and_the_rest_is_written_behind_them(tmp_path):
    _, unbroken = write_until(tmp_path / "unbroken", len(DOCUMENTS))
    assert [shard["documents"] for shard in unbroken["shards"]] == [2, 1, 2, 1, 1]
    for stop, kept in ((1, 0), (2, 0), (3, 2), (5, 3), (7, 7)):
        out = tmp_path / str(stop)
        write_until(out, stop)
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.bin")}
        assert write_until(out, len(DOCUMENTS)) == (kept, unbroken)
        whole = {f"{number:05d}.bin" for number in range([0, 2, 3, 5, 6, 7].index(kept))}
        assert {name for name in before if (out / name).stat().st_mtime_ns == before[name]} >= whole
        for path in (tmp_path / "unbroken").iterdir():
            assert (out / path.name).read_bytes() == path.read_bytes()
        assert len(list(out.iterdir())) == len(list((tmp_path / "unbroken").iterdir()))


def test_what_was_made_from_something_else_is_not_kept(tmp_path):
    write_until(tmp_path, 5)
    assert write_until(tmp_path, 5, made_from="other")[0] == 0
    assert write_until(tmp_path, 5, made_from="other", dtype=np.uint32)[0] == 0
    assert write_until(tmp_path, 5, made_from="other", dtype=np.uint32)[0] == 3
    assert write_until(tmp_path, 5, made_from=None)[0] == 0


def write_all(out):
    return write_until(out, len(DOCUMENTS))


def test_nothing_goes_past_the_watcher(tmp_path):
    nothing_goes_past_the_watcher(write_all, tmp_path / "out")


@pytest.mark.parametrize("way", WAYS)
def test_wherever_it_is_broken_it_goes_on_behind_the_finished_shards(tmp_path, way):
    assert goes_on_wherever_it_is_broken(write_all, tmp_path, way, 10)["finished_files_kept"] > 20


@pytest.mark.parametrize("name", ["00001.bin", "00001.idx", "00001.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "lose"])
def test_a_damaged_shard_and_those_behind_it_are_written_again(tmp_path, name, harm):
    _, unbroken = write_until(tmp_path, len(DOCUMENTS))
    path = tmp_path / name
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes(data[: len(data) // 2] if harm == "cut" else data)
    if harm == "lose":
        path.unlink()
    assert write_until(tmp_path, len(DOCUMENTS)) == (2, unbroken)
    assert Shards.open(tmp_path, verify=True).documents == len(DOCUMENTS)


def test_ids_take_two_bytes_while_they_fit():
    assert ids_dtype(65536).itemsize == 2
    assert ids_dtype(65537).itemsize == 4
