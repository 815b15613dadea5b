"""Tell guests the time of the event loop, so that a test's clock is theirs too."""

from __future__ import annotations

import time
from asyncio import get_running_loop
from typing import Final, Protocol

import anyio
import trio
from attrs import frozen
from trio.lowlevel import in_trio_task

__all__ = ("Clock", "LoopClock")

_NANO: Final = 1_000_000_000
_SHORTEST: Final = 1e-6
"""Seconds of a sleep at the least: what is less is lost where the loop adds it to its
own time, after some weeks, and the sleeper would wake too early for ever."""


class Clock(Protocol):
    """**Protocol:** what time it is for a guest."""

    def monotonic(self) -> int:
        """Return nanoseconds since some moment; they never run backwards."""

    def wall(self) -> int:
        """Return nanoseconds since 1970."""

    @property
    def resolution(self) -> int:
        """Nanoseconds between two values of `monotonic` at the least."""

    async def sleep_until(self, instant: int) -> None:
        """Wait until `monotonic` has come to an instant, or a moment less."""


@frozen
class LoopClock:
    """The clock of the event loop, and the system's for dates.

    A guest's sleeps are sleeps of the loop: trio's ``MockClock`` moves them too.
    """

    resolution: int = 1

    def monotonic(self) -> int:
        # As anyio does, which looks for the event loop each time, for longer than all
        # else that a guest's look at the clock takes here.
        now = trio.current_time() if in_trio_task() else get_running_loop().time()
        return int(now * _NANO)

    def wall(self) -> int:
        return time.time_ns()

    async def sleep_until(self, instant: int) -> None:
        left = instant - self.monotonic()
        await anyio.sleep(max(left / _NANO, _SHORTEST) if left > 0 else 0)
