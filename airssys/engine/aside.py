"""Do in a worker thread what takes long and cannot be interrupted.

The event loop goes on meanwhile. What was begun is waited for, whatever is cancelled:
the thread works in memory that the caller frees.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from ..uncut import uncut

__all__ = ("aside",)

T = TypeVar("T")


async def aside(
    work: Callable[[], T], undo: Callable[[T], object], *, threads: bool = True
) -> T:
    """Return what the work returns.

    Args:
        work: Runs in a thread.
        undo: Called with what it returned where nobody gets that, as the caller was
            cancelled.
        threads: False: do it here after all, for a pace that knows of no threads.
    """
    if not threads:
        await anyio.lowlevel.checkpoint()
        return work()
    done: list[T] = []
    limiter = anyio.CapacityLimiter(1)  # it never waits for other work
    run = partial(anyio.to_thread.run_sync, limiter=limiter)
    try:
        await uncut(run, lambda: done.append(work()))
        await anyio.lowlevel.checkpoint_if_cancelled()
    except BaseException:
        for made in done:
            undo(made)
        raise
    return done[0]
