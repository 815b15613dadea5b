"""Test actors, hosts and instruments without WebAssembly and without waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from inspect import isawaitable
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import anyio
import anyio.lowlevel
import trio.testing
from attrs import define, field, frozen

from .core.errors import (
    InstanceBusy,
    InstanceClosed,
    MissingExport,
    Overtime,
    WitError,
)
from .core.event import Event
from .core.limits import Limits, Usage

__all__ = (
    "Recorder",
    "Script",
    "ScriptedComponent",
    "ScriptedInstance",
    "Turn",
    "after",
    "virtual_time",
)

_E = TypeVar("_E", bound=Event)


def virtual_time() -> tuple[str, dict[str, Any]]:
    """Return a backend for anyio whose clock jumps ahead when every task waits.

    An hour of sleep takes no time, and the order of what happens is the same each time.
    Not for tests that use worker threads: the clock would run away meanwhile.

    >>> anyio.run(anyio.sleep, 3600, *virtual_time())
    """
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@define(eq=False)
class Recorder:
    """An `Instrument` that keeps every event."""

    events: list[Event] = field(factory=list, init=False)
    _arrived: anyio.Event | None = field(default=None, init=False)

    def event(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)
        if self._arrived is not None:
            self._arrived.set()
            self._arrived = None

    def of(self, kind: type[_E]) -> list[_E]:
        """Return the events of one kind, oldest first."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait_for(self, kind: type[_E], *, count: int = 1) -> _E:
        """Wait until there are so many events of the kind, and return the last of them.

        Those that are there already count as well.
        """
        while len(found := self.of(kind)) < count:
            self._arrived = self._arrived or anyio.Event()
            await self._arrived.wait()
        return found[count - 1]


Turn: TypeAlias = object
"""What one call does: a value is returned, an exception raised, a function called with
the arguments (and awaited)."""
Script: TypeAlias = Mapping[str, Turn | Sequence[Turn]]
"""For each export what its calls do; of a list one turn after the other, the last one
for all further calls."""


@frozen
class ScriptedComponent:
    """What a `ScriptedInstance` was made of."""

    name: str = "scripted"


class ScriptedInstance:
    """An instance that follows a script instead of running WebAssembly.

    It has the surface of `airssys.Instance`: one call at a time; a call that is
    cancelled, takes longer than its limit or raises anything but `WitError` ends it.
    Every call and its arguments are kept in ``calls``.
    """

    def __init__(
        self,
        script: Script,
        *,
        name: str = "scripted",
        limits: Limits | None = None,
    ) -> None:
        self.component: ScriptedComponent = ScriptedComponent(name)
        self.limits: Limits = limits or Limits()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._turns = {
            export: list(turns) if isinstance(turns, list) else [turns]
            for export, turns in script.items()
        }
        self._running: str | None = None
        self._why = ""

    def __repr__(self) -> str:
        return f"<ScriptedInstance of {self.component.name!r}: {self._why or 'alive'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether it can still be called."""
        return not self._why

    @property
    def usage(self) -> Usage:
        """How many calls there were."""
        return Usage(calls=len(self.calls))

    def called(self, export: str) -> list[tuple[Any, ...]]:
        """Return the arguments of every call of an export, oldest first."""
        return [args for name, args in self.calls if name == export]

    def close(self) -> None:
        """End it. Does nothing when it has ended.

        Raises:
            InstanceBusy: A call is under way.
        """
        if self._running is not None:
            raise InstanceBusy(self.component.name, "close", self._running)
        self._why = self._why or "closed"

    async def call(self, export: str, *args: Any) -> Any:
        """Do what the script says.

        Raises:
            MissingExport: The script does not know the export.
            InstanceClosed: It was closed, or an earlier call ended it.
            InstanceBusy: Another call is under way.
            Overtime: The turn took longer than ``limits.timeout``.
        """
        name = self.component.name
        await anyio.lowlevel.checkpoint()
        if self._why:
            raise InstanceClosed(name, self._why)
        if self._running is not None:
            raise InstanceBusy(name, export, self._running)
        if export not in self._turns:
            raise MissingExport(name, export, tuple(self._turns))
        self.calls.append((export, args))
        turns = self._turns[export]
        turn = turns[0] if len(turns) == 1 else turns.pop(0)
        self._running, why = export, "cancelled"
        try:
            value: object = None
            with anyio.move_on_after(self.limits.timeout) as scope:
                value = await _played(turn, args)
            why = "Overtime" if scope.cancelled_caught else ""
        except WitError:
            why = ""
            raise
        except Exception as error:
            why = type(error).__name__
            raise
        finally:
            self._running = None
            if why:
                self._why = f"{export!r} was cut off by {why}"
        if why:
            assert self.limits.timeout is not None
            raise Overtime(name, export, self.limits.timeout)
        return value


async def _played(turn: Turn, args: Iterable[Any]) -> object:
    if isinstance(turn, Exception):
        raise turn
    if not callable(turn):
        return turn
    value = turn(*args)
    return await value if isawaitable(value) else value


def after(seconds: float, turn: Turn = None) -> Callable[..., Awaitable[object]]:
    """Make a turn that waits before it does something: a guest that is slow.

    ``after(math.inf)`` never comes back.
    """

    async def late(*args: object) -> object:
        await anyio.sleep(seconds)
        return await _played(turn, args)

    return late
