from __future__ import annotations

import math
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec, Crashed, Restart, Stopped
from airssys.core.errors import HealthCheckFailed, RestartsExhausted
from airssys.core.event import ChildRestarting, Event, HealthChecked
from airssys.core.health import HealthCheck
from airssys.core.restart import Backoff, Intensity, Strategy
from airssys.supervision.nested import supervise
from airssys.supervision.opening import open_supervisor

MANY = Intensity(1000, 5.0)


@pytest.fixture
def anyio_backend(virtual_clock: Any) -> Any:
    return virtual_clock


class Clocked:
    """Notes starts and stops with their time."""

    def __init__(self) -> None:
        self.began = anyio.current_time()
        self.lines: list[tuple[float, str]] = []
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def note(self, text: str) -> None:
        self.lines.append((round(anyio.current_time() - self.began, 6), text))

    def spec(self, name: str, lifetime: float = math.inf, **options: Any) -> ChildSpec:
        """Describe a child that crashes after so many seconds."""
        return ChildSpec(name, self.live, (name, lifetime), **options)

    async def live(
        self, name: str, lifetime: float, *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        self.note(f"+{name}")
        task_status.started()
        try:
            await anyio.sleep(lifetime)
            raise ValueError(name)
        finally:
            self.note(f"-{name}")

    def times(self, text: str) -> list[float]:
        return [at for at, line in self.lines if line == text]


async def test_restarts_wait_longer_and_longer_up_to_the_maximum() -> None:
    clock = Clocked()
    backoff = Backoff(1.0, 2.0, 5.0)
    async with open_supervisor(intensity=MANY, backoff=backoff) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await anyio.sleep(25)

    assert clock.times("+a")[:6] == [0, 2, 5, 10, 16, 22]


async def test_the_backoff_resets_after_a_healthy_while() -> None:
    clock = Clocked()
    lifetimes = iter((1.0, 1.0, 100.0, 1.0))

    async def live() -> None:
        clock.note("+a")
        await anyio.sleep(next(lifetimes, math.inf))

    backoff = Backoff(1.0, 10.0, 60.0, healthy=30.0)
    async with open_supervisor(intensity=MANY, backoff=backoff) as supervisor:
        await supervisor.start(ChildSpec("a", live))
        await anyio.sleep(200)

    #                              1+1  1+10  100+1   1+10
    assert clock.times("+a") == [0, 2, 13, 114, 125]


async def test_jitter_takes_off_up_to_its_share() -> None:
    clock = Clocked()
    numbers = iter((0.0, 0.5))
    async with open_supervisor(
        intensity=MANY,
        backoff=Backoff(10.0, 1.0, jitter=0.2),
        random=lambda: next(numbers, 0.0),
        instrument=clock,
    ) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await anyio.sleep(21.5)

    delays = [
        event.delay for event in clock.events if isinstance(event, ChildRestarting)
    ]
    assert delays == [10.0, 9.0]


async def test_leaving_does_not_wait_for_a_backoff() -> None:
    clock = Clocked()
    async with open_supervisor(backoff=Backoff(1000.0, maximum=1000.0)) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await anyio.sleep(2)

    assert anyio.current_time() - clock.began == 2
    assert clock.times("+a") == [0]


async def test_stop_during_a_backoff_works_at_once() -> None:
    clock = Clocked()
    async with open_supervisor(backoff=Backoff(10.0)) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await anyio.sleep(2)
        assert supervisor.children[0].state.value == "restarting"
        await supervisor.stop("a")
        assert supervisor.children[0].state.value == "stopped"
        await anyio.sleep(100)

    assert clock.times("+a") == [0]


async def test_restart_and_remove_during_a_backoff_work_at_once() -> None:
    clock = Clocked()
    async with open_supervisor(backoff=Backoff(10.0), intensity=MANY) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await supervisor.start(clock.spec("b", 1.0))
        await anyio.sleep(2)
        await supervisor.restart("a")
        await supervisor.remove("b")
        await anyio.sleep(10)
        assert [child.id for child in supervisor.children] == ["a"]

    assert clock.times("+a") == [0, 2]
    assert clock.times("+b") == [0]


async def test_other_children_can_be_started_during_a_backoff() -> None:
    clock = Clocked()
    async with open_supervisor(backoff=Backoff(10.0)) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await anyio.sleep(2)
        await supervisor.start(clock.spec("b"))

        assert anyio.current_time() - clock.began == 2


async def test_a_later_restart_that_includes_an_earlier_one_replaces_it() -> None:
    clock = Clocked()
    async with open_supervisor(
        strategy=Strategy.REST_FOR_ONE, backoff=Backoff(10.0), intensity=MANY
    ) as supervisor:
        await supervisor.start(clock.spec("a", 6.0))
        await supervisor.start(clock.spec("b", 1.0))
        await supervisor.start(clock.spec("c"))
        await anyio.sleep(21)

    # b falls at 1 and would start at 11; a falls at 6 and takes b and c to 16.
    assert clock.times("+a") == [0, 16]
    assert clock.times("+b") == [0, 16]
    assert clock.times("+c") == [0, 16]


async def test_a_child_restarted_by_hand_that_falls_again_waits_anew() -> None:
    clock = Clocked()
    async with open_supervisor(
        backoff=Backoff(10.0, 1.0), intensity=MANY
    ) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await anyio.sleep(5)
        await supervisor.restart("a")
        await anyio.sleep(12)

    # It falls at 1, is restarted by hand at 5 and falls at 6.
    assert clock.times("+a") == [0, 5, 16]


async def test_too_many_restarts_within_the_period_give_up() -> None:
    clock = Clocked()
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor(intensity=Intensity(3, 10.0)) as supervisor:
            await supervisor.start(clock.spec("a", 1.0))
            await anyio.sleep_forever()

    assert isinstance(caught.value.exceptions[0], RestartsExhausted)
    assert clock.times("+a") == [0, 1, 2, 3]
    assert anyio.current_time() - clock.began == 4


async def test_restarts_further_apart_than_the_period_go_on() -> None:
    clock = Clocked()
    async with open_supervisor(intensity=Intensity(1, 5.0)) as supervisor:
        await supervisor.start(clock.spec("a", 5.1))
        await anyio.sleep(60)

    assert len(clock.times("+a")) == 12


# --- grace ------------------------------------------------------------------------


def stubborn(clock: Clocked, name: str, after: float, **options: Any) -> ChildSpec:
    """Describe a child that stops so many seconds after it was asked."""
    ask: list[anyio.Event] = []

    async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        ask[:] = [anyio.Event()]
        task_status.started()
        try:
            await ask[0].wait()
            clock.note(f"?{name}")
            await anyio.sleep(after)
        finally:
            clock.note(f"-{name}")

    def stop() -> None:
        ask[0].set()

    return ChildSpec(name, run, stop=stop, **options)


async def test_children_are_asked_one_after_the_other_and_cut_off_in_time() -> None:
    clock = Clocked()
    async with open_supervisor() as supervisor:
        await supervisor.start(stubborn(clock, "slow", 100, shutdown=math.inf))
        await supervisor.start(stubborn(clock, "never", math.inf, shutdown=2.0))
        await supervisor.start(stubborn(clock, "quick", 1.0))

    assert clock.lines == [
        (0, "?quick"),
        (1, "-quick"),
        (1, "?never"),
        (3, "-never"),
        (3, "?slow"),
        (103, "-slow"),
    ]


async def test_a_child_asked_by_cancelling_has_the_time_it_shields() -> None:
    clock = Clocked()

    async def tidy() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(20)
            clock.note("tidy")

    async with open_supervisor() as supervisor:
        await supervisor.start(ChildSpec("a", tidy, shutdown=1.0))
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        await supervisor.stop("a")
        assert supervisor.children[0].last_exit == Stopped()

    assert clock.lines == [(20, "tidy")]


async def test_leaving_joins_a_stop_under_way() -> None:
    clock = Clocked()
    async with anyio.create_task_group() as others, open_supervisor() as supervisor:
        await supervisor.start(stubborn(clock, "a", 3.0))
        others.start_soon(supervisor.stop, "a")
        await anyio.sleep(1)

    assert clock.lines == [(0, "?a"), (3, "-a")]


async def test_siblings_taken_along_have_their_grace() -> None:
    clock = Clocked()
    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await supervisor.start(stubborn(clock, "b", 3.0))
        await anyio.sleep(4.5)

    assert clock.lines[:5] == [
        (0, "+a"),
        (1, "-a"),
        (1, "?b"),
        (4, "-b"),
        (4, "+a"),
    ]


async def test_grace_of_siblings_taken_along_outlasts_a_cancellation() -> None:
    clock = Clocked()
    with anyio.move_on_after(2):
        async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
            await supervisor.start(clock.spec("a", 1.0))
            await supervisor.start(stubborn(clock, "b", 3.0))
            await anyio.sleep_forever()

    assert clock.lines == [(0, "+a"), (1, "-a"), (1, "?b"), (4, "-b")]


@pytest.mark.parametrize("restart", [Restart.TEMPORARY, Restart.PERMANENT])
async def test_a_sibling_whose_removal_is_under_way_does_not_come_back(
    restart: Restart,
) -> None:
    clock = Clocked()

    async def tidy() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)
            clock.note("-t")

    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await supervisor.start(ChildSpec("t", tidy, restart=restart))
        await supervisor.start(stubborn(clock, "b", 3.0))
        with anyio.move_on_after(0.5):
            await supervisor.remove("t")
        await anyio.sleep(4)
        assert [child.id for child in supervisor.children] == ["a", "b"]

    assert clock.times("+a") == [0, 4]
    assert clock.times("-t") == [2]


async def test_a_restart_overrides_a_removal_under_way() -> None:
    clock = Clocked()

    async def tidy() -> None:
        clock.note("+t")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)

    async with open_supervisor() as supervisor:
        await supervisor.start(ChildSpec("t", tidy))
        with anyio.move_on_after(0.5):
            await supervisor.remove("t")
        await supervisor.restart("t")
        assert [child.state.value for child in supervisor.children] == ["running"]

    assert clock.times("+t") == [0, 5]


async def test_a_removal_under_way_is_waited_for() -> None:
    clock = Clocked()

    async def tidy() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            clock.note("-t")

    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
        await supervisor.start(clock.spec("a", 1.0))
        await supervisor.start(ChildSpec("t", tidy))
        with anyio.move_on_after(0.5):
            await supervisor.remove("t")
        await anyio.sleep(5)
        assert [child.id for child in supervisor.children] == ["a"]

    assert clock.times("-t") == [5]
    assert clock.times("+a") == [0, 5]


async def test_a_nested_tree_stops_from_the_leaves_in_reverse() -> None:
    clock = Clocked()
    async with open_supervisor() as top:
        await top.start(stubborn(clock, "a", 1.0))
        leaves = [stubborn(clock, "b", 2.0), stubborn(clock, "c", 4.0)]
        await top.start(supervise("branch", leaves))

    assert clock.lines == [
        (0, "?c"),
        (4, "-c"),
        (4, "?b"),
        (6, "-b"),
        (6, "?a"),
        (7, "-a"),
    ]


# --- health -----------------------------------------------------------------------


async def test_health_is_asked_every_so_often_and_failures_end_the_child() -> None:
    clock = Clocked()
    answers = iter([True, None, False, True, False, False, False])

    async def check() -> bool | None:
        clock.note("?")
        return next(answers, True)

    spec = clock.spec("a", health=HealthCheck(check, every=10.0, failures=3))
    async with open_supervisor(instrument=clock) as supervisor:
        await supervisor.start(spec)
        await anyio.sleep(75)
        (child,) = supervisor.children
        assert child.restarts == 1
        assert isinstance(child.last_exit, Crashed)
        assert isinstance(child.last_exit.error, HealthCheckFailed)
        await anyio.sleep(10)

    assert clock.times("?") == [10, 20, 30, 40, 50, 60, 70, 80]
    assert clock.times("+a") == [0, 70]
    checks = [
        (event.healthy, event.failures)
        for event in clock.events
        if isinstance(event, HealthChecked)
    ]
    assert checks == [(False, 1), (True, 0), (False, 1), (False, 2), (False, 3)]


async def test_a_check_that_takes_too_long_or_raises_is_a_failure() -> None:
    clock = Clocked()
    asked = 0

    async def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await anyio.sleep(60)
        raise OSError("no answer here")

    health = HealthCheck(check, every=1.0, timeout=2.0, failures=2)
    async with open_supervisor(instrument=clock) as supervisor:
        await supervisor.start(clock.spec("a", health=health))
        await anyio.sleep(4.5)
        last = supervisor.children[0].last_exit

    assert isinstance(last, Crashed)
    assert last.reason == (
        "HealthCheckFailed: child 'a' failed its health check 2 times in a row: "
        "OSError: no answer here"
    )
    checks = [event for event in clock.events if isinstance(event, HealthChecked)]
    assert checks[0].reason == "no answer within 2 s"


async def test_a_child_that_is_stopping_is_not_asked_how_it_is() -> None:
    clock = Clocked()

    async def check() -> bool:
        clock.note("check")
        return False

    spec = stubborn(clock, "a", 4.0, health=HealthCheck(check, every=1.0, failures=9))
    async with open_supervisor() as supervisor:
        await supervisor.start(spec)
        await anyio.sleep(1.5)

    assert clock.lines == [(1, "check"), (1.5, "?a"), (5.5, "-a")]


async def test_a_check_cannot_restart_its_child_by_a_call() -> None:
    clock = Clocked()
    async with open_supervisor(instrument=clock) as supervisor:

        async def check() -> None:
            await supervisor.restart("a")

        await supervisor.start(clock.spec("a", health=HealthCheck(check, every=2.0)))
        await anyio.sleep(5)

    checks = [event for event in clock.events if isinstance(event, HealthChecked)]
    assert [event.failures for event in checks] == [1, 2]
    assert "the call comes from inside that child" in checks[0].reason
