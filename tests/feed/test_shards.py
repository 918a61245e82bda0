import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.faults import DataFault
from holdfast.disk import files
from holdfast.feed import shards as reading
from holdfast.feed.shards import Shards
from holdfast.feed.write import MANIFEST_FILE


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_the_stream_is_read_across_shard_borders(make, dtype):
    documents = [np.arange(start, start + length) for start, length in ((0, 5), (40, 2), (60, 9), (7, 1))]
    masks = [np.arange(len(ids)) % 2 for ids in documents]
    shards = make(documents, masks, shard_tokens=6, dtype=dtype)
    stream, learned = np.concatenate(documents), np.concatenate(masks)
    assert len(shards.manifest["shards"]) == 4
    assert (shards.tokens, shards.documents, shards.trained_tokens) == (17, 4, learned.sum())
    assert shards.lengths.tolist() == [5, 2, 9, 1]
    assert shards.starts.tolist() == [0, 5, 7, 16]
    for start in range(18):
        for stop in range(start, 18):
            assert shards.read(start, stop).tolist() == stream[start:stop].tolist()
    positions = np.array([[16, 0, 6], [7, 7, 4]])
    assert shards.ids_at(positions).tolist() == stream[positions].tolist()
    assert shards.learned_at(positions).tolist() == learned[positions].astype(bool).tolist()


def test_without_a_mask_everything_is_learned(make):
    shards = make([[1, 2, 3]])
    assert not shards.masked
    assert shards.trained_tokens == 3
    assert shards.learned_at(np.array([0, 2])).all()


@pytest.mark.parametrize("name", ["00000.bin", "00000.idx", "00000.mask"])
def test_damage_names_the_file(make, name):
    folder = make([np.arange(100)], [np.ones(100)]).directory
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataFault, match=name):
        Shards.open(folder)
    path.write_bytes(bytes([whole[0] ^ 4]) + whole[1:])
    with pytest.raises(DataFault, match=name):
        Shards.open(folder, verify=True)
    path.unlink()
    with pytest.raises(DataFault, match=name):
        Shards.open(folder)
    path.write_bytes(whole)
    assert Shards.open(folder, verify=True).tokens == 100


def test_what_is_damaged_is_seen_when_it_is_read_and_not_before(make, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK_BYTES", 64)
    monkeypatch.setattr(files, "CHUNK_BYTES", 64)
    folder = make([np.arange(100)], [np.ones(100)]).directory  # 200 bytes of ids: four chunks of 32 ids, 100 of mask
    path = folder / "00000.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:130] + bytes([whole[130] ^ 4]) + whole[131:])
    shards = Shards.open(folder, as_read=True)
    assert shards.read(0, 64).tolist() == list(range(64))
    for _ in range(2):
        with pytest.raises(DataFault, match=r"00000.bin is damaged: chunk 2"):
            shards.read(60, 70)
    assert shards.read(96, 100).tolist() == [96, 97, 98, 99]


def test_opening_reads_no_more_of_a_large_set_than_of_a_small_one(make, monkeypatch):
    hashed = []

    def damage(path, recorded, *, only_size):
        hashed.extend([] if only_size else [path.name])

    folder = make([np.arange(50_000)], [np.ones(50_000)]).directory
    monkeypatch.setattr(reading.parts, "damage", damage)
    Shards.open(folder, as_read=True)
    assert hashed == ["00000.idx"]  # the lengths of documents, of which a token has hardly any part


def test_no_manifest_no_shards(tmp_path, make):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataFault, match="no finished token shards"):
            Shards.open(folder)


@given(st.sampled_from(["tokens", "documents", "dtype", "masked", "shards", "files", "schema", "text_bytes"]))
def test_a_changed_manifest_is_seen(key):
    import tempfile
    from pathlib import Path

    from holdfast.feed.write import ShardWriter

    with tempfile.TemporaryDirectory() as name:
        writer = ShardWriter(Path(name))
        writer.add([1, 2, 3])
        manifest = writer.close({"tokenizer_fingerprint": "t", "made_from": "m"})
        for value in (None, 7, "float64", {}, []):
            (Path(name) / MANIFEST_FILE).write_text(json.dumps({**manifest, key: value}))
            with pytest.raises(DataFault, match="manifest"):
                Shards.open(Path(name))
        del manifest[key]
        (Path(name) / MANIFEST_FILE).write_text(json.dumps(manifest))
        with pytest.raises(DataFault, match="manifest"):
            Shards.open(Path(name))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', "null"])
def test_a_torn_manifest_is_seen(make, text):
    folder = make([[1, 2]]).directory
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(DataFault, match="manifest"):
        Shards.open(folder)
