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
    (
        ChildStarted(at=0, supervisor="top", subject="a", restarts=0),
        ("info", "a", "started"),
    ),
    (
        ChildStarted(at=0, supervisor="top", subject="a", restarts=2),
        ("info", "a", "started again (restart 2)"),
    ),
    (
        ChildExited(at=0, supervisor="top", subject="a", how="normal"),
        ("info", "a", "ended: normal"),
    ),
    (
        ChildExited(
            at=0, supervisor="top", subject="a", how="crash", reason="ValueError: no"
        ),
        ("error", "a", "ended: crash: ValueError: no"),
    ),
    (
        ChildRestarting(at=0, supervisor="top", subject="a", delay=0.25),
        ("info", "a", "restarts in 0.25 s by 'top'"),
    ),
    (
        ChildRestarting(
            at=0, supervisor="top", subject="a", delay=0, taken_along=("b", "c")
        ),
        ("info", "a", "restarts in 0 s by 'top', taking along b, c"),
    ),
    (
        SupervisorGaveUp(at=0, subject="top", child="a", history=("x", "y")),
        ("error", "top", "gave up on 'a' after 2 exits"),
    ),
    (
        HealthChecked(at=0, supervisor="top", subject="a", healthy=True, failures=0),
        ("info", "a", "is well again"),
    ),
    (
        HealthChecked(
            at=0,
            supervisor="top",
            subject="a",
            healthy=False,
            failures=2,
            reason="slow",
        ),
        ("warn", "a", "failed health check 2: slow"),
    ),
    (
        Delivered(at=0, subject="a", sender="b", size=3),
        ("trace", "a", "took 3 bytes from 'b'"),
    ),
    (
        Delivered(at=0, subject="a", sender="b", size=3, topic="t"),
        ("trace", "a", "took 3 bytes from 'b' on 't'"),
    ),
    (
        DeadLettered(at=0, subject="a", sender="b", reason="gone", size=3, topic="t"),
        ("warn", "a", "lost a message of 3 bytes from 'b' on 't': gone"),
    ),
    (
        DeadLettered(at=0, subject="a", sender="b", reason="gone", size=3),
        ("warn", "a", "lost a message of 3 bytes from 'b': gone"),
    ),
    (
        Denied(
            at=0,
            subject="a",
            operation="kv#drop",
            attempt="drop 'x'",
            reason="no grant covers it",
        ),
        ("warn", "a", "kv#drop: may not drop 'x': no grant covers it"),
    ),
    (
        Denied(
            at=0,
            subject="a",
            operation="fs#open",
            section="filesystem",
            action="read",
            target="/b",
            reason="forbidden",
            resource="x/../b",
        ),
        ("warn", "a", "fs#open: may not read '/b': forbidden (asked for 'x/../b')"),
    ),
    (
        Granted(
            at=0,
            subject="a",
            operation="fs#open",
            section="filesystem",
            action="read",
            target="/srv/a",
            resource="./a",
        ),
        ("trace", "a", "fs#open: may read '/srv/a' (asked for './a')"),
    ),
    (
        Granted(
            at=0,
            subject="a",
            operation="fs#open",
            section="filesystem",
            action="read",
            target="/srv/a",
        ),
        ("trace", "a", "fs#open: may read '/srv/a'"),
    ),
    (
        Revoked(
            at=0, subject="a", section="filesystem", action="write", target="/srv/**"
        ),
        ("info", "a", "may not write '/srv/**' any more"),
    ),
    (
        Revoked(
            at=0,
            subject="a",
            section="filesystem",
            action="write",
            target="/srv/**",
            reason="it is too curious",
        ),
        ("info", "a", "may not write '/srv/**' any more: it is too curious"),
    ),
    (
        QuotaNeared(at=0, subject="a", quota="storage", level="warning", share=0.812),
        ("warn", "a", "used 81% of its quota of storage"),
    ),
    (
        QuotaNeared(at=0, subject="a", quota="storage", level="critical", share=0.95),
        ("error", "a", "used 95% of its quota of storage"),
    ),
    (
        CallCut(at=0, subject="a", export="run", why="fuel"),
        ("warn", "a", "call of 'run' was cut: fuel"),
    ),
    (
        Logged(
            at=0,
            subject="a",
            level="debug",
            message="hi",
            fields=(("k", "v"), ("l", "w")),
        ),
        ("debug", "a", "hi k='v' l='w'"),
    ),
    (Logged(at=0, subject="a", level="shout", message="hi"), ("info", "a", "hi")),
]


@pytest.mark.parametrize(("event", "expected"), EVENTS)
def test_every_event_has_a_level_an_actor_and_a_line(
    event: Event, expected: tuple[str, str, str]
) -> None:
    assert line(event) == expected


def test_the_log_names_the_actor(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "airssys"):
        LogSink().event(
            Logged(at=0, subject="acme/a", level="error", message="no disk")
        )
        LogSink().event(Delivered(at=0, subject="acme/a", sender="b", size=1))

    (record,) = caplog.records
    assert record.getMessage() == "[acme/a] no disk"
    assert (record.levelno, record.name) == (logging.ERROR, "airssys")
    assert record.__dict__["actor"] == "acme/a"


@pytest.mark.parametrize(
    "event",
    [
        Logged(
            at=0,
            subject="acme/a",
            level="info",
            message="x\n[acme/b] paid",
            fields=(("k\n[acme/b] paid", "v"),),
        ),
        ChildExited(
            at=0,
            supervisor="top",
            subject="acme/a",
            how="crash",
            reason="x\r\n[acme/b] paid",
        ),
        HealthChecked(
            at=0,
            supervisor="top",
            subject="acme/a",
            healthy=False,
            failures=1,
            reason="x\u2028[acme/b] paid\x1b[2J",
        ),
        Denied(
            at=0,
            subject="acme/a",
            operation="f",
            section="filesystem",
            action="read",
            target="x\n[acme/b] paid",
            reason="no\n",
            resource="y\n",
        ),
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
        LogSink().event(Delivered(at=0, subject="acme/a", sender="b", size=1))

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
        fan_out.event(ChildStarted(at=0, supervisor="top", subject="a", restarts=0))

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
