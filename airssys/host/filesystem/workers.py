"""Run what can block in threads, so that a cancelled call ends at once.

The thread of a cancelled call goes on until the system lets it: a slow disk cannot be
interrupted. Its outcome is undone, and there are only so many of such threads.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock, Thread
from typing import Final, Generic, Protocol, TypeVar, cast

import anyio
import anyio.to_thread
from anyio.lowlevel import EventLoopToken
from attrs import define, field

from .errors import failure

__all__ = ("Workers", "hand_back")

_T = TypeVar("_T")

_THREADS: Final = 16
_FORGOTTEN: Final = 64
_OWN: Final = 8


class _Trio(Protocol):
    """**Protocol:** what trio has to call something from another thread."""

    def run_sync_soon(self, function: Callable[[], object], /) -> None: ...


def hand_back(token: EventLoopToken, function: Callable[[], object]) -> None:
    """Have something called on an event loop's thread, by a thread nobody waits for.

    Args:
        token: The event loop. Where it has ended, nothing is called.
        function: Must not raise.
    """
    loop = token.native_token
    with suppress(RuntimeError):  # it has ended
        if isinstance(loop, asyncio.AbstractEventLoop):
            loop.call_soon_threadsafe(_begin, loop, function)
        else:
            cast("_Trio", loop).run_sync_soon(function)


def _begin(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    async def call() -> None:
        function()

    # A task, since what is called may ask for the time, as anyio tells it to tasks.
    task = loop.create_task(call())
    _begun.add(task)
    task.add_done_callback(_begun.discard)


_begun: Final[set[asyncio.Task[None]]] = set()
"""Tasks that have begun, which asyncio itself only refers to weakly."""


@define(eq=False)
class _Outcome(Generic[_T]):
    """The outcome of a thread: for its caller, or undone where the caller is gone."""

    work: Callable[[], _T]
    undo: Callable[[_T], object] | None
    lock: Lock = field(factory=Lock)
    results: list[_T] = field(factory=list)
    running: bool = False
    forgotten: bool = False
    ended: Callable[[], object] | None = None

    def run(self) -> None:
        with self.lock:
            if self.forgotten:
                return
            self.running = True
        try:
            result = self.work()
            with self.lock:
                kept = not self.forgotten
                if kept:
                    self.results.append(result)
            if not kept and self.undo is not None:
                self.undo(result)
        finally:
            with self.lock:
                self.running = False
            if self.ended is not None:
                self.ended()

    def forget(self, ended: Callable[[], object]) -> bool:
        """Give the outcome up; tell whether the thread still works.

        If it does, it calls `ended` when it is done.
        """
        with self.lock:
            self.forgotten = True
            running = self.running
            if running:
                self.ended = ended
        if self.undo is not None:
            for result in self.results:
                self.undo(result)
        return running


@define(eq=False)
class Workers:
    """Threads for calls that can block, shared by all components of a system.

    What one of them leaves behind on a disk that hangs takes no thread from the others.
    """

    most: int = _FORGOTTEN
    """Threads of cancelled calls that may still be at work; with so many, no call
    starts."""
    own: int = _OWN
    """Such threads of one caller; with so many, no call of that caller starts."""
    _turns: anyio.CapacityLimiter = field(
        factory=lambda: anyio.CapacityLimiter(_THREADS), init=False
    )
    """Held by callers while they wait for their threads. A thread whose caller is gone
    holds no turn; with the limiter of `anyio.to_thread` it would on trio."""
    _threads: anyio.CapacityLimiter = field(
        factory=lambda: anyio.CapacityLimiter(math.inf), init=False
    )
    _lock: Lock = field(factory=Lock, init=False)
    _left: Counter[object] = field(factory=Counter, init=False)
    _waiting: dict[object, deque[Callable[[], object]]] = field(
        factory=dict, init=False
    )
    """Work for later, for each caller that has a thread doing such work."""

    @property
    def left_behind(self) -> int:
        """Threads of cancelled calls that are still at work."""
        return self._left.total()

    async def run(
        self,
        work: Callable[[], _T],
        undo: Callable[[_T], object] | None = None,
        *,
        owner: object = None,
    ) -> _T:
        """Run something in a thread; a cancelled caller does not wait for its end.

        Args:
            work: What can block. It may raise.
            undo: Called with the outcome, in the thread or here, where the caller was
                cancelled and nobody is there to take it.
            owner: Whose work it is.

        Raises:
            WitError: Too many cancelled calls are still at it.
        """
        if self._left:
            self._check(owner)
        if owner in self._waiting:
            # Else a caller could open files faster than they are closed.
            work = partial(self._after_all, owner, work)
        outcome = _Outcome(work, undo)
        try:
            self._turns.acquire_nowait()
        except anyio.WouldBlock:
            await self._turns.acquire()
        try:
            await anyio.to_thread.run_sync(
                outcome.run, abandon_on_cancel=True, limiter=self._threads
            )
            return outcome.results.pop()
        finally:
            self._turns.release()
            if outcome.forget(partial(self._count, owner, -1)):
                self._count(owner, 1)

    def later(self, work: Callable[[], object], owner: object = None) -> None:
        """Run something in a thread, without a wait; one at a time for each caller.

        Args:
            work: What can block, such as to close a file. It must not raise.
            owner: Whose work it is. The next that it has run begins after it.
        """
        with self._lock:
            waiting = self._waiting.get(owner)
            if waiting is None:
                self._waiting[owner] = deque((work,))
            else:
                waiting.append(work)
        if waiting is None:
            # A daemon: a disk that hangs does not keep the process from its end.
            catch_up = partial(self._catch_up, owner, ends=True)
            Thread(target=catch_up, name="airssys later", daemon=True).start()

    def _after_all(self, owner: object, work: Callable[[], _T]) -> _T:
        self._catch_up(owner, ends=False)
        return work()

    def _catch_up(self, owner: object, *, ends: bool) -> None:
        """Do the work that a caller left for later.

        Args:
            owner: The caller.
            ends: Whether the thread ends then, so that later work needs another.
        """
        while True:
            with self._lock:
                waiting = self._waiting.get(owner)
                if not waiting:
                    if ends:
                        del self._waiting[owner]
                    return
                work = waiting.popleft()
            work()

    def _check(self, owner: object) -> None:
        with self._lock:
            left, own = self.left_behind, self._left[owner]
        if left >= self.most or own >= self.own:
            waiting = own if own >= self.own else left
            words = f"{waiting} calls wait for the disk since they were cancelled"
            raise failure("resource-exhausted", words)

    def _count(self, owner: object, change: int) -> None:
        with self._lock:
            self._left[owner] += change
            if not self._left[owner]:
                del self._left[owner]
