"""Finish what must not be left half done, and pass on the cancels that came meanwhile.

A shield of anyio holds off what anyio cancels. asyncio's own cancels pass it, be they
by ``task.cancel()``, ``asyncio.timeout``, ``asyncio.wait_for`` or a failing sibling in
an ``asyncio.TaskGroup``: each arrives once, at whatever the task awaits at that moment.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import TypeVar, TypeVarTuple

import anyio

__all__ = (
    "forget_cancel",
    "keep_cancels",
    "keeping_cancels",
    "native_cancels",
    "on_asyncio",
    "uncut",
    "was_cancelled_here",
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def on_asyncio() -> bool:
    """Tell whether the event loop that runs is asyncio's."""
    return anyio.get_cancelled_exc_class() is asyncio.CancelledError


def was_cancelled_here() -> bool:
    """Tell whether a scope that this task is in, up to a shield, was cancelled.

    Where it was not, a cancelled exception came with what was awaited: somebody
    cancelled a future or a task of theirs.
    """
    return anyio.current_effective_deadline() == -inf


async def uncut(function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """Await ``function(*args)`` to its end, whatever is cancelled meanwhile.

    On asyncio it runs in a task of its own, for which this waits again after each
    cancel. The last of them is raised when it is done; if the function itself raised,
    that is raised, and the cancel at what the caller awaits next.

    Should that very task be cancelled, as programs do that cancel all there are, the
    function is called anew: it must be one that can begin again.
    """
    results: list[T] = []
    with anyio.CancelScope(shield=True):
        if on_asyncio():
            results.append(await _in_own_task(function, *args))
        else:
            results.append(await _in_own_task_of_trio(function, *args))
    return results[0]


async def _in_own_task_of_trio(
    function: Callable[[*Ts], Awaitable[T]], *args: *Ts
) -> T:
    """Await a function to its end, also when Ctrl-C comes meanwhile.

    trio raises KeyboardInterrupt in the main task, past shields, where that waits; a
    nursery keeps it until its tasks have ended.
    """
    results: list[T] = []

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            results.append(await function(*args))

    try:
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(sys.modules["trio"].lowlevel.enable_ki_protection(work))
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    return results[0]


async def _in_own_task(function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    cut: asyncio.CancelledError | None = None
    while True:
        work = asyncio.ensure_future(_awaited(function, *args))
        while not work.done():
            try:
                await asyncio.wait((work,))
            except asyncio.CancelledError as error:
                cut = error
        if not work.cancelled():
            break
    if cut is not None:
        if work.exception() is None:
            raise cut
        _cancel_again()
    return work.result()


async def _awaited(function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    return await function(*args)


def _cancel_again() -> None:
    """Have the cancel that came raised at the next wait; their count stays."""
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
    task.cancel()


def forget_cancel() -> None:
    """Go on after a cancel of asyncio's that was meant for nobody in this task."""
    task = asyncio.current_task() if on_asyncio() else None
    if task is not None:
        task.uncancel()


@asynccontextmanager
async def keeping_cancels() -> AsyncIterator[None]:
    """Keep a cancel of asyncio's that comes as the block raises something else.

    What the block raises goes on, and the cancel is raised at what is awaited next, as
    ``asyncio.TaskGroup`` does it since Python 3.13.
    """
    before = native_cancels()
    try:
        yield
    except anyio.get_cancelled_exc_class():
        raise
    except BaseException:
        keep_cancels(before)
        raise


def native_cancels() -> int:
    """Return how many cancels of asyncio's the task has had."""
    task = asyncio.current_task() if on_asyncio() else None
    return 0 if task is None else task.cancelling()


def keep_cancels(before: int) -> None:
    """Have what was cancelled since raised at the next wait."""
    # Where a scope of anyio's around this was cancelled, it cancels again itself.
    if native_cancels() > before and not was_cancelled_here():
        _cancel_again()
