"""Bound the denials of one component, so that they crowd out nobody else's.

A guest that tries the same in a loop is refused tens of thousands of times a second.
With a record for each it would push what others did, and its own earlier attempts, out
of the queue and out of the files that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from attrs import define, field

__all__ = ("MOST", "PERIOD", "Flood", "Source", "source_of")

Source: TypeAlias = tuple[str, str]
"""A component, and who made it be refused something, where that was another."""

PERIOD: Final = 10.0
"""Seconds."""
MOST: Final = 1000
"""Denials of one component that are written in a period."""
_MANY: Final = 4096
"""Sources that are remembered before those are forgotten that are quiet."""


_RECEIVING: Final = "receive from "
"""How it is named that a component may not receive: its sender tried."""


def source_of(component: str, needed: str) -> Source:
    """Return whose doing a denial is: no sender uses up what its receiver has."""
    return component, needed if needed.startswith(_RECEIVING) else ""


@define
class _Period:
    """A source's current period."""

    begun: float
    count: int = 0

    @property
    def lost(self) -> int:
        return max(0, self.count - MOST)


@define(eq=False)
class Flood:
    """Which denials are written, and how many are not. ``now`` is of any clock."""

    _periods: dict[Source, _Period] = field(factory=dict, init=False)

    def admit(self, source: Source, now: float) -> tuple[bool, int]:
        """Count a denial.

        Returns:
            Whether to write it, and how many of the period before were not written.
        """
        lost = 0
        period = self._periods.get(source)
        if period is None or now - period.begun >= PERIOD:
            lost = 0 if period is None else period.lost
            if len(self._periods) >= _MANY:
                self._forget(now)
            period = self._periods[source] = _Period(now)
        period.count += 1
        return period.count <= MOST, lost

    def _forget(self, now: float) -> None:
        self._periods = {
            source: period
            for source, period in self._periods.items()
            if period.lost or now - period.begun < PERIOD
        }

    def rest(self) -> Iterator[tuple[Source, int]]:
        """Yield whose denials were not written and not told of yet, and how many."""
        for source, period in self._periods.items():
            if period.lost:
                yield source, period.lost
                period.count = MOST
