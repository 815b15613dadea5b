"""Write log lines: coloured columns for a terminal, one plain line elsewhere."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zlib import crc32

from attrs import define, field
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..core.event import CallCut, ChildExited, ChildRestarting, DeadLettered, Event
from ..core.manifests.host import LogLevel
from ..observe.fan_out import line, printable

__all__ = ("LogBridge", "Screen")

_LEVELS: Final = tuple(level.value for level in LogLevel)
_LEVEL_STYLES: Final = {
    "trace": "dim",
    "debug": "dim",
    "info": "",
    "warn": "yellow",
    "error": "red",
}
_ACTOR_STYLES: Final = ("cyan", "green", "magenta", "blue", "bright_cyan")
_WIDEST: Final = 28
_LIFECYCLE: Final = re.compile(r"airssys:core/component-lifecycle@[0-9.]+#")
_CUTS: Final = {
    "fuel": "it ran out of fuel",
    "time": "it took too long",
    "memory": "it ran out of memory",
    "trap": "it trapped",
    "cancelled": "it was stopped",
    "host": "a host function failed",
}


@define(eq=False)
class Screen:
    """Where a running system shows itself: an instrument that prints events."""

    least: str = LogLevel.INFO.value
    """The least important level that is shown."""
    console: Console = field(
        factory=lambda: Console(stderr=True, highlight=False, markup=False)
    )
    widest: int = 8
    """Characters of the longest name so far; the columns are as wide."""

    def make_room(self, names: Iterable[str]) -> None:
        """Make the column of names wide enough for these."""
        widest = max((len(name) for name in names), default=0)
        self.widest = max(self.widest, min(widest, _WIDEST))

    def event(self, event: Event) -> None:
        """Print an event."""
        self.log(*_line(event))

    def log(self, level: str, actor: str, text: str) -> None:
        """Print a line of an actor's, if its level is important enough."""
        if _LEVELS.index(level) < _LEVELS.index(self.least):
            return
        self.make_room((actor,))
        time = f"{datetime.now():%H:%M:%S.%f}"[:-3]  # noqa: DTZ005 - the reader's own
        actor, text = printable(actor), printable(text)
        if not self.console.is_terminal:
            plain = f"{time} {level:5} {actor:{self.widest}}  {text}"
            self.console.print(plain, soft_wrap=True, markup=False, highlight=False)
            return
        row = Table.grid(padding=(0, 1))
        row.add_column(no_wrap=True)
        row.add_column(no_wrap=True, width=self.widest)
        row.add_column()
        row.add_row(
            Text(time, style="dim"),
            Text(
                actor, style=_ACTOR_STYLES[crc32(actor.encode()) % len(_ACTOR_STYLES)]
            ),
            Text(text, style=_LEVEL_STYLES[level]),
        )
        self.console.print(row)


def _line(event: Event) -> tuple[str, str, str]:
    """Put an event into fewer words than a log file would need.

    The lines of a crash stand together here, so only one of them says all of it.
    """
    match event:
        case CallCut(component=component, export=export, why=why):
            called = export.rpartition("#")[2]
            return "debug", component, f"{called} was cut off: {_CUTS.get(why, why)}"
        case DeadLettered(target=target, sender=sender, reason=reason, size=size):
            word = reason.partition(":")[0]
            bytes_ = f"{size} byte{'' if size == 1 else 's'}"
            return "warn", target, f"lost a message of {bytes_} from {sender!r}: {word}"
        case ChildRestarting(child=child, delay=delay, taken_along=along):
            when = f"in {delay * 1000:.0f} ms" if delay else "at once"
            siblings = f", and with it {', '.join(along)}" if along else ""
            return "info", child, f"restarts {when}{siblings}"
        case ChildExited(how="crash"):
            level, child, text = line(event)
            return level, child, _LIFECYCLE.sub("", text.replace("ended: ", "", 1))
        case _:
            return line(event)


class LogBridge(logging.Handler):
    """Prints what Python code writes with the standard library's logging."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self.screen.log(_level(record.levelno), record.name, text)


def _level(number: int) -> str:
    for word, least in (
        ("error", logging.ERROR),
        ("warn", logging.WARNING),
        ("info", logging.INFO),
        ("debug", logging.DEBUG),
    ):
        if number >= least:
            return word
    return "trace"
