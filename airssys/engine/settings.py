"""Refuse settings of an engine that it cannot have.

wasmtime ends the process for some of them, and others would come out in the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from ..core.limits import GIB, KIB, LEAST_TO_COMPILE, CompileLimits
from ..core.units import show_size
from .fiber import Slicing

__all__ = ("check_settings",)

_LEAST_STACK: Final = 16 * KIB
_MOST_STACK: Final = GIB
"""A guest's stack takes addresses for each instance; more is a mistake."""
_ADDRESSES: Final = 2**47
"""Bytes that a process can address."""


@frozen
class _Setting:
    fits: Callable[[Any], bool]
    allowed: str
    """What it can be, in words."""


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    def fits(given: Any) -> bool:
        return (
            isinstance(given, int)
            and not isinstance(given, bool)
            and least <= given <= most
        )

    return fits


def _optional(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda given: given is None or fits(given)


_SETTINGS: Final[Mapping[str, _Setting]] = {
    "stack": _Setting(
        _whole(_LEAST_STACK, _MOST_STACK),
        f"bytes, from {_LEAST_STACK:_} to {_MOST_STACK:_}",
    ),
    "threads": _Setting(_optional(_whole(1, 2**16)), "a positive number, or None"),
    "memory_reservation": _Setting(
        _optional(_whole(0, _ADDRESSES)), "bytes, 0 or more, or None"
    ),
    "cache_size": _Setting(_whole(0, 2**63), "bytes, 0 or more"),
    "slicing": _Setting(
        _optional(lambda given: isinstance(given, Slicing)), "a Slicing, or None"
    ),
    "compile_limits": _Setting(
        lambda given: (
            isinstance(given, CompileLimits) and given.memory >= LEAST_TO_COMPILE
        ),
        f"CompileLimits, with a memory of {show_size(LEAST_TO_COMPILE)} at least",
    ),
    "pace": _Setting(_optional(_whole(1, 2**31)), "a positive number, or None"),
    "progress": _Setting(_optional(callable), "a function, or None"),
}


def check_settings(**given: object) -> None:
    """Check the settings of an engine, by their names.

    Raises:
        ValueError: One is none that an engine can have.
    """
    for name, value in given.items():
        setting = _SETTINGS[name]
        if not setting.fits(value):
            raise ValueError(
                f"an engine's {name} cannot be {value!r}: it is {setting.allowed}"
            )
