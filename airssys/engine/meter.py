"""Measure how much processor time an awaited call takes on the event loop's thread."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

__all__ = ("Metered",)

_T = TypeVar("_T")


class Metered(Generic[_T]):
    """Awaits a coroutine and adds up the processor time of its steps.

    The time between the steps, in which other tasks run, does not count.
    """

    __slots__ = ("_coroutine", "seconds")

    def __init__(self, coroutine: Coroutine[Any, Any, _T]) -> None:
        self._coroutine = coroutine
        self.seconds: float = 0.0
        """Processor time so far."""

    def __await__(self) -> Generator[Any, Any, _T]:
        value: Any = None
        error: BaseException | None = None
        while True:
            before = time.thread_time()
            try:
                if error is None:
                    wanted = self._coroutine.send(value)
                else:
                    wanted = self._coroutine.throw(error)
            except StopIteration as end:
                result: _T = end.value
                return result
            finally:
                self.seconds += time.thread_time() - before
            value = error = None
            try:
                value = yield wanted
            except BaseException as thrown:  # noqa: BLE001 - handed on to the coroutine
                error = thrown
