"""Name what happens in a system, one frozen value for each happening.

Every event carries ``at``, the reading in seconds of the event loop's clock. The
emitter passes it in; nothing here reads a clock.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen

__all__ = (
    "CallCut",
    "ChildExited",
    "ChildRestarting",
    "ChildStarted",
    "DeadLettered",
    "Delivered",
    "Denied",
    "Event",
    "HealthChecked",
    "Logged",
    "SupervisorGaveUp",
)


@frozen
class ChildStarted:
    """A supervisor started a child, or started it again."""

    at: float
    supervisor: str
    child: str
    restarts: int
    """How often the child was restarted before; 0 at the first start."""


@frozen
class ChildExited:
    """A child ended."""

    at: float
    supervisor: str
    child: str
    how: str
    """``normal``, ``crash`` or ``stopped``."""
    reason: str = ""
    """The exception's type and text for a crash."""


@frozen
class ChildRestarting:
    """A supervisor decided to restart a child."""

    at: float
    supervisor: str
    child: str
    delay: float
    """Seconds until the restart."""
    taken_along: tuple[str, ...] = ()
    """Siblings that are stopped and started with it."""


@frozen
class SupervisorGaveUp:
    """A supervisor's restarts ran out; it stops its children and fails."""

    at: float
    supervisor: str
    child: str
    history: tuple[str, ...] = ()


@frozen
class HealthChecked:
    """A health check of a child failed, or passed again after a failure."""

    at: float
    supervisor: str
    child: str
    healthy: bool
    failures: int
    """Failures in a row, this one included."""
    reason: str = ""


@frozen
class Delivered:
    """An actor took a message from its mailbox. Emitted only where someone listens."""

    at: float
    actor: str
    sender: str
    size: int
    """Bytes of the payload."""
    topic: str | None = None


@frozen
class DeadLettered:
    """A message could not be delivered, or its receiver fell while working on it."""

    at: float
    target: str
    sender: str
    reason: str
    size: int
    topic: str | None = None
    payload: bytes = field(default=b"", repr=False)


@frozen
class Denied:
    """A component tried what no grant, or not its quota of messages, covers."""

    at: float
    component: str
    operation: str
    """The host function, such as ``airssys:core/messaging@1.0.0#send``."""
    needed: str
    reason: str


@frozen
class CallCut:
    """A guest call was ended from outside: by a limit, a timeout or a cancel."""

    at: float
    component: str
    export: str
    why: str
    """``fuel``, ``time``, ``memory``, ``trap``, ``cancelled``, or ``host`` where a host
    function failed."""


@frozen
class Logged:
    """A guest, or an actor, wrote a log line."""

    at: float
    actor: str
    level: str
    """``trace``, ``debug``, ``info``, ``warn`` or ``error``."""
    message: str
    fields: tuple[tuple[str, str], ...] = ()


Event: TypeAlias = (
    ChildStarted
    | ChildExited
    | ChildRestarting
    | SupervisorGaveUp
    | HealthChecked
    | Delivered
    | DeadLettered
    | Denied
    | CallCut
    | Logged
)
