"""Say how much address space each linear memory is given.

A memory that has all the addresses it may ever need never moves, and its loads and
stores need no check against its size: wasmtime's usual 4 GiB and a guard of 32 MiB cost
no more time and no more mappings than a small reservation. Where addresses themselves
are limited, many instances only fit with a small one.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from ..core.limits import KIB, MIB

with suppress(ImportError):  # Windows has no such module
    import resource

__all__ = ("LARGE", "SMALL", "Room", "room")

_OVERCOMMIT: Final = Path("/proc/sys/vm/overcommit_memory")
_STRICT: Final = "2"
"""The system promises no more memory than it has, so reserved addresses count."""


@frozen
class Room:
    """Addresses for each linear memory, in bytes."""

    reservation: int
    guard: int
    growth: int
    """What a memory that outgrew its reservation gets beyond its size when it moves."""


LARGE: Final = Room(reservation=4096 * MIB, guard=32 * MIB, growth=2048 * MIB)
SMALL: Final = Room(reservation=4 * MIB, guard=64 * KIB, growth=64 * MIB)


def room(reservation: int | None) -> Room:
    """Return the room of a memory.

    Args:
        reservation: Its addresses; None: as many as the system allows.
    """
    if reservation is None:
        return SMALL if _is_scarce() else LARGE
    if reservation >= LARGE.reservation:
        return Room(reservation, LARGE.guard, LARGE.growth)
    return Room(reservation, SMALL.guard, SMALL.growth)


def _is_scarce() -> bool:
    """Tell whether this process may use only so much of its address space."""
    if sys.maxsize < 2**32:
        return True
    if sys.platform != "win32" and _addresses() != resource.RLIM_INFINITY:
        return True
    try:
        return _OVERCOMMIT.read_text().strip() == _STRICT
    except OSError:
        return False  # no such setting on this system


def _addresses() -> int:
    return resource.getrlimit(resource.RLIMIT_AS)[0]
