"""Tell when a small write can be made on the event loop's own thread.

Linux has no write to a page cache that fails where it would wait, on most of its file
systems. A write waits where the system has too much that is not on the disk yet, so
that is looked up now and then, and one write that took long sends others to a thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import define, field

__all__ = ("LARGEST", "QuickWrites")

LARGEST: Final = 64 * 1024
"""Bytes that are written at once at the most."""
_LONG: Final = 0.004
_MOST_SKIPPED: Final = 1024
"""Writes that go without, after one that took long and many before it: the first is
followed by one, the next by two, and so on. It may have waited for the disk, or only
for a processor."""
_BETWEEN: Final = 8 * 2**20
"""Bytes that are written between two looks at what waits for the disk."""
_FIGURES: Final = Path("/proc/vmstat")
_WAITING: Final = (b"nr_dirty", b"nr_writeback")
_ROOM: Final = b"nr_dirty_background_threshold"


@define(eq=False)
class QuickWrites:
    """Lets small writes through as long as the system takes them without a wait."""

    figures: Path = _FIGURES
    """Where the kernel tells what waits for the disk."""
    _skipped: int = field(default=0, init=False)
    """Writes that still go without."""
    _skip: int = field(default=1, init=False)
    _left: int = field(default=0, init=False)
    """Bytes until the next look."""

    def may(self, size: int) -> bool:
        """Tell whether so many bytes can be written at once, and count them."""
        if size > LARGEST:
            return False
        if self._skipped:
            self._skipped -= 1
            return False
        if self._left < size:
            if not self._has_room():
                self._rest()
                return False
            self._left = _BETWEEN
        self._left -= size
        return True

    def took(self, seconds: float) -> None:
        """Say how long one took."""
        if seconds > _LONG:
            self._left = 0
            self._rest()
        else:
            self._skip = 1

    def _rest(self) -> None:
        self._skipped = self._skip
        self._skip = min(2 * self._skip, _MOST_SKIPPED)

    def _has_room(self) -> bool:
        """Tell whether less waits for the disk than when the kernel begins to write.

        It makes writers wait only from well above that on.
        """
        try:
            lines = self.figures.read_bytes().split(b"\n")
        except OSError:
            return False
        found = dict(line.split(b" ") for line in lines if line.count(b" ") == 1)
        waiting = sum(int(found.get(name, b"0")) for name in _WAITING)
        return waiting < int(found.get(_ROOM, b"0"))
