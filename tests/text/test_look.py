"""A look goes through all of a file: it counts, it hashes, and it finds damage wherever it is."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from pyarrow import parquet, table

from holdfast.text.look import look
from holdfast.text.rejection import Unreadable

LINES = b"".join(b"line %d of a text that is long enough to be packed\n" % number for number in range(5000))
ROWS = b'{"text": "one"}\n\n{"text": "two"}\n{broken\n[]\n{"text": "three"}'


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("a.txt", "b.txt"):
            header = tarfile.TarInfo(name)
            header.size = len(LINES)
            archive.addfile(header, io.BytesIO(LINES))
    return made.getvalue()


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "b.txt", "c.txt"):
            archive.writestr(name, LINES)
    return made.getvalue()


def columns() -> bytes:
    made = io.BytesIO()
    parquet.write_table(table({"text": [f"text {number}" for number in range(3000)]}), made, row_group_size=500)
    return made.getvalue()


FILES = {
    "a.txt": (LINES, 5000, "lines", 0),
    "a.md": (LINES.rstrip(), 5000, "lines", 0),
    "empty.txt": (b"", 0, "lines", 0),
    "a.jsonl": (ROWS, 3, "rows", 2),
    "a.csv": (b'a,b\n1,"two\nlines"\n\n', 2, "rows", 0),
    "a.tsv": (b"a\tb\r\n1\t2\r\n", 2, "rows", 0),
    "a.tar": (tar(), 2, "members", 0),
    "a.zip": (zipped(), 3, "members", 0),
    "a.parquet": (columns(), 3000, "rows", 0),
    "a.txt.gz": (gzip.compress(LINES), 5000, "lines", 0),
    "a.txt.xz": (lzma.compress(LINES), 5000, "lines", 0),
    "a.txt.bz2": (bz2.compress(LINES), 5000, "lines", 0),
    "a.jsonl.zst": (zstandard.compress(ROWS), 3, "rows", 2),
    "a.tgz": (gzip.compress(tar()), 2, "members", 0),
    "a.json": (b"[1, 2]", None, "", 0),
    "a.bin": (bytes(range(256)), None, "", 0),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_in_a_file(tmp_path: Path, name: str) -> None:
    data, count, unit, broken = FILES[name]
    (tmp_path / name).write_bytes(data)
    found = look(tmp_path / name)
    assert (found.bytes, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (found.count, found.unit, found.broken) == (count, unit, broken)


@pytest.mark.parametrize(
    "name", [name for name in FILES if name.count(".") > 1 or name[2:] in ("tar", "zip", "tgz", "parquet")]
)
def test_a_file_that_breaks_off(tmp_path: Path, name: str) -> None:
    data = FILES[name][0]
    (tmp_path / name).write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(Unreadable):
        look(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.xz", "a.txt.bz2", "a.tgz", "a.zip"])
def test_a_file_with_a_flipped_bit(tmp_path: Path, name: str) -> None:
    data = bytearray(FILES[name][0])
    data[len(data) // 3] ^= 4
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Unreadable):
        look(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "nowhere.txt")
