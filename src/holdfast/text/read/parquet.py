"""Parquet files, of which a library reads a few hundred rows at once."""

from __future__ import annotations

from typing import IO

from holdfast.text.read.place import Found, Place, missing, seekable
from holdfast.text.read.rows import row_document
from holdfast.text.rejection import Unreadable

ROWS = 512  # read at once


def documents(stream: IO[bytes], place: Place) -> Found:
    """A document of each row, with those of its columns that hold plain values.

    Raises DataFault when the library is not installed.
    """
    try:
        from pyarrow import ArrowException, parquet, types
    except ImportError:
        raise missing("pyarrow", place) from None
    try:
        with parquet.ParquetFile(seekable(stream)) as table:
            schema = table.schema_arrow
            if place.field not in schema.names:
                raise Unreadable(f"no field {place.field!r}", f"columns: {', '.join(schema.names)[:200]}")
            plain = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
            columns = [each.name for each in schema if each.name == place.field or any(ask(each.type) for ask in plain)]
            done = 0
            for batch in table.iter_batches(ROWS, columns=columns):
                for row in batch.to_pylist():
                    done += 1
                    yield row_document(row, place.below(str(done)), f"row {done}")
    except (ArrowException, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's; the library's own have no number
            raise
        raise Unreadable("damaged parquet file", str(error).partition("\n")[0]) from None
