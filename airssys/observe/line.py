"""Put an event into a line for people: its level, whom it is about, what happened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import frozen

from ..core.child import LAST_WORDS
from ..core.event import (
    CallCut,
    ChildExited,
    ChildRestarting,
    ChildStarted,
    DeadLettered,
    Delivered,
    Denied,
    Event,
    Granted,
    HealthChecked,
    Logged,
    QuotaNeared,
    Revoked,
    SupervisorGaveUp,
)
from ..core.levels import LogLevel

__all__ = ("Line", "line", "printable", "printable_lines")

_LIFECYCLE: Final = re.compile(r"airssys:core/component-lifecycle@[0-9.]+#")
_CUTS: Final = {
    "fuel": "it ran out of fuel",
    "time": "it took too long",
    "computing": "it computed for too long",
    "memory": "it ran out of memory",
    "trap": "it trapped",
    "cancelled": "it was stopped",
    "host": "a host function failed",
}


@frozen
class Line:
    """What a log, or a screen, shows of an event."""

    level: LogLevel
    subject: str
    text: str
    """May hold whatever a guest put into it: see `printable`."""


def printable(text: str) -> str:
    """Return text with everything escaped that could steer a terminal, or end a line.

    What guests say is part of many a text: no line must be of their making.
    """
    if text.isprintable():
        return text
    # Each that there is once: a guest's line can have thousands of the same.
    odd = {one for one in set(text) if not one.isprintable()}
    return text.translate(
        {ord(one): one.encode("unicode_escape").decode() for one in odd}
    )


def printable_lines(text: str) -> str:
    """Return text as `printable` does, but with its lines left apart."""
    return "\n".join(map(printable, text.split("\n")))


def line(event: Event, *, brief: bool = False) -> Line:
    """Put an event into a line.

    Args:
        event: What happened.
        brief: Whether to use fewer words than a log file needs: on a screen the lines
            of a crash stand together, so only one of them says all of it.
    """
    level, text = _brief(event) if brief else _full(event)
    return Line(level, event.subject, text)


_Words: TypeAlias = tuple[LogLevel, str]


def _full(event: Event) -> _Words:
    match event:
        case Logged(level=word, message=message, fields=fields):
            return LogLevel.named(word), " ".join((message, *_pairs(fields)))
        case ChildStarted(restarts=restarts):
            again = f" again (restart {restarts})" if restarts else ""
            return LogLevel.INFO, f"started{again}"
        case ChildExited(how=how, reason=reason):
            level = LogLevel.ERROR if how == "crash" else LogLevel.INFO
            return level, f"ended: {how}{f': {reason}' if reason else ''}"
        case ChildRestarting(supervisor=supervisor, delay=delay, taken_along=taken):
            along = f", taking along {', '.join(taken)}" if taken else ""
            return LogLevel.INFO, f"restarts in {delay:.3g} s by {supervisor!r}{along}"
        case SupervisorGaveUp(child=child, history=history):
            return LogLevel.ERROR, f"gave up on {child!r} after {len(history)} exits"
        case HealthChecked(healthy=True):
            return LogLevel.INFO, "is well again"
        case HealthChecked(failures=failures, reason=reason):
            return LogLevel.WARN, f"failed health check {failures}: {reason}"
        case Delivered(sender=sender, size=size, topic=topic):
            on = f" on {topic!r}" if topic else ""
            return LogLevel.TRACE, f"took {size} bytes from {sender!r}{on}"
        case DeadLettered(sender=sender, reason=reason, size=size, topic=topic):
            on = f" on {topic!r}" if topic else ""
            text = f"lost a message of {size} bytes from {sender!r}{on}: {reason}"
            return LogLevel.WARN, text
        case Denied(operation=operation, needed=needed, reason=reason):
            asked = _asked(event.resource)
            return LogLevel.WARN, f"{operation}: may not {needed}: {reason}{asked}"
        case Granted(operation=operation, needed=needed, resource=resource):
            return LogLevel.TRACE, f"{operation}: may {needed}{_asked(resource)}"
        case Revoked(needed=needed, reason=reason):
            why = f": {reason}" if reason else ""
            return LogLevel.INFO, f"may not {needed} any more{why}"
        case QuotaNeared(quota=quota, level=nearness, share=share):
            level = LogLevel.ERROR if nearness == "critical" else LogLevel.WARN
            return level, f"used {share:.0%} of its quota of {quota}"
        case CallCut(export=export, why=why):
            return LogLevel.WARN, f"call of {export!r} was cut: {why}"


def _brief(event: Event) -> _Words:
    match event:
        case CallCut(export=export, why=why):
            called = export.rpartition("#")[2]
            return LogLevel.DEBUG, f"{called} was cut off: {_CUTS.get(why, why)}"
        case DeadLettered(sender=sender, size=size):
            bytes_ = f"{size} byte{'' if size == 1 else 's'}"
            why = event.cause or event.reason
            return LogLevel.WARN, f"lost a message of {bytes_} from {sender!r}: {why}"
        case ChildRestarting(delay=delay, taken_along=along):
            when = f"in {delay * 1000:.0f} ms" if delay else "at once"
            siblings = f", and with it {', '.join(along)}" if along else ""
            return LogLevel.INFO, f"restarts {when}{siblings}"
        case ChildExited(how="crash", reason=reason):
            # The last lines of its stderr were log lines a moment ago.
            said = reason.partition(f"\n{LAST_WORDS}")[0]
            return LogLevel.ERROR, _LIFECYCLE.sub("", f"crash: {said}")
        case (
            ChildExited()
            | ChildStarted()
            | Delivered()
            | Denied()
            | Granted()
            | HealthChecked()
            | Logged()
            | QuotaNeared()
            | Revoked()
            | SupervisorGaveUp()
        ):
            return _full(event)


def _asked(resource: str) -> str:
    """Say what the guest asked for, where it used other words."""
    return f" (asked for {resource!r})" if resource else ""


def _pairs(fields: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"{key}={value!r}" for key, value in fields)
