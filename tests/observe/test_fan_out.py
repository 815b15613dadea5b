from __future__ import annotations

import logging

import pytest

from airssys.core.event import (
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
from airssys.observe.fan_out import FanOut, LogSink, Tally, line
from airssys.testing import Recorder

EVENTS: list[tuple[Event, tuple[str, str, str]]] = [
    (ChildStarted(0, "top", "a", 0), ("info", "a", "started")),
    (ChildStarted(0, "top", "a", 2), ("info", "a", "started again (restart 2)")),
    (ChildExited(0, "top", "a", "normal"), ("info", "a", "ended: normal")),
    (
        ChildExited(0, "top", "a", "crash", "ValueError: no"),
        ("error", "a", "ended: crash: ValueError: no"),
    ),
    (
        ChildRestarting(0, "top", "a", 0.25),
        ("info", "a", "restarts in 0.25 s by 'top'"),
    ),
    (
        ChildRestarting(0, "top", "a", 0, ("b", "c")),
        ("info", "a", "restarts in 0 s by 'top', taking along b, c"),
    ),
    (
        SupervisorGaveUp(0, "top", "a", ("x", "y")),
        ("error", "top", "gave up on 'a' after 2 exits"),
    ),
    (HealthChecked(0, "top", "a", True, 0), ("info", "a", "is well again")),  # noqa: FBT003
    (
        HealthChecked(0, "top", "a", False, 2, "slow"),  # noqa: FBT003
        ("warn", "a", "failed health check 2: slow"),
    ),
    (Delivered(0, "a", "b", 3), ("trace", "a", "took 3 bytes from 'b'")),
    (Delivered(0, "a", "b", 3, "t"), ("trace", "a", "took 3 bytes from 'b' on 't'")),
    (
        DeadLettered(0, "a", "b", "gone", 3, "t"),
        ("warn", "a", "lost a message of 3 bytes from 'b' on 't': gone"),
    ),
    (
        DeadLettered(0, "a", "b", "gone", 3),
        ("warn", "a", "lost a message of 3 bytes from 'b': gone"),
    ),
    (
        Denied(0, "a", "kv#drop", "drop 'x'", "no grant covers it"),
        ("warn", "a", "kv#drop: may not drop 'x': no grant covers it"),
    ),
    (
        Denied(0, "a", "fs#open", "read '/b'", "forbidden", "x/../b"),
        ("warn", "a", "fs#open: may not read '/b': forbidden (asked for 'x/../b')"),
    ),
    (
        Granted(0, "a", "fs#open", "read '/srv/a'", "./a"),
        ("trace", "a", "fs#open: may read '/srv/a' (asked for './a')"),
    ),
    (
        Granted(0, "a", "fs#open", "read '/srv/a'"),
        ("trace", "a", "fs#open: may read '/srv/a'"),
    ),
    (
        Revoked(0, "a", "write '/srv/**'"),
        ("info", "a", "may not write '/srv/**' any more"),
    ),
    (
        Revoked(0, "a", "write '/srv/**'", "it is too curious"),
        ("info", "a", "may not write '/srv/**' any more: it is too curious"),
    ),
    (
        QuotaNeared(0, "a", "storage", "warning", 0.812),
        ("warn", "a", "used 81% of its quota of storage"),
    ),
    (
        QuotaNeared(0, "a", "storage", "critical", 0.95),
        ("error", "a", "used 95% of its quota of storage"),
    ),
    (CallCut(0, "a", "run", "fuel"), ("warn", "a", "call of 'run' was cut: fuel")),
    (
        Logged(0, "a", "debug", "hi", (("k", "v"), ("l", "w"))),
        ("debug", "a", "hi k='v' l='w'"),
    ),
    (Logged(0, "a", "shout", "hi"), ("info", "a", "hi")),
]


@pytest.mark.parametrize(("event", "expected"), EVENTS)
def test_every_event_has_a_level_an_actor_and_a_line(
    event: Event, expected: tuple[str, str, str]
) -> None:
    assert line(event) == expected


def test_the_log_names_the_actor(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "airssys"):
        LogSink().event(Logged(0, "acme/a", "error", "no disk"))
        LogSink().event(Delivered(0, "acme/a", "b", 1))

    (record,) = caplog.records
    assert record.getMessage() == "[acme/a] no disk"
    assert (record.levelno, record.name) == (logging.ERROR, "airssys")
    assert record.__dict__["actor"] == "acme/a"


@pytest.mark.parametrize(
    "event",
    [
        Logged(0, "acme/a", "info", "x\n[acme/b] paid", (("k\n[acme/b] paid", "v"),)),
        ChildExited(0, "top", "acme/a", "crash", "x\r\n[acme/b] paid"),
        HealthChecked(0, "top", "acme/a", False, 1, "x\u2028[acme/b] paid\x1b[2J"),  # noqa: FBT003
        Denied(0, "acme/a", "f", "read 'x\n[acme/b] paid'", "no\n", "y\n"),
    ],
)
def test_no_guest_begins_a_line_of_the_log(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(5, "airssys"):
        LogSink().event(event)

    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert len(record.getMessage().splitlines()) == 1


def test_traces_are_below_debug(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(5, "airssys"):
        LogSink().event(Delivered(0, "acme/a", "b", 1))

    assert [record.levelno for record in caplog.records] == [5]


class Broken:
    """An instrument that fails on every event."""

    def __init__(self) -> None:
        self.told = 0

    def event(self, event: Event) -> None:
        self.told += 1
        raise ValueError(event)


def test_an_instrument_that_fails_is_reported_once_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, broken, after = Recorder(), Broken(), Recorder()
    fan_out = FanOut([before, broken, after])

    for _ in range(3):
        fan_out.event(ChildStarted(0, "top", "a", 0))

    assert len(before.events) == len(after.events) == 3
    assert broken.told == 3
    (record,) = caplog.records
    assert "failed on ChildStarted" in record.getMessage()


def test_a_tally_counts_by_kind() -> None:
    tally = Tally()
    for event, _ in EVENTS:
        tally.event(event)

    assert (tally.started, tally.restarts, tally.crashes) == (1, 1, 1)
    assert (tally.gave_up, tally.unhealthy, tally.delivered) == (1, 1, 2)
    assert (tally.dead_letters, tally.denials, tally.calls_cut) == (2, 2, 1)
    assert (tally.grants, tally.revocations, tally.alerts) == (2, 2, 2)
    assert tally.logged == 2
