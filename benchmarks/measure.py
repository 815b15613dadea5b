"""Time things alternately and keep what was found as rows of one table.

A busy machine makes absolute times drift by tens of percent within a run. So whatever
is compared runs A, B, A, B, ..., each for about the same time, and a row's ratio is
the median of the ratios of neighbours, not the ratio of medians.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import repeat
from time import perf_counter
from typing import Any, Final, TypeAlias

import anyio
from attrs import Factory, field, frozen

__all__ = (
    "BACKENDS",
    "Effort",
    "Goal",
    "Row",
    "Timed",
    "alternate",
    "awaited",
    "blocking",
    "compare",
    "per_second",
    "percentile",
    "run_on",
)

BACKENDS: Final = ("trio", "asyncio")

Timed: TypeAlias = Callable[[int], Awaitable[float]]
"""Does the work that many times and returns the seconds it took, as pyperf's
``time_func``; it checks what came out."""


@frozen(kw_only=True)
class Effort:
    """How long to measure."""

    rounds: int = 31
    """Values of each thing compared."""
    value: float = 0.02
    """Seconds one value takes at the least: the loops are calibrated to it."""
    seconds: float = 10.0
    """Length of what is watched over time."""
    cancels: int = 200
    instances: tuple[int, ...] = (1_000, 10_000, 20_000)
    quick: bool = False

    @classmethod
    def smoke(cls) -> Effort:
        """Only show that everything runs; the figures mean little."""
        return cls(
            rounds=3,
            value=0.002,
            seconds=0.3,
            cancels=5,
            instances=(200,),
            quick=True,
        )


@frozen(kw_only=True)
class Goal:
    """What a row is to reach."""

    limit: float
    of: str = "ratio"
    """``ratio`` or ``ours``."""
    at_least: bool = False

    def reached(self, row: Row) -> bool:
        """Tell whether a row does."""
        found = row.ratio if self.of == "ratio" else row.ours
        if found is None:
            return False
        return found >= self.limit if self.at_least else found <= self.limit


@frozen(kw_only=True)
class Row:
    """One line of the table: a figure of ours, mostly beside one of a peer's."""

    what: str
    ours: float
    unit: str = "s"
    """``s``, ``B``, ``/s``, ``x`` or a word to count."""
    peer: float | None = None
    beside: str = ""
    """What the peer is."""
    ratio: float | None = None
    spread: float | None = None
    """Half of the distance between the ratios' quartiles (or the figure's, without a
    peer), as part of the median."""
    goal: Goal | None = None
    values: Mapping[str, Sequence[float]] = field(default=Factory(dict), repr=False)
    """The single values, by side."""

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached; None without one."""
        return None if self.goal is None else self.goal.reached(self)


def run_on(
    backend: str, fn: Callable[..., Awaitable[list[Row]]], *args: object
) -> list[Row]:
    """Run an async benchmark in an event loop of its own."""
    return anyio.run(fn, *args, backend=backend)


def awaited(function: Callable[..., Awaitable[Any]], *args: Any, gives: Any) -> Timed:
    """Return what times awaited calls, and checks the last one's result."""

    async def timed(loops: int) -> float:
        value = None
        start = perf_counter()
        for _ in repeat(None, loops):
            value = await function(*args)
        took = perf_counter() - start
        assert value == gives
        return took

    return timed


def blocking(function: Callable[..., Any], *args: Any, gives: Any) -> Timed:
    """Return what times plain calls, and checks the last one's result."""

    async def timed(loops: int) -> float:
        value = None
        start = perf_counter()
        for _ in repeat(None, loops):
            value = function(*args)
        took = perf_counter() - start
        assert value == gives
        return took

    return timed


async def alternate(
    effort: Effort, sides: Mapping[str, Timed]
) -> dict[str, list[float]]:
    """Time each side in turn; return the seconds one piece of work takes, by side."""
    loops = {name: await _calibrated(effort, side) for name, side in sides.items()}
    values: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(effort.rounds):
        for name in order:
            values[name].append(await sides[name](loops[name]) / loops[name])
        order.append(order.pop(0))  # nobody always comes after the same neighbour
    return values


async def _calibrated(effort: Effort, side: Timed) -> int:
    """Find the number of loops that fills a value; warms up as well."""
    loops = 1
    while await side(loops) < effort.value:
        loops *= 2
    return loops


async def compare(
    effort: Effort,
    what: str,
    ours: Timed,
    peers: Mapping[str, Timed] = {},
    *,
    goals: Mapping[str, Goal] = {},
) -> list[Row]:
    """Measure ours beside each peer: one row for each, in seconds.

    Args:
        effort: How long.
        what: What is measured.
        ours: Our side.
        peers: The others' sides, by the words for them.
        goals: By the same words.
    """
    values = await alternate(effort, {"ours": ours, **peers})
    mine = values["ours"]
    if not peers:
        return [
            Row(
                what=what,
                ours=statistics.median(mine),
                spread=_spread(mine),
                goal=goals.get(""),
                values=values,
            )
        ]
    return [
        Row(
            what=what,
            ours=statistics.median(mine),
            peer=statistics.median(values[peer]),
            beside=peer,
            ratio=statistics.median(ratios := _ratios(mine, values[peer])),
            spread=_spread(ratios),
            goal=goals.get(peer),
            values={"ours": mine, peer: values[peer]},
        )
        for peer in peers
    ]


def per_second(rows: Sequence[Row], *, limit: float | None = None) -> list[Row]:
    """Turn rows of seconds into rows of rates, for the goal of so many a second."""
    return [
        Row(
            what=row.what,
            ours=1 / row.ours,
            unit="/s",
            peer=None if row.peer is None else 1 / row.peer,
            beside=row.beside,
            ratio=None if row.ratio is None else 1 / row.ratio,
            spread=row.spread,
            goal=None if limit is None else Goal(limit=limit, of="ours", at_least=True),
            values=row.values,
        )
        for row in rows
    ]


def _ratios(ours: Sequence[float], peers: Sequence[float]) -> list[float]:
    return [mine / theirs for mine, theirs in zip(ours, peers, strict=True)]


def _spread(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / 2 / middle


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which that part (0 to 1) of them lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
