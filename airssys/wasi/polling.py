"""Wait for the first of many things: WASI's pollables, without a task for each.

A pollable looks at something (`Source`) or at the clock. Whoever polls leaves one event
with each source and sleeps until one of them wakes it, or the earliest time has come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import anyio
from attrs import define, field

from ..hostcalls.call import Call
from ..hostcalls.declare import Free, operation
from .clock import Clock
from .misuse import misuse

__all__ = ("PollOperations", "Pollable", "Source", "at", "on", "wait_first")

_IN_HAND = Free("it waits for what the guest holds already")
_NANO = 1e-9


@define(eq=False)
class Source:
    """Something that changes, such as a stream; tells whoever polls it."""

    begin: Callable[[Source], object] | None = None
    """Called with it when somebody begins to watch it, and nobody else does."""
    end: Callable[[Source], object] | None = None
    """Called with it when nobody watches it any more."""
    _wakes: set[anyio.Event] = field(factory=set, init=False, repr=False)

    def touch(self) -> None:
        """Say that it changed. On the event loop's own thread."""
        for wake in self._wakes:
            wake.set()

    def watch(self, wake: anyio.Event) -> None:
        """Set an event when it changes."""
        self._wakes.add(wake)
        if self.begin is not None and len(self._wakes) == 1:
            self.begin(self)

    def unwatch(self, wake: anyio.Event) -> None:
        """Forget an event."""
        self._wakes.discard(wake)
        if self.end is not None and not self._wakes:
            self.end(self)


@define(eq=False)
class Pollable:
    """The resource ``pollable``: ready once something holds."""

    ready: Callable[[], bool]
    source: Source | None = None
    """What changes when it becomes ready; None: the time alone, or nothing."""
    left: Callable[[], float] | None = None
    """Returns the seconds until it is ready; None: no clock makes it so."""


def at(instant: int, clock: Clock) -> Pollable:
    """Return what is ready at an instant of the clock, in nanoseconds."""
    return Pollable(
        lambda: clock.monotonic() >= instant,
        left=lambda: (instant - clock.monotonic()) * _NANO,
    )


def on(source: Source, holds: Callable[[], bool]) -> Pollable:
    """Return what is ready once something holds that is looked at when it changes."""
    return Pollable(holds, source)


async def wait_first(pollables: Sequence[Pollable]) -> list[int]:
    """Wait until one is ready, and return the places of all that are."""
    watched = {each.source for each in pollables if each.source is not None}
    timed = [each.left for each in pollables if each.left is not None]
    while True:
        ready = [place for place, each in enumerate(pollables) if each.ready()]
        if ready:
            return ready
        until = min((left() for left in timed), default=math.inf)
        if not watched:
            await anyio.sleep(max(until, 0) if timed else math.inf)
            continue
        wake = anyio.Event()
        for source in watched:
            source.watch(wake)
        try:
            with anyio.move_on_after(max(until, 0)):
                await wake.wait()
        finally:
            for source in watched:
                source.unwatch(wake)


class PollOperations:
    """The operations of ``wasi:io/poll``."""

    interface: ClassVar[str] = "wasi:io/poll@0.2.12"

    @operation("[method]pollable.ready", needs=_IN_HAND)
    def ready(self, _: Call, pollable: Pollable) -> bool:
        return pollable.ready()

    @operation("[method]pollable.block", needs=_IN_HAND)
    async def block(self, _: Call, pollable: Pollable) -> None:
        await wait_first((pollable,))

    @operation(needs=_IN_HAND)
    async def poll(self, call: Call, pollables: list[Pollable]) -> list[int]:
        if not pollables:
            raise misuse(call, "to poll nothing would never end")
        return await wait_first(pollables)
