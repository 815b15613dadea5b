"""Bound the denials of one component, so that they crowd out nobody else's.

A guest that tries the same in a loop is refused tens of thousands of times a second.
With a record for each it would push what others did, and its own earlier attempts, out
of the queue and out of the files that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from attrs import define, field

from ..core.event import Denied

__all__ = ("MOST", "PERIOD", "Flood", "Source", "source_of")

Source: TypeAlias = tuple[str, str]
"""The component that was refused something, and the sender whose doing that was: empty
where it was its own."""

PERIOD: Final = 10.0
"""Seconds."""
MOST: Final = 1000
"""Denials of one component that are written in a period."""
_MANY: Final = 4096
"""Sources that are remembered; with more, the quiet ones are forgotten."""


def source_of(denied: Denied) -> Source:
    """Return the source that a denial counts against.

    Where a receiver may not hear of a sender, that is the sender's attempt: it must not
    use up the records that its receiver has.
    """
    receives = denied.section == "messaging" and denied.action == "receive"
    return denied.subject, denied.target if receives else ""


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
        """Yield each source of denials that no record has counted yet, and how many."""
        for source, period in self._periods.items():
            if period.lost:
                yield source, period.lost
                period.count = MOST
