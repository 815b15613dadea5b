"""Know signals by name and by number, as this system counts them."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Final

__all__ = ("NAMES", "NUMBERS", "sent")


def _names() -> dict[int, str]:
    named = {each.value: each.name for each in signal.Signals}
    first: int = getattr(signal, "SIGRTMIN", 0)
    return {
        number: named.get(number, f"SIGRTMIN+{number - first}")
        for number in sorted(map(int, signal.valid_signals()))
    }


NAMES: Final[Mapping[int, str]] = _names()
"""The name of each signal that can be sent."""
NUMBERS: Final[Mapping[str, int]] = {name: number for number, name in NAMES.items()}


def sent(name: str) -> int | None:
    """Return the number of a signal's name, with or without ``SIG``, in any case."""
    upper = name.upper()
    return NUMBERS.get(upper) or NUMBERS.get(f"SIG{upper}")
