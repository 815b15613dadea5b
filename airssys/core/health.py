"""Decide what follows from a child's health checks, without asking the child."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import field, frozen, validators

from .checks import seconds
from .defaults import HEALTH_EVERY, HEALTH_FAILURES, HEALTH_TIMEOUT

__all__ = (
    "Check",
    "CountFailure",
    "CutOff",
    "Health",
    "HealthCheck",
    "Recover",
    "Unchanged",
)

_POSITIVE = validators.gt(0.0)

Check: TypeAlias = Callable[[], Awaitable[bool | None]]
"""Asks a child how it is: False, or an exception, is a failure."""


@frozen
class HealthCheck:
    """A question put to a running child again and again."""

    check: Check = field(validator=validators.is_callable())
    every: float = field(
        default=HEALTH_EVERY, kw_only=True, converter=seconds, validator=_POSITIVE
    )
    """Seconds from the start of the child, or the last answer, to the next question."""
    timeout: float = field(
        default=HEALTH_TIMEOUT, kw_only=True, converter=seconds, validator=_POSITIVE
    )
    """Seconds; no answer by then is a failure."""
    failures: int = field(
        default=HEALTH_FAILURES,
        kw_only=True,
        validator=[validators.instance_of(int), validators.ge(1)],
    )
    """Failures in a row that end the child."""


@frozen
class Unchanged:
    """Tell nothing: the child was healthy before and is healthy still."""


@frozen
class Recover:
    """Tell that the child is healthy again."""


@frozen
class CountFailure:
    """Tell that the child failed a check, and leave it running."""

    reason: str


@frozen
class CutOff:
    """End the child: it failed too many checks in a row."""

    reason: str


@frozen
class Health:
    """How a running child did in its checks so far."""

    failures: int = 0
    """Failures in a row, up to now."""

    def checked(
        self, problem: str | None, allowed: int
    ) -> tuple[Health, Unchanged | Recover | CountFailure | CutOff]:
        """Return the health that follows and what to do about an answer.

        Args:
            problem: What was wrong; None for a good answer.
            allowed: Failures in a row that end the child.
        """
        if problem is None:
            return Health(), Recover() if self.failures else Unchanged()
        health = Health(self.failures + 1)
        if health.failures >= allowed:
            return health, CutOff(problem)
        return health, CountFailure(problem)
