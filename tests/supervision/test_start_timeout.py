from __future__ import annotations

import math

import anyio
import anyio.abc
import pytest

import airssys

from .support import Record, asked, only, settle, state


async def hang(*, task_status: anyio.abc.TaskStatus[None]) -> None:
    await anyio.sleep_forever()


async def test_a_start_that_hangs_fails_in_time_and_its_siblings_go_on(
    record: Record,
) -> None:
    async with airssys.open_supervisor(instrument=record) as supervisor:
        await supervisor.start(record.spec("a"))
        with pytest.raises(airssys.StartTimeout) as caught:
            await supervisor.start(airssys.ChildSpec("b", hang, start_timeout=0.05))
        record.crash["a"].set()
        await settle()

        assert caught.value.seconds == 0.05
        assert isinstance(caught.value, TimeoutError)
        assert [child.id for child in supervisor.children] == ["a"]
        assert record.take() == "+a -a +a"
    exits = record.told(airssys.events.ChildExited)
    assert isinstance(exits[0], airssys.events.ChildExited)
    assert exits[0].reason.startswith("StartTimeout: supervisor")


async def test_a_restart_that_hangs_is_a_crash_for_the_rules() -> None:
    starts = 0

    async def hang_later(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            task_status.started()
            raise ValueError
        await anyio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        async with airssys.open_supervisor() as supervisor:
            spec = airssys.ChildSpec("a", hang_later, start_timeout=0.02)
            await supervisor.start(spec)
            await anyio.sleep_forever()

    error = only(caught.value)
    assert isinstance(error, airssys.RestartsExhausted)
    assert isinstance(error.__cause__, airssys.StartTimeout)
    assert starts == 2


@pytest.mark.parametrize("forget", [False, True])
async def test_a_child_that_is_starting_can_be_stopped(
    forget: bool,  # noqa: FBT001
) -> None:
    failed: list[str] = []

    async def start(supervisor: airssys.Supervisor) -> None:
        try:
            await supervisor.start(airssys.ChildSpec("a", hang))
        except airssys.ChildRefused as error:
            failed.append(error.reason)

    with anyio.fail_after(20):
        async with airssys.open_supervisor() as supervisor:
            async with anyio.create_task_group() as others:
                others.start_soon(start, supervisor)
                await settle()
                await (supervisor.remove if forget else supervisor.stop)("a")
            assert failed == ["it was stopped before it had started"]
            assert not supervisor.children


async def test_a_child_that_is_starting_again_can_be_stopped(record: Record) -> None:
    starts, fall = 0, anyio.Event()

    async def hang_later(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            task_status.started()
            await fall.wait()
            raise ValueError
        await anyio.sleep_forever()

    with anyio.fail_after(20):
        async with airssys.open_supervisor(
            strategy=airssys.Strategy.ONE_FOR_ALL
        ) as supervisor:
            await supervisor.start(airssys.ChildSpec("a", hang_later))
            await supervisor.start(record.spec("b"))
            fall.set()
            await settle()
            assert state(supervisor, "a") == "starting"

            await supervisor.stop("a")
            await settle()
            assert state(supervisor, "a") == "stopped"
            assert state(supervisor, "b") == "running"
            await supervisor.remove("a")
    assert starts == 2


@pytest.mark.parametrize("bad", [0, -1.0, math.nan])
def test_a_time_to_start_is_above_zero(bad: float) -> None:
    with pytest.raises(ValueError, match="start_timeout|seconds"):
        airssys.ChildSpec("a", hang, start_timeout=bad)


@pytest.mark.parametrize(
    ("stop", "least", "most"), [("ordered", 0.4, 5.0), ("together", 0.1, 0.35)]
)
async def test_children_that_are_stuck_are_stopped_in_order_or_together(
    stop: airssys.StopOrder, least: float, most: float
) -> None:
    begun = 0.0
    async with airssys.open_supervisor(stop=stop) as supervisor:
        for number in range(4):
            stuck = asked(None, shutdown=0.1)
            spec = airssys.ChildSpec(
                str(number), stuck.run, stop=stuck.stop, shutdown=stuck.shutdown
            )
            await supervisor.start(spec)
        begun = anyio.current_time()
    took = anyio.current_time() - begun
    assert least <= took < most


def test_an_order_of_stopping_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="sideways"):
        airssys.supervise("a", (), stop="sideways")  # type: ignore[arg-type]


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.02, 0.04, 0.06])
async def test_a_restart_whose_caller_is_cancelled_finishes(
    record: Record, delay: float
) -> None:
    stuck = asked(None, shutdown=0.03)
    async with airssys.open_supervisor(instrument=record) as supervisor:
        await supervisor.start(stuck)
        with anyio.move_on_after(delay):
            await supervisor.restart("a")
        await anyio.sleep(0.1)
        assert state(supervisor, "a") == "running"


async def test_a_restart_that_fails_without_its_caller_is_for_the_rules() -> None:
    starts = 0

    async def fail_once(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        if starts == 2:
            await anyio.sleep(0.05)
            raise ValueError
        task_status.started()
        await anyio.sleep_forever()

    async with airssys.open_supervisor() as supervisor:
        await supervisor.start(airssys.ChildSpec("a", fail_once))
        with anyio.move_on_after(0.01):
            await supervisor.restart("a")
        await anyio.sleep(0.15)
        assert state(supervisor, "a") == "running"
    assert starts == 3
