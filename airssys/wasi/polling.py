"""Wait for the first of many things: WASI's pollables, without a task for each.

A pollable looks at something (`Source`) or at the clock. Whoever polls leaves one event
with each source and sleeps until one of them wakes it, or the earliest time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Final

import anyio
import anyio.lowlevel
from attrs import define, field, frozen

from ..hostcalls.call import Call
from ..hostcalls.declare import Free, operation
from .clock import Clock
from .misuse import misuse

__all__ = (
    "MOST_POLLED",
    "Due",
    "PollOperations",
    "Pollable",
    "Source",
    "at",
    "on",
    "wait_first",
)

MOST_POLLED: Final = 10_000
"""Pollables in one poll: each is looked at every time that one of them changes."""
_IN_HAND = Free("it waits for what the guest holds already")
_NANO: Final = 1e-9
_AT_A_LOOK: Final = 256
"""Pollables that are looked at before others have their turn."""


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
    """A moment of a clock."""

    instant: int
    """In nanoseconds, as `Clock.monotonic` counts them."""
    clock: Clock


@define(eq=False)
class Pollable:
    """The resource ``pollable``: ready once something holds."""

    ready: Callable[[], bool]
    source: Source | None = None
    """What changes when it becomes ready; None: the time alone, or nothing."""
    due: Due | None = None
    """When it is ready; None: no clock makes it so."""


def at(instant: int, clock: Clock) -> Pollable:
    """Return what is ready at an instant of the clock, in nanoseconds."""
    return Pollable(lambda: clock.monotonic() >= instant, due=Due(instant, clock))


def on(source: Source, holds: Callable[[], bool]) -> Pollable:
    """Return what is ready once something holds that is looked at when it changes."""
    return Pollable(holds, source)


async def wait_first(pollables: Sequence[Pollable]) -> list[int]:
    """Wait until one is ready, and return the places of all that are.

    To look at many takes a while, in which others have their turns.
    """
    ready, first = await _look(pollables)
    if ready:
        return ready
    watched = {each.source for each in pollables if each.source is not None}
    while not watched and first is not None:  # nothing but time can end it
        await first.clock.sleep_until(first.instant)
        ready, first = await _look(pollables)
        if ready:
            return ready
    while True:
        wake = anyio.Event()
        with _watching(watched, wake):
            if len(pollables) > _AT_A_LOOK:
                # One that was looked at can have changed before the last one was.
                ready, first = await _look(pollables)
            if not ready:
                await _sleep(wake, first)
        if not ready:
            ready, first = await _look(pollables)
        if ready:
            return ready


async def _look(pollables: Sequence[Pollable]) -> tuple[list[int], Due | None]:
    """Return the places of those that are ready, and else what is due first."""
    ready: list[int] = []
    first: Due | None = None
    soonest = now = 0
    clock: Clock | None = None
    for place, each in enumerate(pollables):
        if place and not place % _AT_A_LOOK:
            await anyio.lowlevel.checkpoint()
        due = each.due
        if due is None:
            if each.ready():
                ready.append(place)
            continue
        if due.clock is not clock:
            # Once for all: there may be 10,000, and an instance has one clock.
            clock = due.clock
            now = clock.monotonic()
        if due.instant <= now:
            ready.append(place)
        elif first is None or due.instant - now < soonest:
            first, soonest = due, due.instant - now
    return ready, first


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


async def _sleep(wake: anyio.Event, first: Due | None) -> None:
    """Wait until a watched source has set the event, or what is due first is due."""
    left = None if first is None else first.instant - first.clock.monotonic()
    with anyio.move_on_after(None if left is None else max(left, 0) * _NANO):
        await wake.wait()
    if first is not None and not wake.is_set():
        await first.clock.sleep_until(first.instant)


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
        if len(pollables) > MOST_POLLED:
            reason = (
                f"it polled {len(pollables):_} things: {MOST_POLLED:_} are the most"
            )
            raise misuse(call, reason)
        return await wait_first(pollables)
