"""Refuse an instance before the operating system would make wasmtime abort.

Each linear memory takes two or three mappings of the address space, the stack that an
instance keeps after its first call two more, and Linux allows a process 65,530 by
default. Past that point a failed allocation inside wasmtime ends the process, so
instances, and first calls, are admitted under a ceiling read from the machine.
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
_GUESS: Final = 64
"""Mappings to expect of the first instance of a component."""
_STACK: Final = 2
"""Mappings of the stack that stays with an instance once it was called."""


def _mappings() -> int:
    with _MAPS.open("rb") as lines:
        return sum(
            chunk.count(b"\n") for chunk in iter(lambda: lines.read(1 << 16), b"")
        )


def _limit() -> int | None:
    try:
        return int(_LIMIT.read_text())
    except (OSError, ValueError):
        return None  # no such limit on this system


@define
class Ceiling:
    """How many more instances the address space has room for.

    Counting mappings takes milliseconds in a large process, so what is admitted is
    added up, and the true number is counted again only when the sum has used up the
    room.
    """

    limit: int | None = field(factory=_limit)
    live: int = 0
    """Instances that are alive."""
    _room: int = 0

    def admit(self, component: str, mappings: int = 0) -> None:
        """Count one more instance.

        Args:
            component: Its name, for the error.
            mappings: What an instance of it takes; 0 where that is not known yet.

        Raises:
            QuotaExceeded: The process has nearly all the memory mappings it may have.
        """
        self._take(mappings or _GUESS, component)
        self.live += 1

    def admit_call(self, component: str) -> int:
        """Make room for the stack of an instance's first call; return what it takes.

        Raises:
            QuotaExceeded: As `admit`; the instance stays as it was.
        """
        self._take(_STACK, component)
        return _STACK

    def release(self, mappings: int = 0) -> None:
        """Count one instance less, which gives back so many mappings."""
        self.live -= 1
        self._room += mappings

    def count(self) -> int:
        """Return the number of mappings; 0 where they are not limited."""
        return 0 if self.limit is None else _mappings()

    def _take(self, mappings: int, component: str) -> None:
        if self.limit is None:
            return
        if self._room < mappings:
            # Half of it: another engine of this process may be taking the same room.
            self._room = (self.limit - _SPARE - _mappings()) // 2
        if self._room < mappings:
            raise QuotaExceeded(
                f"component {component!r}",
                "host's ceiling on live instances",
                f"{self.live} live; the system allows {self.limit} memory mappings",
                "raise it with: sysctl vm.max_map_count=1048576",
            )
        self._room -= mappings
