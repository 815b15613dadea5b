"""Wait for the first of many things: WASI's pollables, without a task for each.

A pollable looks at something (`Source`) or at the clock. Whoever polls leaves one event
with each source and sleeps until one of them wakes it, or the earliest time has come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import anyio
import anyio.lowlevel
from attrs import define, field, frozen

from ..hostcalls.call import Call
from ..hostcalls.declare import Free, operation
from .clock import Clock
from .misuse import misuse

__all__ = ("Due", "PollOperations", "Pollable", "Source", "at", "on", "wait_first")

_IN_HAND = Free("it waits for what the guest holds already")
_NANO = 1e-9
_PIECE = 1024
"""Pollables that are looked at before others get their turn."""


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
        """Forget an event. Does nothing where it is not known."""
        if wake in self._wakes:
            self._wakes.remove(wake)
            if self.end is not None and not self._wakes:
                self.end(self)


@frozen(eq=False)
class Due:
    """An instant of a clock, in nanoseconds."""

    instant: int
    clock: Clock


@define(eq=False)
class Pollable:
    """The resource ``pollable``: ready once something holds."""

    ready: Callable[[], bool]
    source: Source | None = None
    """What changes when it becomes ready; None: the time alone, or nothing."""
    due: Due | None = None
    """When a clock makes it ready; None: none does."""


def at(instant: int, clock: Clock) -> Pollable:
    """Return what is ready at an instant of the clock, in nanoseconds."""
    return Pollable(lambda: clock.monotonic() >= instant, due=Due(instant, clock))


def on(source: Source, holds: Callable[[], bool]) -> Pollable:
    """Return what is ready once something holds that is looked at when it changes."""
    return Pollable(holds, source)


async def wait_first(pollables: Sequence[Pollable]) -> list[int]:
    """Wait until one is ready, and return the places of all that are."""
    if ready := await _ready(pollables):
        return ready
    watched = {each.source for each in pollables if each.source is not None}
    dues = [each.due for each in pollables if each.due is not None]
    while True:
        if watched:
            wake = anyio.Event()
            with _watching(watched, wake):
                # In pieces, so that one that was seen can have changed since.
                if len(pollables) <= _PIECE or not (ready := await _ready(pollables)):
                    with anyio.move_on_after(_left(dues)):
                        await wake.wait()
        else:
            await anyio.sleep(_left(dues))
        if ready or (ready := await _ready(pollables)):
            return ready


async def _ready(pollables: Sequence[Pollable]) -> list[int]:
    """Return the places of those that are ready, with one look at each clock."""
    ready: list[int] = []
    clock, now = None, 0
    for place, each in enumerate(pollables):
        if place and not place % _PIECE:
            await anyio.lowlevel.checkpoint()
        due = each.due
        if due is None:
            if each.ready():
                ready.append(place)
            continue
        if due.clock is not clock:
            clock, now = due.clock, due.clock.monotonic()
        if now >= due.instant:
            ready.append(place)
    return ready


@contextmanager
def _watching(sources: Iterable[Source], wake: anyio.Event) -> Iterator[None]:
    """Have some sources set an event."""
    watched: list[Source] = []
    try:
        for source in sources:
            watched.append(source)
            source.watch(wake)
        yield
    finally:
        for source in watched:
            source.unwatch(wake)


def _left(dues: Sequence[Due]) -> float:
    """Return the seconds until the first comes; infinity where none will."""
    first: dict[int, Due] = {}
    for due in dues:
        known = first.get(id(due.clock))
        if known is None or due.instant < known.instant:
            first[id(due.clock)] = due
    left = ((due.instant - due.clock.monotonic()) * _NANO for due in first.values())
    return max(min(left, default=math.inf), 0)


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
