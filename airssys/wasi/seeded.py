"""Give a guest the same clocks and random numbers each time it runs."""

from __future__ import annotations

from hashlib import shake_256
from typing import Final

from anyio.lowlevel import checkpoint
from attrs import define, evolve, field

from .context import Context

__all__ = ("SteppedClock", "deterministic")

_BEGUN: Final = 946_684_800_000_000_000
"""The first of January 2000, in nanoseconds."""
_STEP: Final = 1_000
_LATEST: Final = 2**64 - 1


@define(eq=False)
class SteppedClock:
    """A clock that nothing moves but whoever looks at it, and sleeps.

    Each look takes a microsecond, so that a guest that waits for a time by looking gets
    there; a sleep takes no time outside.
    """

    resolution: int = _STEP
    _passed: int = field(default=0, init=False)

    def monotonic(self) -> int:
        self._passed = min(self._passed + self.resolution, _LATEST)
        return self._passed

    def wall(self) -> int:
        return _BEGUN + self.monotonic()

    async def sleep_until(self, instant: int) -> None:
        await checkpoint()
        self._passed = max(self._passed, instant)


@define(eq=False)
class _SeededBytes:
    """Random bytes that follow from a number."""

    seed: int
    _asked: int = field(default=0, init=False)

    def __call__(self, count: int) -> bytes:
        self._asked += 1
        # Not Python's generator, whose numbers may be others in another release.
        return shake_256(f"{self.seed} {self._asked}".encode()).digest(count)


def deterministic(seed: int, context: Context | None = None) -> Context:
    """Return a context in which a guest does the same each time it runs.

    Its clocks begin on the first of January 2000 and move by what the guest does
    alone: by its looks at them and its sleeps, which take no time outside. Its random
    numbers, of all three interfaces, follow from the seed. So it is for tests and for
    finding faults: whoever knows the seed knows the numbers. What it reads from the
    network, from files or from an input that is not there yet is not the same for that;
    while it waits for such, a timeout takes its real time.

    Make a context for each instance: the clock is within.

    Args:
        seed: Any whole number. The same one gives the same.
        context: What else the guest finds around it; None: nothing.

    Raises:
        TypeError: The seed is no whole number.
    """
    if not isinstance(seed, int):  # 1.0 equals 1, and would give other numbers
        raise TypeError(f"the seed is a {type(seed).__name__}, not a whole number")
    given = context or Context()
    return evolve(given, clock=SteppedClock(), random=_SeededBytes(seed))
