"""How far the reading is, told often enough to be seen and seldom enough to cost nothing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
_STEP_BYTES = 1 << 16


class Meter:
    """Counts bytes and tells `progress(done, total)`; the total is None while nobody knows it."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.done = 0
        self.total: int | None = None
        self._told = 0

    def advance(self, count: int) -> None:
        """So many bytes more are done."""
        self.done += count
        if abs(self.done - self._told) >= _STEP_BYTES:
            self.tell()

    def tell(self) -> None:
        """Tell where it stands now."""
        self._told = self.done
        self.progress(self.done, self.total)
