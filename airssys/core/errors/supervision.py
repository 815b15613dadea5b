"""Name what a supervisor refuses, and why it gives up."""

from __future__ import annotations

from attrs import define, field

from .root import AirssysError, listed

__all__ = (
    "ChildRefused",
    "DuplicateChild",
    "HealthCheckFailed",
    "NoSuchChild",
    "RestartsExhausted",
    "StartTimeout",
    "SupervisorError",
)


class SupervisorError(AirssysError):
    """A supervisor refused, or gave up."""


@define(eq=False)
class NoSuchChild(SupervisorError, LookupError):
    """The supervisor has no child of that id."""

    supervisor: str
    child: str
    children: tuple[str, ...]
    reason: str = "there is none of that id"

    def __str__(self) -> str:
        return (
            f"supervisor {self.supervisor!r}: child {self.child!r}: {self.reason} "
            f"(children: {listed(self.children)})"
        )


@define(eq=False)
class DuplicateChild(SupervisorError, ValueError):
    """The supervisor already runs a child of that id."""

    supervisor: str
    child: str
    state: str
    """What the child of that id does, such as ``running``."""

    def __str__(self) -> str:
        return (
            f"supervisor {self.supervisor!r} cannot start child {self.child!r}: "
            f"one of that id is {self.state} (stop it first, or choose another id)"
        )


@define(eq=False)
class ChildRefused(SupervisorError, RuntimeError):
    """The supervisor cannot do that to the child now."""

    supervisor: str
    child: str
    tried: str
    """A verb: ``start``, ``stop``, ``restart`` or ``remove``."""
    reason: str

    def __str__(self) -> str:
        return (
            f"supervisor {self.supervisor!r} cannot {self.tried} "
            f"child {self.child!r}: {self.reason}"
        )


@define(eq=False)
class HealthCheckFailed(SupervisorError):
    """A child failed its health checks."""

    child: str
    failures: int
    reason: str

    def __str__(self) -> str:
        times = "once" if self.failures == 1 else f"{self.failures} times in a row"
        return f"child {self.child!r} failed its health check {times}: {self.reason}"


@define(eq=False)
class StartTimeout(SupervisorError, TimeoutError):
    """A child had not started when its time for that was up."""

    supervisor: str
    child: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"supervisor {self.supervisor!r} stopped child {self.child!r}: "
            f"it had not started after {self.seconds:g} s (its start_timeout)"
        )


@define(eq=False)
class RestartsExhausted(SupervisorError):
    """A child fell more often than the supervisor's intensity allows."""

    supervisor: str
    child: str
    restarts: int
    period: float
    history: tuple[str, ...] = field(default=())
    """One text for each exit counted, oldest first."""

    def __str__(self) -> str:
        lines = "".join(f"\n  {line}" for line in self.history)
        return (
            f"supervisor {self.supervisor!r} gave up on child {self.child!r}: "
            f"more than {self.restarts} restarts within {self.period:g} s{lines}"
        )
