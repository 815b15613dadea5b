"""Name what happens in a system, one frozen value for each happening.

Every event carries ``at``, the reading in seconds of the event loop's clock. The
emitter passes it in; nothing here reads a clock.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

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
    "Granted",
    "HealthChecked",
    "Instrument",
    "Logged",
    "QuotaNeared",
    "Revoked",
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
    """A component tried what no grant, or no quota of its own, covers."""

    at: float
    component: str
    """The actor's id; outside a system the component's name."""
    operation: str
    """The host function, such as ``airssys:core/messaging@1.0.0#send``."""
    needed: str
    """The capability in words, such as ``send to 'acme/billing'``."""
    reason: str
    resource: str = ""
    """What the guest asked for, in its own words, where `needed` has others."""
    correlation: str = ""
    """Names the guest's call, or the request it works on."""


@frozen
class Granted:
    """A component did what a grant covers. Emitted only where someone asked for it."""

    at: float
    component: str
    operation: str
    needed: str
    resource: str = ""
    correlation: str = ""


@frozen
class Revoked:
    """A component that runs was taken grants away: it holds from its next check on."""

    at: float
    component: str
    """The actor's id."""
    needed: str
    """What it may not do any more, in words, such as ``write '/srv/out/*'``."""
    reason: str = ""
    """Why, in the words of whoever revoked it."""


@frozen
class QuotaNeared:
    """A quota is nearly used up. Comes again once less than half of it was in use."""

    at: float
    owner: str
    """The actor's id, or the supervisor's whose quota its children share."""
    quota: str
    """``messages``, ``network``, ``cpu``, ``host_calls``, ``storage``, ``handles``."""
    level: str
    """``warning`` from 80 % on, ``critical`` from 95 % on."""
    share: float
    """How much of it is in use, from 0 to 1."""


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
    | Granted
    | QuotaNeared
    | Revoked
    | CallCut
    | Logged
)


class Instrument(Protocol):
    """**Protocol:** someone who is told every event.

    Called on the event loop's thread, at once; it must not block or raise.
    """

    def event(self, event: Event) -> None: ...
