"""Compile equal content once at a time, for all who want it.

Those who wait may be tasks of several event loops, in several threads. Each may be
cancelled, and the last one that is ends the compiling too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

import anyio
import anyio.to_thread
from attrs import define, evolve, field

from ..core.errors import CannotCompile, CompileLimit, InvalidComponent
from .compilers import Job

__all__ = ("Flights", "Progress")

_T = TypeVar("_T")

Progress = Callable[[str, float | None], object]
"""Told the name of what is being compiled and the seconds that took so far, about each
second; and None for them when it has ended."""

_LOOK: Final = 1.0
"""Seconds that a thread waits at the most for the end of a flight."""


@define(eq=False)
class _Flight(Generic[_T]):
    """Something that is compiled in a thread of its own."""

    work: Callable[[Job], _T]
    job: Job
    waiting: int = 0
    since: float = field(factory=time.monotonic)
    ended: threading.Event = field(factory=threading.Event)
    made: list[_T] = field(factory=list)
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.made.append(self.work(self.job))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            self.error = error
        finally:
            self.ended.set()

    def outcome(self, name: str) -> _T:
        """Return what was made; an error names the component as the caller does."""
        match self.error:
            case None:
                return self.made[0]
            case InvalidComponent() | CompileLimit() | CannotCompile() as error:
                raise evolve(error, component=name) from error.__cause__
            case error:
                raise error


@define(eq=False)
class Flights(Generic[_T]):
    """What is being compiled at the moment."""

    progress: Progress | None = None
    _under_way: dict[Hashable, _Flight[_T]] = field(factory=dict, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    async def fly(self, key: Hashable, work: Callable[[Job], _T], name: str) -> _T:
        """Have something done, or wait for it where it is being done already.

        Args:
            key: Equal where the outcome would be.
            work: Runs in a thread; it ends soon after its job was given up.
            name: What errors call the component.
        """
        flight = self._join(key, work, name)
        told = False
        try:
            while not await anyio.to_thread.run_sync(
                flight.ended.wait,
                _LOOK,
                abandon_on_cancel=True,
                limiter=anyio.CapacityLimiter(1),
            ):
                if self.progress is not None:
                    told = True
                    self.progress(name, time.monotonic() - flight.since)
        finally:
            self._leave(key, flight)
            if told and self.progress is not None:
                self.progress(name, None)
        return flight.outcome(name)

    def _join(self, key: Hashable, work: Callable[[Job], _T], name: str) -> _Flight[_T]:
        with self._lock:
            flight = self._under_way.get(key)
            if flight is None or flight.ended.is_set():
                flight = _Flight(work, Job(name))
                # A daemon: a compiler in this process cannot be ended, and must not
                # keep the process from its end.
                threading.Thread(
                    target=flight.run, name="airssys compiling", daemon=True
                ).start()
                self._under_way[key] = flight
            flight.waiting += 1
            return flight

    def _leave(self, key: Hashable, flight: _Flight[_T]) -> None:
        with self._lock:
            flight.waiting -= 1
            if flight.waiting:
                return
            if self._under_way.get(key) is flight:
                del self._under_way[key]
        if not flight.ended.is_set():
            flight.job.give_up()
