"""Text from local files: which of them, in which order, and how far the reading is.

How a file is read is its format's business (`text.read`). Memory stays flat: a file is read in pieces or is bounded, an
archive as it streams by.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from holdfast.text.locate import InputFile, files_fingerprint, find_inputs
from holdfast.text.meter import Meter
from holdfast.text.read.compression import TYPICAL_GROWTH, Metered
from holdfast.text.read.formats import HEADER, kind_of, read
from holdfast.text.read.place import Found, Place
from holdfast.text.rejection import Rejected, Unreadable
from holdfast.text.settings import CorpusSettings


def units(settings: CorpusSettings, seed: int, meter: Meter) -> Iterator[Found]:
    """What was met that is no file, then each of the named files by name, in its own order. `seed` is not used: files
    are what they are.

    Raises DataFault when nothing can be read at all, or a format needs a library that is not installed.
    """
    assert settings.path is not None, "a checked recipe names a path for this source"
    inputs = find_inputs(settings.path)
    meter.total = inputs.bytes
    yield iter(inputs.rejected)
    headers = {_stem(file.name): file.path for file in inputs.files if file.name.endswith(HEADER)}
    for file in inputs.files:
        place = Place(file.name, file.name, settings.text_field, header=headers.get(_stem(file.name)))
        yield _file(file, place, meter)


def fingerprint(settings: CorpusSettings) -> str:
    """What the named files hold right now."""
    assert settings.path is not None, "a checked recipe names a path for this source"
    return files_fingerprint(find_inputs(settings.path).files)


def unpacked_bytes(file: InputFile) -> int:
    """How much text a file holds, about, when it is packed."""
    return int(file.bytes * TYPICAL_GROWTH.get(kind_of(file.name)[1], 1.0))


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _file(file: InputFile, place: Place, meter: Meter) -> Found:
    end = meter.done + file.bytes
    try:
        with open(file.path, "rb", buffering=0) as raw:
            metered = Metered(raw, lambda count: meter.advance(min(count, end - meter.done)))  # some parts twice
            yield from read(file.name, metered, place, file.named)
    except Unreadable as error:
        yield error.rejected(file.name)
    except OSError as error:
        yield Rejected(file.name, "unreadable file", error.strerror or str(error))
    meter.advance(end - meter.done)  # what was not read of it is done with as well
