"""Compiling in a process that is warm, beside compiling in the host's own."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from itertools import count
from time import perf_counter

from airssys import CompilerPlace, Engine

from . import guests
from .measure import BACKENDS, Effort, Goal, Row, Timed, alternate, run_on

__all__ = ("rows",)

THREAD = "in a thread of the host"
OVERHEAD = 0.010
"""Seconds that a warm process may add."""


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _compile, effort, backend)


async def _compile(effort: Effort, backend: str) -> list[Row]:
    numbers = count()

    def compiling(place: CompilerPlace) -> Timed:
        engine = Engine(cache=False, compiler=place.value)

        async def timed(loops: int) -> float:
            # Never the same, so that nothing of it is there already.
            texts = [f"{guests.TINY};; {next(numbers)}" for _ in range(loops)]
            start = perf_counter()
            for text in texts:
                await engine.compile(text)
            took = perf_counter() - start
            component = await engine.compile(texts[-1])
            with await component.instantiate() as instance:
                assert await instance.call("add", 3, 4) == 7
            return took

        return timed

    sides = {place.value: compiling(place) for place in CompilerPlace}
    values = await alternate(effort, sides)
    process, thread = (values[place.value] for place in CompilerPlace)
    both = list(zip(process, thread, strict=True))
    return [
        Row(
            what=f"compile a small component ({backend})",
            ours=statistics.median(process),
            peer=statistics.median(thread),
            beside=THREAD,
            ratio=statistics.median(a / b for a, b in both),
            values=values,
        ),
        Row(
            what=f"what the process adds to it ({backend})",
            ours=statistics.median(a - b for a, b in both),
            goal=Goal(limit=OVERHEAD, of="ours"),
        ),
    ]
