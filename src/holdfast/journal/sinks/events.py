"""TensorBoard's event files, written by the thread that has the events.

A file is a row of records: 8 bytes of length, a check sum of these, the event, a check sum of it; all little-endian
(TensorFlow's TFRecord). TensorBoard's own writer finds each check sum byte by byte in Python, in a thread that the
training then waits for: 1.7 ms a step, where this takes a hundredth of it.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLUSH_SECONDS = 10.0
_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits turned round
_PIECE = 512  # bytes summed at a time
_MASK = 0xA282EAD8  # added by the format, as a sum of sums would be weak


class EventFile:
    """A new event file in a folder; events are appended."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # half a second, and only here

        name = f"events.out.tfevents.{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        self._file = open(folder / name, "wb")  # noqa: SIM115 - open until `close`
        self._flushed = time.monotonic()
        self.add(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, event: Any) -> None:
        """Append one; it is on its way to the disk within some seconds. Raises OSError."""
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        self._file.write(b"".join((length, check_sum(length), data, check_sum(data))))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Push out what is still waiting."""
        self._file.close()


def check_sum(data: bytes) -> bytes:
    """The masked CRC-32C of 4 bytes or more, as 4 bytes.

    Which bits of the sum a byte turns over depends on it and on the number of bytes behind it alone, so all bytes are
    looked up at once. The state before a piece, of all ones at first, acts like other first bytes.
    """
    state, start = 0xFFFFFFFF, 0
    while start < len(data):
        left = len(data) - start
        size = left if left <= _PIECE else min(_PIECE, left - 4)  # the last piece has 4 bytes too
        piece = np.frombuffer(data, np.uint8, size, start).copy()
        piece[:4] ^= np.frombuffer(struct.pack("<I", state), np.uint8)
        state = int(np.bitwise_xor.reduce(_table()[np.arange(size - 1, -1, -1), piece]))
        start += size
    state ^= 0xFFFFFFFF
    return struct.pack("<I", ((state >> 15 | state << 17) + _MASK) & 0xFFFFFFFF)


@cache
def _table() -> NDArray[np.uint32]:
    """(_PIECE, 256): what a byte does to the sum when so many bytes come behind it."""
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = np.where(first & 1, first >> 1 ^ np.uint32(_POLYNOMIAL), first >> 1).astype(np.uint32)
    rows = [first]
    for _ in range(_PIECE - 1):
        rows.append(first[rows[-1] & 0xFF] ^ rows[-1] >> 8)
    return np.stack(rows)
