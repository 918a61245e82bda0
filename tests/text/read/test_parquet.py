"""Parquet files, whole, damaged, and inside an archive."""

import io
import random
import tarfile
from collections.abc import Callable

import pytest

from holdfast.base.records import Document
from holdfast.text.rejection import Rejected

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
Read = Callable[..., list[Document | Rejected]]


def table(**columns: list[object]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(arrow.table(columns), out)
    return out.getvalue()


DATA = table(text=["One é.", "Two."], n=[1, 2], nested=[[1], [2]])


def test_a_table_inside_an_archive(read: Read) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("x.parquet")
        info.size = len(DATA)
        archive.addfile(info, io.BytesIO(DATA))
    found = read("a.tar", out.getvalue())
    assert [(each.id, each.text) for each in found if isinstance(each, Document)] == [
        ("a.tar:x.parquet:1", "One é."),
        ("a.tar:x.parquet:2", "Two."),
    ]


def test_what_is_not_utf8_is_damage(read: Read) -> None:
    found = read("a.parquet", DATA.replace("é".encode(), b"\xc3("))
    assert isinstance(found[-1], Rejected)
    assert found[-1].reason == "damaged parquet file"


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_gives_rows_or_a_reason(seed: int, read: Read) -> None:
    draw = random.Random(seed)
    data = bytearray(DATA)
    for _ in range(draw.randrange(1, 9)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    for each in read("a.parquet", bytes(data)):
        assert isinstance(each, Document) or each.reason in (
            "damaged parquet file",
            "no field 'text'",
            "no text in field 'text'",
        )
