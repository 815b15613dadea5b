"""Put events, and what becomes of the log itself, into what its records say."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, TypeGuard, get_args

from attrs import field, frozen

from ..core.event import Audited, Denied, Event, Granted, QuotaNeared, Revoked

__all__ = ("Result", "Statement", "is_audited", "is_long", "statement")

_LONG: Final = 2048
"""Characters; an event with more is cut before it waits."""


class Result(StrEnum):
    """What a record is of."""

    GRANTED = "granted"
    DENIED = "denied"
    REVOKED = "revoked"
    ALERT = "alert"
    """A quota was nearly used up."""
    OPENED = "opened"
    """A process began to write. This result and those that follow are about the log."""
    CLOSED = "closed"
    """The process ended in order."""
    ROTATED = "rotated"
    """A new file begins; ``resource`` is the oldest record kept, where some went."""
    REPAIRED = "repaired"
    """A torn line stands before this; ``resource`` is its digest."""
    DAMAGED = "damaged"
    """What had been written was not there any more, or was not as it was written."""
    LOST = "lost"
    """Records could not be written; ``resource`` is how many."""


def _cut(longest: int) -> Any:
    """Declare a text that is cut, and says so, where it is longer."""

    def bounded(text: str) -> str:
        if len(text) <= longest:
            return text
        return f"{text[:longest]}… (and {len(text) - longest} characters)"

    return field(default="", converter=bounded)


@frozen
class Statement:
    """What a record says. Texts may hold whatever a guest put into them."""

    time: float
    """Seconds since 1970."""
    result: Result
    component: str = _cut(256)
    operation: str = _cut(256)
    needed: str = _cut(1024)
    resource: str = _cut(1024)
    reason: str = _cut(1024)
    correlation: str = _cut(256)


# --- events -----------------------------------------------------------------------

_AUDITED: Final = get_args(Audited)


def is_audited(event: Event) -> TypeGuard[Audited]:
    """Tell whether an event is one that the log can have records of."""
    return isinstance(event, _AUDITED)


def is_long(event: Audited) -> bool:
    """Tell whether an event's texts are too long to wait in memory."""
    match event:
        case Denied():
            what = len(event.target) + len(event.attempt) + len(event.resource)
            return what + len(event.reason) > _LONG
        case Granted():
            return len(event.target) + len(event.resource) > _LONG
        case Revoked() | QuotaNeared():
            return False


def statement(time: float, event: Audited) -> Statement:
    """Return the statement about an event, at a time in seconds since 1970."""
    match event:
        case Denied():
            return Statement(
                time,
                Result.DENIED,
                event.subject,
                event.operation,
                event.needed,
                event.resource,
                event.reason,
                event.correlation,
            )
        case Granted():
            return Statement(
                time,
                Result.GRANTED,
                event.subject,
                event.operation,
                event.needed,
                event.resource,
                correlation=event.correlation,
            )
        case Revoked():
            return Statement(
                time,
                Result.REVOKED,
                event.subject,
                needed=event.needed,
                reason=event.reason,
            )
        case QuotaNeared():
            return Statement(
                time,
                Result.ALERT,
                event.subject,
                needed=f"quota {event.quota}",
                reason=f"{event.level}: {event.share:.0%} are in use",
            )
