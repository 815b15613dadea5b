"""Pass events on: to several instruments, to the log, into a tally."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from attrs import define, field

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
    Instrument,
    Logged,
    QuotaNeared,
    Revoked,
    SupervisorGaveUp,
)

__all__ = ("FanOut", "LogSink", "Tally", "line", "printable", "printable_lines")

_LEVELS: Final = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}


def _listed(instruments: Iterable[Instrument]) -> tuple[Instrument, ...]:
    return tuple(instruments)


@define(eq=False)
class FanOut:
    """An instrument that tells several others, each whether the others fail or not.

    The first error of each is logged; it goes on being told.
    """

    instruments: tuple[Instrument, ...] = field(converter=_listed)
    _failed: set[int] = field(factory=set, init=False)

    def event(self, event: Event) -> None:
        """Tell all."""
        for number, instrument in enumerate(self.instruments):
            try:
                instrument.event(event)
            except Exception:
                if number not in self._failed:
                    self._failed.add(number)
                    logging.getLogger("airssys").exception(
                        "instrument %r failed on %s; its further errors are not logged",
                        instrument,
                        type(event).__name__,
                    )


@define(eq=False)
class LogSink:
    """An instrument that writes events to the standard library's logging.

    Each line begins with the name of the actor or child; the record carries it as
    ``actor`` too, and is one line: what is not printable is escaped. Single deliveries
    are logged at the level of traces, 5.
    """

    logger: logging.Logger = field(factory=lambda: logging.getLogger("airssys"))

    def event(self, event: Event) -> None:
        """Log the event."""
        level, actor, text = line(event)
        number = _LEVELS[level]
        if self.logger.isEnabledFor(number):
            actor, text = printable(actor), printable(text)
            self.logger.log(number, "[%s] %s", actor, text, extra={"actor": actor})


def printable(text: str) -> str:
    """Return text with everything escaped that could steer a terminal, or end a line.

    What guests say is part of many a text: no line must be of their making.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in text
    )


def printable_lines(text: str) -> str:
    """Return text as `printable` does, but with its lines left apart."""
    return "\n".join(map(printable, text.split("\n")))


def line(event: Event) -> tuple[str, str, str]:
    """Return an event's level, whom it is about, and a line that says what happened."""
    level, text = _words(event)
    return level, event.subject, text


def _words(event: Event) -> tuple[str, str]:
    match event:
        case Logged(level=level, message=message, fields=fields):
            known = level if level in _LEVELS else "info"
            return known, " ".join((message, *_pairs(fields)))
        case ChildStarted(restarts=restarts):
            again = f" again (restart {restarts})" if restarts else ""
            return "info", f"started{again}"
        case ChildExited(how=how, reason=reason):
            level = "error" if how == "crash" else "info"
            return level, f"ended: {how}{f': {reason}' if reason else ''}"
        case ChildRestarting(supervisor=supervisor, delay=delay, taken_along=taken):
            along = f", taking along {', '.join(taken)}" if taken else ""
            return "info", f"restarts in {delay:.3g} s by {supervisor!r}{along}"
        case SupervisorGaveUp(child=child, history=history):
            return "error", f"gave up on {child!r} after {len(history)} exits"
        case HealthChecked(healthy=healthy, failures=failures, reason=reason):
            if healthy:
                return "info", "is well again"
            return "warn", f"failed health check {failures}: {reason}"
        case Delivered(sender=sender, size=size, topic=topic):
            on = f" on {topic!r}" if topic else ""
            return "trace", f"took {size} bytes from {sender!r}{on}"
        case DeadLettered(sender=sender, reason=reason, size=size, topic=topic):
            on = f" on {topic!r}" if topic else ""
            text = f"lost a message of {size} bytes from {sender!r}{on}: {reason}"
            return "warn", text
        case Denied(
            operation=operation, needed=needed, reason=reason, resource=resource
        ):
            return "warn", f"{operation}: may not {needed}: {reason}{_asked(resource)}"
        case Granted(operation=operation, needed=needed, resource=resource):
            return "trace", f"{operation}: may {needed}{_asked(resource)}"
        case Revoked(needed=needed, reason=reason):
            why = f": {reason}" if reason else ""
            return "info", f"may not {needed} any more{why}"
        case QuotaNeared(quota=quota, level=level, share=share):
            serious = "error" if level == "critical" else "warn"
            return serious, f"used {share:.0%} of its quota of {quota}"
        case CallCut(export=export, why=why):
            return "warn", f"call of {export!r} was cut: {why}"


def _asked(resource: str) -> str:
    """Say what the guest asked for, where it used other words."""
    return f" (asked for {resource!r})" if resource else ""


def _pairs(fields: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"{key}={value!r}" for key, value in fields)


@define(eq=False)
class Tally:
    """An instrument that counts."""

    started: int = field(default=0, init=False)
    """Children started for the first time."""
    restarts: int = field(default=0, init=False)
    """Children started again."""
    crashes: int = field(default=0, init=False)
    gave_up: int = field(default=0, init=False)
    """Supervisors whose restarts ran out."""
    unhealthy: int = field(default=0, init=False)
    """Health checks that failed."""
    delivered: int = field(default=0, init=False)
    """Messages taken; counted where deliveries are events (see `PostOffice`)."""
    dead_letters: int = field(default=0, init=False)
    denials: int = field(default=0, init=False)
    """What guests were refused: by their grants, or by their quotas."""
    grants: int = field(default=0, init=False)
    """What guests were allowed; counted where grants are events."""
    revocations: int = field(default=0, init=False)
    alerts: int = field(default=0, init=False)
    """How often a quota was nearly used up."""
    calls_cut: int = field(default=0, init=False)
    logged: int = field(default=0, init=False)

    def event(self, event: Event) -> None:
        """Count the event."""
        match event:
            case ChildStarted(restarts=restarts):
                self.started += not restarts
                self.restarts += bool(restarts)
            case ChildExited(how=how):
                self.crashes += how == "crash"
            case ChildRestarting():
                pass  # counted when it starts
            case SupervisorGaveUp():
                self.gave_up += 1
            case HealthChecked(healthy=healthy):
                self.unhealthy += not healthy
            case Delivered():
                self.delivered += 1
            case DeadLettered():
                self.dead_letters += 1
            case Denied():
                self.denials += 1
            case Granted():
                self.grants += 1
            case Revoked():
                self.revocations += 1
            case QuotaNeared():
                self.alerts += 1
            case CallCut():
                self.calls_cut += 1
            case Logged():
                self.logged += 1
