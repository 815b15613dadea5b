"""Give guests the time: ``wasi:clocks``."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from ..hostcalls.call import Call
from ..hostcalls.declare import Free, operation
from .context import context_of
from .polling import Pollable, at

__all__ = ("MonotonicClock", "Timezone", "WallClock")

_NANO: Final = 1_000_000_000
_LATEST: Final = 2**64 - 1
_UTC: Final = 0
_TIME = Free("the time is no secret")


class MonotonicClock:
    """The operations of ``wasi:clocks/monotonic-clock``."""

    interface: ClassVar[str] = "wasi:clocks/monotonic-clock@0.2.12"

    @operation(needs=_TIME)
    def now(self, call: Call) -> int:
        return context_of(call).clock.monotonic()

    @operation(needs=_TIME)
    def resolution(self, call: Call) -> int:
        return context_of(call).clock.resolution

    @operation(needs=_TIME)
    def subscribe_instant(self, call: Call, when: int) -> Pollable:
        return at(when, context_of(call).clock)

    @operation(needs=_TIME)
    def subscribe_duration(self, call: Call, when: int) -> Pollable:
        clock = context_of(call).clock
        return at(min(clock.monotonic() + when, _LATEST), clock)


class WallClock:
    """The operations of ``wasi:clocks/wall-clock``."""

    interface: ClassVar[str] = "wasi:clocks/wall-clock@0.2.12"

    @operation(needs=_TIME)
    def now(self, call: Call) -> dict[str, int]:
        return _stamp(context_of(call).clock.wall())

    @operation(needs=_TIME)
    def resolution(self, call: Call) -> dict[str, int]:
        return _stamp(context_of(call).clock.resolution)


class Timezone:
    """The operations of ``wasi:clocks/timezone``: guests live in UTC.

    Where the host is would be told by its zone, and nobody has granted that.
    """

    interface: ClassVar[str] = "wasi:clocks/timezone@0.2.12"

    @operation(needs=_TIME)
    def display(self, _: Call, __: Any) -> dict[str, object]:
        return {
            "utc-offset": _UTC,
            "name": "UTC",
            "in-daylight-saving-time": False,
        }

    @operation(needs=_TIME)
    def utc_offset(self, _: Call, __: Any) -> int:
        return _UTC


def _stamp(nanoseconds: int) -> dict[str, int]:
    return {"seconds": nanoseconds // _NANO, "nanoseconds": nanoseconds % _NANO}
