"""Refuse an instance before the operating system would make wasmtime abort.

Each linear memory takes three mappings of the address space, and Linux allows a process
65,530 by default. Past that point a failed allocation inside wasmtime ends the process,
so instances are admitted under a ceiling read from the machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import define, field

from ..core.errors import QuotaExceeded

__all__ = ("Ceiling",)

_MAPS: Final = Path("/proc/self/maps")
_LIMIT: Final = Path("/proc/sys/vm/max_map_count")
_SPARE: Final = 1024
"""Mappings left to threads, libraries and everybody else in the process."""
_GUESS: Final = 8
"""Mappings to expect of one instance; the true number is counted when it matters."""


def _mappings() -> int:
    with _MAPS.open("rb") as lines:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: lines.read(1 << 16), b""))


def _limit() -> int | None:
    try:
        return int(_LIMIT.read_text())
    except (OSError, ValueError):
        return None  # no such limit on this system


@define
class Ceiling:
    """How many more instances the address space has room for.

    Mappings are guessed on the safe side and only counted, which takes milliseconds in
    a large process, when the guesses have used up the room.
    """

    limit: int | None = field(factory=_limit)
    live: int = 0
    """Instances that are alive."""
    _room: int = 0

    def admit(self, component: str) -> None:
        """Count one more instance.

        Raises:
            QuotaExceeded: The process has nearly all the memory mappings it may have.
        """
        if self.limit is not None:
            if self._room < _GUESS:
                self._room = self.limit - _SPARE - _mappings()
            if self._room < _GUESS:
                raise QuotaExceeded(
                    f"component {component!r}",
                    "host's ceiling on live instances",
                    f"{self.live} live; the system allows {self.limit} memory mappings",
                    "raise it with: sysctl vm.max_map_count=1048576",
                )
            self._room -= _GUESS
        self.live += 1

    def release(self) -> None:
        """Count one instance less."""
        self.live -= 1
