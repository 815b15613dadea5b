"""Run what can block in threads, so that a cancelled call ends at once.

The thread of a cancelled call goes on until the system lets it: a slow disk cannot be
interrupted. Its outcome is undone, and there are only so many of such threads.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final, Generic, TypeVar

import anyio
import anyio.to_thread
from attrs import define, field

from .errors import failure

__all__ = ("Workers",)

_T = TypeVar("_T")

_THREADS: Final = 16
_FORGOTTEN: Final = 64


@define(eq=False)
class _Outcome(Generic[_T]):
    """What a thread came to: for the caller, or to be undone where none waits."""

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
        """Wait no more; tell whether the thread is at work, which calls at its end."""
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
    """Threads for calls that can block, shared by all components of a system."""

    most: int = _FORGOTTEN
    """So many threads of cancelled calls may still be at work; then nothing starts."""
    _limiter: anyio.CapacityLimiter = field(
        factory=lambda: anyio.CapacityLimiter(_THREADS), init=False
    )
    _lock: Lock = field(factory=Lock, init=False)
    left_behind: int = field(default=0, init=False)
    """Threads of cancelled calls that are still at work."""

    async def run(
        self, work: Callable[[], _T], undo: Callable[[_T], object] | None = None
    ) -> _T:
        """Run something in a thread; a cancelled caller does not wait for its end.

        Args:
            work: What can block. It may raise.
            undo: Called with the outcome, in the thread or here, where the caller was
                cancelled and nobody is there to take it.

        Raises:
            WitError: Too many cancelled calls are still at it.
        """
        if self.left_behind >= self.most:
            raise failure(
                "resource-exhausted",
                f"{self.left_behind} calls wait for the disk since they were cancelled",
            )
        outcome = _Outcome(work, undo)
        try:
            await anyio.to_thread.run_sync(
                outcome.run, abandon_on_cancel=True, limiter=self._limiter
            )
            return outcome.results.pop()
        finally:
            if outcome.forget(self._returned):
                with self._lock:
                    self.left_behind += 1

    def _returned(self) -> None:
        with self._lock:
            self.left_behind -= 1
