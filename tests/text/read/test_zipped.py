"""Zip archives: what is inside, one after the other, and no bomb."""

import io
import random
import zipfile
from collections.abc import Callable

import pytest

from holdfast.base.records import Document
from holdfast.text.read import zipped
from holdfast.text.rejection import Rejected

Read = Callable[..., list[Document | Rejected]]


def packed(*members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, how)
    return out.getvalue()


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_read_by_their_own_names(how: int, read: Read) -> None:
    data = packed(("in/x.txt", b"One."), ("y.jsonl", b'{"text": "Row."}\n'), ("../up.html", b"<p>Up."), how=how)
    found = {each.id: each.text for each in read("a.zip", data) if isinstance(each, Document)}
    assert found == {"a.zip:in/x.txt": "One.", "a.zip:y.jsonl:1": "Row.", "a.zip:../up.html": "Up."}


def test_what_is_not_read_is_told_and_stops_nothing(read: Read) -> None:
    inner = packed(("x.txt", b"No."))
    data = packed(("folder/", b""), ("a.png", b"PNG"), ("inner.zip", inner), ("nul.txt", b"\0"), ("z.txt", b"Good."))
    found = {each.id: each for each in read("a.zip", data)}
    assert {id: each.why for id, each in found.items() if isinstance(each, Rejected)} == {
        "a.zip:a.png": "not a format that is read here: .png",
        "a.zip:inner.zip": "not a format that is read here: .zip",
        "a.zip:nul.txt": "binary, not text: a NUL byte at 0",
    }
    assert isinstance(found["a.zip:z.txt"], Document)


def test_a_bomb_does_not_go_off(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "GROWTH_FREE_BYTES", 1 << 20)
    data = packed(("bomb.txt", b"\n" * (8 << 20)), ("z.txt", b"Good."))
    bomb, good = read("a.zip", data)
    assert isinstance(bomb, Rejected)
    assert bomb.why.startswith("grows without end when unpacked")
    assert isinstance(good, Document)


def test_an_encrypted_member_is_told(read: Read) -> None:
    data = bytearray(packed(("a.txt", b"Secret."), ("z.txt", b"Good.")))
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1  # general purpose flags of the table's first entry
    first, second = read("a.zip", bytes(data))
    assert isinstance(first, Rejected)
    assert (first.id, first.why) == ("a.zip:a.txt", "encrypted")
    assert isinstance(second, Document)


def test_a_member_without_a_name_is_told(read: Read) -> None:
    data = packed(("a", b"x")).replace(b"a", b"/")  # what is left of it when it is taken for an absolute path
    assert not [each for each in read("a.zip", data) if isinstance(each, Document)]
    data = bytearray(packed(("\0b.txt", b"x"), ("z.txt", b"Good.")))
    assert [each.id for each in read("a.zip", bytes(data))][-1] == "a.zip:z.txt"


def test_overlapping_members_are_not_read_twice(read: Read) -> None:
    data = bytearray(packed(("a.txt", b"One."), ("b.txt", b"Two."), how=zipfile.ZIP_STORED))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 42 : second + 46] = bytes(4)  # its place in the file: that of the first
    found = read("a.zip", bytes(data))
    assert not [each for each in found if isinstance(each, Document) and each.id == "a.zip:b.txt"]


@pytest.mark.parametrize("data", [b"", b"no zip", packed(("a.txt", b"x" * 999))[:-30], b"PK\x05\x06" + bytes(18)])
def test_a_broken_table_has_a_reason(data: bytes, read: Read) -> None:
    found = read("a.zip", data)
    assert not [each for each in found if isinstance(each, Document)]
    assert all(each.reason == "damaged archive" for each in found if isinstance(each, Rejected))


@pytest.mark.parametrize("seed", range(100))
def test_damage_anywhere_gives_texts_or_reasons(seed: int, read: Read) -> None:
    draw = random.Random(seed)
    how = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    data = bytearray(packed(("a.txt", draw.randbytes(50).hex().encode()), ("b.html", b"<p>Two."), how=how))
    for _ in range(draw.randrange(1, 9)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    read("a.zip", bytes(data))
