from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from airssys.cli.live import view
from airssys.cli.screen import LogBridge, Screen
from airssys.core.child import Crashed, Restart, Stopped
from airssys.core.event import (
    CallCut,
    ChildExited,
    ChildRestarting,
    ChildStarted,
    DeadLettered,
    Event,
    Logged,
)
from airssys.core.levels import LogLevel
from airssys.observe.line import printable
from airssys.supervision.status import ChildState, ChildStatus

LIFECYCLE = "airssys:core/component-lifecycle@1.0.0#handle-message"


def plain_screen(least: LogLevel = LogLevel.INFO) -> Screen:
    return Screen(Console(file=io.StringIO(), width=40, highlight=False), least)


def shown(screen: Screen) -> list[str]:
    """Return the lines, without their times."""
    assert isinstance(screen.console.file, io.StringIO)
    lines = screen.console.file.getvalue().splitlines()
    return [line.partition(" ")[2] for line in lines]


def test_a_line_is_written_as_it_was_said_however_long() -> None:
    said = ":smile: [bold]" + "x" * 100
    screen = plain_screen()

    screen.log(LogLevel.INFO, "a", said)

    assert shown(screen) == [f"info  a         {said}"]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            ChildStarted(at=0, supervisor="s", subject="a", restarts=0),
            "info  a         started",
        ),
        (
            ChildExited(at=0, supervisor="s", subject="a", how="normal"),
            "info  a         ended: normal",
        ),
        (
            ChildExited(
                at=0,
                supervisor="s",
                subject="a",
                how="crash",
                reason=f"GuestTrapped: in '{LIFECYCLE}'",
            ),
            "error a         crash: GuestTrapped: in 'handle-message'",
        ),
        (
            ChildRestarting(
                at=0, supervisor="s", subject="a", delay=0.0, taken_along=("b", "c")
            ),
            "info  a         restarts at once, and with it b, c",
        ),
        (
            ChildRestarting(at=0, supervisor="s", subject="a", delay=0.0512),
            "info  a         restarts in 51 ms",
        ),
        (
            CallCut(at=0, subject="a", export=LIFECYCLE, why="trap"),
            "debug a         handle-message was cut off: it trapped",
        ),
        (
            DeadLettered(
                at=0,
                subject="a",
                sender="b",
                reason="GuestTrapped: a long story",
                cause="GuestTrapped",
                size=1,
            ),
            "warn  a         lost a message of 1 byte from 'b': GuestTrapped",
        ),
        (
            Logged(
                at=0, subject="a", level="warn", message="hello", fields=(("n", "1"),)
            ),
            "warn  a         hello n='1'",
        ),
    ],
)
def test_an_event_is_one_plain_line(event: Event, line: str) -> None:
    screen = plain_screen(LogLevel.DEBUG)

    screen.event(event)

    assert shown(screen) == [line]


def test_less_important_lines_are_left_out() -> None:
    screen = plain_screen(LogLevel.WARN)

    for level in LogLevel:
        screen.log(level, "a", "x")

    assert shown(screen) == ["warn  a         x", "error a         x"]


def test_columns_are_as_wide_as_the_longest_name_but_not_wider_than_sense() -> None:
    screen = plain_screen()

    screen.make_room(["quickstart/counter", "x"])
    screen.log(LogLevel.INFO, "a", "x")
    screen.make_room(["n" * 200])
    screen.log(LogLevel.INFO, "a", "x")

    assert shown(screen) == [f"info  {'a':18}  x", f"info  {'a':28}  x"]


def test_a_guest_cannot_steer_the_terminal() -> None:
    screen = plain_screen()

    screen.log(LogLevel.INFO, "a", "red \x1b[31m\nand [bold]more[/bold] é")

    assert shown(screen) == [r"info  a         red \x1b[31m\nand [bold]more[/bold] é"]
    assert printable("\x9b") == r"\x9b"


def test_a_terminal_gets_colours_and_columns() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=40, color_system="standard")
    screen = Screen(console)

    screen.log(LogLevel.ERROR, "a", "word " * 10)

    lines = file.getvalue().splitlines()
    assert len(lines) == 4, "long texts wrap within their column"
    assert "\x1b[31m" in lines[0]
    assert lines[1].startswith(" " * 22)


def test_python_s_own_logging_is_shown() -> None:
    screen = plain_screen(LogLevel.TRACE)
    logger = logging.Logger("shop", level=1)  # noqa: LOG001 - of this test alone
    logger.addHandler(LogBridge(screen))

    for number in (5, 10, 20, 30, 40, 50):
        logger.log(number, "level %d", number)

    assert shown(screen) == [
        "trace shop      level 5",
        "debug shop      level 10",
        "info  shop      level 20",
        "warn  shop      level 30",
        "error shop      level 40",
        "error shop      level 50",
    ]


def test_the_live_view_shows_what_each_child_does() -> None:
    crash = Crashed(ValueError("no\x1b"))
    inner = ChildStatus("inner", ChildState.RESTARTING, 2, crash, Restart.PERMANENT)
    outer = ChildStatus(
        "outer", ChildState.RUNNING, 0, None, Restart.PERMANENT, (inner, inner)
    )
    last = ChildStatus("last", ChildState.STOPPED, 0, Stopped(), Restart.TRANSIENT)
    console = Console(file=io.StringIO(), width=70)

    console.print(view("root", [outer, last], {"inner": 7, "last": 0}.get))

    assert isinstance(console.file, io.StringIO)
    assert [line.split() for line in console.file.getvalue().splitlines()] == [
        ["actor", "state", "restarts", "messages", "last", "exit"],
        ["root"],
        ["├──", "outer", "running"],
        ["│", "├──", "inner", "restarting", "2", "7", "crash:", "ValueError"],
        ["│", "└──", "inner", "restarting", "2", "7", "crash:", "ValueError"],
        ["└──", "last", "stopped", "0", "stopped"],
    ]
