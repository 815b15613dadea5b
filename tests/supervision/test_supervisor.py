from __future__ import annotations

import anyio
import anyio.abc
import anyio.lowlevel

from airssys.core.child import Crashed
from airssys.core.errors import (
    HealthCheckFailed,
)
from airssys.core.event import (
    ChildExited,
    ChildRestarting,
    ChildStarted,
    HealthChecked,
)
from airssys.core.health import HealthCheck
from airssys.core.restart import Backoff, Strategy
from airssys.supervision.opening import open_supervisor

from .support import (
    Record,
    settle,
    state,
    supervisor_waits_for,
)

# --- events -----------------------------------------------------------------------


async def test_starts_exits_and_restarts_are_events(record: Record) -> None:
    async with open_supervisor(
        name="top", strategy=Strategy.ONE_FOR_ALL, instrument=record
    ) as supervisor:
        for name in "ab":
            await supervisor.start(record.spec(name))
        record.crash["a"].set()
        await settle()

    events = [
        (type(event).__name__, *(getattr(event, name) for name in fields))
        for event in record.events
        for fields in [
            {
                ChildStarted: ("subject", "restarts"),
                ChildExited: ("subject", "how", "reason"),
                ChildRestarting: ("subject", "delay", "taken_along"),
            }[type(event)]
        ]
    ]
    assert events == [
        ("ChildStarted", "a", 0),
        ("ChildStarted", "b", 0),
        ("ChildExited", "a", "crash", "ValueError: a"),
        ("ChildRestarting", "a", 0.0, ("b",)),
        ("ChildExited", "b", "stopped", ""),
        ("ChildStarted", "a", 1),
        ("ChildStarted", "b", 1),
        ("ChildExited", "b", "stopped", ""),
        ("ChildExited", "a", "stopped", ""),
    ]
    assert {getattr(event, "supervisor", "") for event in record.events} == {"top"}


# --- a real clock, briefly --------------------------------------------------------


async def test_a_restart_waits_for_its_backoff(record: Record) -> None:
    async with open_supervisor(backoff=Backoff(0.05)) as supervisor:
        await supervisor.start(record.spec("a"))
        record.crash["a"].set()
        before = anyio.current_time()
        await settle()
        assert state(supervisor, "a") == "restarting"
        await supervisor_waits_for(lambda: state(supervisor, "a") == "running")

        assert 0.05 <= anyio.current_time() - before < 5


async def test_a_child_that_fails_its_health_checks_is_restarted(
    record: Record,
) -> None:
    async def sick() -> bool:
        return False

    check = HealthCheck(sick, every=0.005, timeout=1.0, failures=2)
    async with open_supervisor(instrument=record) as supervisor:
        await supervisor.start(record.spec("a", health=check))
        await supervisor_waits_for(lambda: supervisor.children[0].restarts == 1)

        last = supervisor.children[0].last_exit
        assert isinstance(last, Crashed)
        assert isinstance(last.error, HealthCheckFailed)
        checks = [e for e in record.events if isinstance(e, HealthChecked)]
        assert [(e.healthy, e.failures) for e in checks] == [(False, 1), (False, 2)]
