from __future__ import annotations

import logging

import pytest

from airssys.core.event import (
    ChildExited,
    ChildStarted,
    Delivered,
    Denied,
    Event,
    HealthChecked,
    Logged,
)
from airssys.observe.fan_out import FanOut, LogSink, Tally
from airssys.testing import Recorder

from .examples import EVENTS


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
        self.count = 0

    def event(self, event: Event) -> None:
        self.count += 1
        raise ValueError(event)


def test_an_instrument_that_fails_is_reported_once_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, broken, after = Recorder(), Broken(), Recorder()
    fan_out = FanOut([before, broken, after])

    for _ in range(3):
        fan_out.event(ChildStarted(at=0, supervisor="top", subject="a", restarts=0))

    assert len(before.events) == len(after.events) == 3
    assert broken.count == 3
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
