"""Write log lines: coloured columns for a terminal, one plain line elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zlib import crc32

from attrs import define, field
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..core.event import Event
from ..core.levels import LogLevel
from ..observe.line import line, printable

__all__ = ("LogBridge", "Screen")

_COLOURS: Final = ("cyan", "green", "magenta", "blue", "bright_cyan")
_WIDEST: Final = 28


@define(eq=False)
class Screen:
    """Where a running system shows itself: an instrument that prints events."""

    console: Console
    least: LogLevel = LogLevel.INFO
    """The least important level that is shown."""
    widest: int = 8
    """Characters of the longest name so far; the columns are as wide."""
    _coloured: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._coloured = self.console.is_terminal

    def make_room(self, names: Iterable[str]) -> None:
        """Make the column of names wide enough for these."""
        widest = max((len(name) for name in names), default=0)
        self.widest = max(self.widest, min(widest, _WIDEST))

    def event(self, event: Event) -> None:
        """Print an event."""
        said = line(event, brief=True)
        self.log(said.level, said.subject, said.text)

    def log(self, level: LogLevel, subject: str, text: str) -> None:
        """Print a line, if its level is important enough."""
        if level.rank < self.least.rank:
            return
        self.make_room((subject,))
        time = f"{datetime.now():%H:%M:%S.%f}"[:-3]  # noqa: DTZ005 - the reader's own
        subject, text = printable(subject), printable(text)
        if not self._coloured:
            # As it is: laying it out took most of a line's time on the event loop.
            plain = f"{time} {level.value:5} {subject:{self.widest}}  {text}\n"
            self.console.file.write(plain)
            return
        row = Table.grid(padding=(0, 1))
        row.add_column(no_wrap=True)
        row.add_column(no_wrap=True, width=self.widest)
        row.add_column()
        row.add_row(
            Text(time, style="dim"),
            Text(subject, style=_colour(subject)),
            Text(text, style=_style(level)),
        )
        self.console.print(row)


def _colour(subject: str) -> str:
    """Return a colour that is a subject's own as long as there are few of them."""
    return _COLOURS[crc32(subject.encode()) % len(_COLOURS)]


class LogBridge(logging.Handler):
    """Prints what Python code writes with the standard library's logging."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self.screen.log(_level(record.levelno), record.name, text)


def _level(number: int) -> LogLevel:
    """Return the level of a number of the standard library's."""
    if number >= logging.ERROR:
        return LogLevel.ERROR
    if number >= logging.WARNING:
        return LogLevel.WARN
    if number >= logging.INFO:
        return LogLevel.INFO
    return LogLevel.DEBUG if number >= logging.DEBUG else LogLevel.TRACE


def _style(level: LogLevel) -> str:
    match level:
        case LogLevel.TRACE | LogLevel.DEBUG:
            return "dim"
        case LogLevel.INFO:
            return ""
        case LogLevel.WARN:
            return "yellow"
        case LogLevel.ERROR:
            return "red"
