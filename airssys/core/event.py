"""Name what happens in a system, one frozen value for each happening.

Every event says when it was and whom it is about:

- ``at`` is a reading in seconds of the event loop's clock, which an `Emitter` stamps;
- ``subject`` is the id of an actor, a child or a supervisor; outside a system the name
  of a component.

Events are built by keyword, and matched by it. They have no slots: one is built on the
way of a host call, and attrs fills the ``__dict__`` of a frozen value twice as quickly.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from attrs import field, frozen

from .grants.capabilities import words

__all__ = (
    "Audited",
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


@frozen(kw_only=True, slots=False)
class ChildStarted:
    """A supervisor started a child, or started it again."""

    at: float
    subject: str
    supervisor: str
    restarts: int
    """How often the child was restarted before; 0 at the first start."""


@frozen(kw_only=True, slots=False)
class ChildExited:
    """A child ended."""

    at: float
    subject: str
    supervisor: str
    how: str
    """``normal``, ``crash`` or ``stopped``."""
    reason: str = ""
    """The exception's type and text for a crash."""
    status: int | None = None
    """What a guest exited with that ended itself so, unless that is 0."""


@frozen(kw_only=True, slots=False)
class ChildRestarting:
    """A supervisor decided to restart a child."""

    at: float
    subject: str
    supervisor: str
    delay: float
    """Seconds until the restart."""
    taken_along: tuple[str, ...] = ()
    """Siblings that are stopped and started with it."""


@frozen(kw_only=True, slots=False)
class SupervisorGaveUp:
    """A supervisor's restarts ran out; it stops its children and fails."""

    at: float
    subject: str
    """The supervisor."""
    child: str
    """The child whose end was one too many."""
    history: tuple[str, ...] = ()
    """How children ended lately, the last one at the end."""


@frozen(kw_only=True, slots=False)
class HealthChecked:
    """A health check of a child failed, or passed again after a failure."""

    at: float
    subject: str
    supervisor: str
    healthy: bool
    failures: int
    """Failures in a row, this one included."""
    reason: str = ""


@frozen(kw_only=True, slots=False)
class Delivered:
    """An actor took a message from its mailbox. Emitted only where someone listens."""

    at: float
    subject: str
    """The receiver."""
    sender: str
    size: int
    """Bytes of the payload."""
    topic: str | None = None


@frozen(kw_only=True, slots=False)
class DeadLettered:
    """A message could not be delivered, or its receiver fell while working on it."""

    at: float
    subject: str
    """Whom it was for: an actor's id, or the topic where nobody received it."""
    sender: str
    reason: str
    cause: str = ""
    """The type of the error that its receiver fell by; `reason` says all of it."""
    size: int
    topic: str | None = None
    payload: bytes = field(default=b"", repr=False)


@frozen(kw_only=True, slots=False)
class Denied:
    """A component tried what no grant, or no quota of its own, covers."""

    at: float
    subject: str
    operation: str
    """The host function, such as ``airssys:core/messaging@1.0.0#send``."""
    section: str = ""
    """Of grants, such as ``messaging``; empty where no grant would have helped: a quota
    was used up, or what was asked for is malformed."""
    action: str = ""
    """In that section, such as ``send``; for ``custom`` the interface."""
    target: str = ""
    """What it was to be done to, such as ``acme/billing``."""
    attempt: str = ""
    """What was tried, in words, where the three above do not say it."""
    reason: str
    resource: str = ""
    """What the guest asked for, in its own words, where `target` has others."""
    correlation: str = ""
    """Names the guest's call, or the request it works on."""

    @property
    def needed(self) -> str:
        """What was tried, in words, such as ``send to 'acme/billing'``."""
        return self.attempt or words(self.section, self.action, self.target)


@frozen(kw_only=True, slots=False)
class Granted:
    """A component did what a grant covers. Emitted only where someone asked for it."""

    at: float
    subject: str
    operation: str
    section: str
    action: str
    target: str
    resource: str = ""
    correlation: str = ""

    @property
    def needed(self) -> str:
        """The capability in words, such as ``send to 'acme/billing'``."""
        return words(self.section, self.action, self.target)


@frozen(kw_only=True, slots=False)
class Revoked:
    """A running component lost a grant: its next check goes by what is left."""

    at: float
    subject: str
    section: str
    action: str = ""
    """Empty: any of the section."""
    target: str = ""
    """A pattern, such as ``/srv/out/*``."""
    clause: str = ""
    """Which part of the target, where it is not all of it: ``, which is forbidden``."""
    reason: str = ""
    """Why, in the words of whoever revoked it."""

    @property
    def needed(self) -> str:
        """What it may not do any more, in words, such as ``write '/srv/out/*'``."""
        return words(self.section, self.action, self.target) + self.clause


@frozen(kw_only=True, slots=False)
class QuotaNeared:
    """A quota is nearly used up. Comes again once less than half of it was in use."""

    at: float
    subject: str
    """The actor, or the supervisor whose quota its children share."""
    quota: str
    """A key of `Quota`, such as ``messages``, of what can be used up."""
    level: str
    """``warning`` from 80 % on, ``critical`` from 95 % on."""
    share: float
    """How much of it is in use, from 0 to 1."""


@frozen(kw_only=True, slots=False)
class CallCut:
    """A guest call was ended from outside: by a limit, a timeout or a cancel."""

    at: float
    subject: str
    export: str
    why: str
    """``fuel``, ``time``, ``computing``, ``memory``, ``values``, ``handles``, ``trap``,
    ``cancelled``, or ``host`` where a host function failed."""


@frozen(kw_only=True, slots=False)
class Logged:
    """A guest, or an actor, wrote a log line."""

    at: float
    subject: str
    level: str
    """The word of a `LogLevel`; any other word counts as ``info``."""
    message: str
    fields: tuple[tuple[str, str], ...] = ()


Audited: TypeAlias = Denied | Granted | QuotaNeared | Revoked
"""What an audit log can have records of."""
Event: TypeAlias = (
    Audited
    | ChildStarted
    | ChildExited
    | ChildRestarting
    | SupervisorGaveUp
    | HealthChecked
    | Delivered
    | DeadLettered
    | CallCut
    | Logged
)


class Instrument(Protocol):
    """**Protocol:** who gets every event.

    Called on the event loop's thread, at once; it must not block or raise.
    """

    def event(self, event: Event) -> None: ...
