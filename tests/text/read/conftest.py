"""Any bytes under any name, read as a file of that name would be."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.base.records import Document
from holdfast.text.read import formats
from holdfast.text.read.compression import Metered
from holdfast.text.read.place import Place
from holdfast.text.rejection import Rejected, Unreadable

Found = list[Document | Rejected]
Read = Callable[..., Found]


@pytest.fixture
def read() -> Read:
    """`read(name, data)`: documents and rejections, that of the whole file the last."""

    def read(name: str, data: bytes, *, field: str = "text", named: bool = False, header: Path | None = None) -> Found:
        place = Place(name, name, field, header=header)
        found: Found = []
        try:
            for each in formats.read(name, Metered(io.BytesIO(data), lambda count: None), place, named):
                found.append(each)
        except Unreadable as error:
            found.append(error.rejected(name))
        return found

    return read


@pytest.fixture
def document(read: Read) -> Callable[..., Document]:
    """`document(name, data)`: the only document there is."""

    def document(name: str, data: bytes | str, **more: object) -> Document:
        (found,) = read(name, data.encode("utf-8") if isinstance(data, str) else data, **more)
        assert isinstance(found, Document), found
        return found

    return document


@pytest.fixture
def reason(read: Read) -> Callable[..., str]:
    """`reason(name, data)`: why nothing of it could be read."""

    def reason(name: str, data: bytes | str, **more: object) -> str:
        (found,) = read(name, data.encode("utf-8") if isinstance(data, str) else data, **more)
        assert isinstance(found, Rejected), found
        return found.why

    return reason
