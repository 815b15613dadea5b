"""Do long work on the event loop in pieces, so that everybody else has turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Final, TypeVar

from anyio.lowlevel import checkpoint

__all__ = ("STRETCH", "in_pieces")

_T = TypeVar("_T")

STRETCH: Final = 0.002
"""Seconds of such work at a stretch."""


async def in_pieces(
    work: Generator[int, None, _T], *, clock: Callable[[], float] = time.perf_counter
) -> _T:
    """Do work that yields after each of its pieces, and return what it returns.

    Between two pieces the caller can be cancelled, and others have their turn, but no
    more often than is good for both. What the work looks at may change meanwhile.

    Args:
        work: Yields how many steps a piece took. None of them takes long.
        clock: Tells how long it has gone on.
    """
    begun = clock()
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _T = end.value
            return result
        if clock() - begun >= STRETCH:
            await checkpoint()
            begun = clock()
