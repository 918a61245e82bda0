"""What is written is what TensorBoard's own writer would have written."""

from __future__ import annotations

import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter

from holdfast.journal.sinks.events import EventFile, check_sum


@given(some.binary(min_size=4, max_size=1600))
def test_check_sums_are_those_of_the_format(data: bytes) -> None:
    assert check_sum(data) == struct.pack("<I", masked_crc32c(data))


def test_check_sums_at_the_borders_of_pieces() -> None:
    for size in (4, 8, 511, 512, 513, 515, 516, 517, 1023, 1024, 1025, 1028):
        data = bytes(number * 7 % 256 for number in range(size))
        assert check_sum(data) == struct.pack("<I", masked_crc32c(data)), size


def test_a_file_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    events = [Event(wall_time=3.0 + step, step=step) for step in range(5)]
    ours = EventFile(tmp_path)
    (path,) = tmp_path.iterdir()
    for event in events:
        ours.add(event)
    ours.close()
    with open(tmp_path / "theirs", "wb") as file:
        theirs = RecordWriter(file)
        for event in events:
            theirs.write(event.SerializeToString())
        theirs.flush()
    assert path.name.startswith("events.out.tfevents.")
    assert path.read_bytes().endswith((tmp_path / "theirs").read_bytes())
