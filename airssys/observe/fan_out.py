"""Pass events on: to several instruments, to the log, into a tally."""

from __future__ import annotations

import logging
from collections.abc import Iterable

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
from ..core.levels import LogLevel
from ..isolated import Isolated
from .line import line, printable

__all__ = ("FanOut", "LogSink", "Tally")


def _isolated(instruments: Iterable[Instrument]) -> tuple[Isolated, ...]:
    return tuple(map(Isolated, instruments))


@define(eq=False)
class FanOut:
    """An instrument that passes events on to several, whichever of them fail.

    The first error of each is logged; it still gets all further events.
    """

    instruments: tuple[Isolated, ...] = field(converter=_isolated)

    def event(self, event: Event) -> None:
        """Pass the event on."""
        for instrument in self.instruments:
            instrument.event(event)


@define(eq=False)
class LogSink:
    """An instrument that writes events to the standard library's logging.

    Each line begins with the event's subject, which the record also carries as
    ``actor``. A record is one line: what is not printable is escaped. Traces, such as
    single deliveries, are logged at level 5.
    """

    logger: logging.Logger = field(factory=lambda: logging.getLogger("airssys"))

    def event(self, event: Event) -> None:
        """Log the event."""
        said = line(event)
        number = _number(said.level)
        if self.logger.isEnabledFor(number):
            subject, text = printable(said.subject), printable(said.text)
            self.logger.log(number, "[%s] %s", subject, text, extra={"actor": subject})


def _number(level: LogLevel) -> int:
    """Return what the standard library has for a level."""
    match level:
        case LogLevel.TRACE:
            return 5
        case LogLevel.DEBUG:
            return logging.DEBUG
        case LogLevel.INFO:
            return logging.INFO
        case LogLevel.WARN:
            return logging.WARNING
        case LogLevel.ERROR:
            return logging.ERROR


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
