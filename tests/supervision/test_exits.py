from __future__ import annotations

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec, Crashed, Normal, Restart
from airssys.core.errors import (
    RestartsExhausted,
)
from airssys.core.event import (
    SupervisorGaveUp,
)
from airssys.core.restart import Intensity, Strategy
from airssys.supervision.opening import open_supervisor
from airssys.supervision.status import ChildState

from .support import (
    MANY,
    Record,
    only,
    settle,
    state,
)

# --- exits ------------------------------------------------------------------------


async def test_a_crashed_permanent_child_starts_again(record: Record) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a"))
        record.crash["a"].set()
        await settle()

        assert record.take() == "+a -a +a"
        (child,) = supervisor.children
        assert (child.state, child.restarts) == (ChildState.RUNNING, 1)
        assert isinstance(child.last_exit, Crashed)


async def test_a_permanent_child_that_returns_starts_again(record: Record) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a"))
        record.finish["a"].set()
        await settle()

        assert record.take() == "+a -a +a"


async def test_a_transient_child_that_returns_is_kept(record: Record) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a", restart=Restart.TRANSIENT))
        record.finish["a"].set()
        await settle()

        assert state(supervisor, "a") == "exited"
        assert supervisor.children[0].last_exit == Normal()
        await supervisor.stop("a")
        assert state(supervisor, "a") == "exited"
        await supervisor.start(record.spec("a"))


async def test_a_temporary_child_that_ends_is_forgotten(record: Record) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a", restart=Restart.TEMPORARY))
        record.crash["a"].set()
        await settle()

        assert supervisor.children == ()
        assert record.take() == "+a -a"


async def test_the_id_of_a_temporary_child_is_free_as_soon_as_it_ends() -> None:
    done = anyio.Event()

    async def short() -> None:
        done.set()

    async with open_supervisor() as supervisor:
        for _ in range(3):
            done = anyio.Event()
            await supervisor.start(ChildSpec("a", short, restart=Restart.TEMPORARY))
            await done.wait()


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, "-b +b"),
        (Strategy.REST_FOR_ONE, "-b -d -c +b +c +d"),
        (Strategy.ONE_FOR_ALL, "-b -d -c -a +a +b +c +d"),
    ],
)
async def test_siblings_are_stopped_in_reverse_and_started_in_order(
    record: Record, strategy: Strategy, expected: str
) -> None:
    async with open_supervisor(strategy=strategy) as supervisor:
        for name in "abcd":
            await supervisor.start(record.spec(name))
        record.take()
        record.crash["b"].set()
        await settle()

        assert record.take() == expected
        assert {child.state for child in supervisor.children} == {ChildState.RUNNING}
        assert [child.id for child in supervisor.children] == list("abcd")


async def test_a_temporary_sibling_taken_along_is_forgotten(record: Record) -> None:
    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.start(record.spec("t", restart=Restart.TEMPORARY))
        record.take()
        record.crash["a"].set()
        await settle()

        assert record.take() == "-a -t +a"
        assert [child.id for child in supervisor.children] == ["a"]


async def test_siblings_that_fall_together_count_once(record: Record) -> None:
    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
        for name in "abc":
            await supervisor.start(record.spec(name))
        record.take()
        record.crash["a"].set()
        record.crash["b"].set()
        await settle()

        assert sorted(record.take().split()) == ["+a", "+b", "+c", "-a", "-b", "-c"]
        assert {child.state for child in supervisor.children} == {ChildState.RUNNING}


async def test_a_stopped_sibling_is_taken_along_as_in_otp(record: Record) -> None:
    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
        for name in "ab":
            await supervisor.start(record.spec(name))
        await supervisor.stop("b")
        record.take()
        record.crash["a"].set()
        await settle()

        assert record.take() == "-a +a +b"


async def test_an_exit_stopped_before_the_decision_is_not_restarted(
    record: Record,
) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a"))

        async def hold(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            record.crash["a"].set()
            await settle()
            task_status.started()
            await anyio.sleep_forever()

        async with anyio.create_task_group() as calls:
            calls.start_soon(supervisor.start, ChildSpec("hold", hold))
            await anyio.lowlevel.checkpoint()
            calls.start_soon(supervisor.stop, "a")
        await settle()

        assert state(supervisor, "a") == "stopped"
        assert record.take() == "+a -a"


# --- gone -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "how", "expected"),
    [
        (Restart.PERMANENT, "crash", "+a -a +a"),
        (Restart.TRANSIENT, "finish", "+a -a gone"),
        (Restart.TEMPORARY, "crash", "+a -a gone"),
    ],
)
async def test_a_child_is_gone_when_the_rules_do_not_start_it_again(
    record: Record, restart: Restart, how: str, expected: str
) -> None:
    def gone() -> None:
        record.lines.append("gone")

    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a", restart=restart, gone=gone))
        getattr(record, how)["a"].set()
        await settle()
        assert record.take() == expected

    assert record.take() == ("-a gone" if restart is Restart.PERMANENT else "")


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("call", ["stop", "remove"])
async def test_a_child_stopped_by_hand_is_gone_once(
    record: Record, restart: Restart, call: str
) -> None:
    def gone() -> None:
        record.lines.append("gone")

    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a", restart=restart, gone=gone))
        await supervisor.restart("a")
        await getattr(supervisor, call)("a")

    assert record.take() == "+a -a +a -a gone"


async def test_a_child_that_stops_itself_is_gone(record: Record) -> None:
    def gone() -> None:
        record.lines.append("gone")

    async with open_supervisor() as supervisor:

        async def suicide() -> None:
            await supervisor.stop("a")

        await supervisor.start(ChildSpec("a", suicide, gone=gone))
        await settle()

        assert record.take() == "gone"


@pytest.mark.parametrize("again", [False, True])
async def test_a_child_that_failed_to_start_is_gone(
    record: Record,
    again: bool,  # noqa: FBT001
) -> None:
    def gone() -> None:
        record.lines.append("gone")

    async def fail(*, task_status: object) -> None:
        raise ValueError("no")

    async with open_supervisor() as supervisor:
        if again:
            await supervisor.start(record.spec("a"))
            await supervisor.stop("a")
            record.take()
        with pytest.raises(ValueError, match="no"):
            await supervisor.start(ChildSpec("a", fail, gone=gone))

        assert record.take() == "gone"


async def test_a_sibling_taken_along_is_not_gone(record: Record) -> None:
    def gone() -> None:
        record.lines.append("gone")

    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.start(record.spec("b", gone=gone))
        temporary = record.spec("t", gone=gone, restart=Restart.TEMPORARY)
        await supervisor.start(temporary)
        record.take()
        record.crash["a"].set()
        await settle()

        assert record.take() == "-a -t gone -b +a +b"


# --- restarts run out -------------------------------------------------------------


async def test_too_many_restarts_stop_all_and_leave_the_block(record: Record) -> None:
    cancelled = False

    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor(name="top", instrument=record) as supervisor:
            for name in "abc":
                await supervisor.start(record.spec(name))
            record.crash["b"].set()
            await settle()
            record.take()
            record.crash["b"].set()
            try:
                await anyio.sleep_forever()
            finally:
                cancelled = True
                assert record.take() == "-b"

    error = only(caught.value)
    assert cancelled
    assert isinstance(error, RestartsExhausted)
    assert (error.supervisor, error.child) == ("top", "b")
    assert len(error.history) == 2
    assert isinstance(error.__cause__, ValueError)
    assert "child 'b': crash: ValueError: b" in str(error)
    assert record.take() == "-c -a"
    (gave_up,) = record.told(SupervisorGaveUp)
    assert isinstance(gave_up, SupervisorGaveUp)
    assert gave_up.history == error.history


async def test_a_child_that_only_returns_has_no_cause(record: Record) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor(intensity=Intensity(0)) as supervisor:
            await supervisor.start(record.spec("a"))
            record.finish["a"].set()
            await anyio.sleep_forever()

    assert only(caught.value).__cause__ is None


async def test_a_restart_that_fails_to_start_counts_and_is_tried_again() -> None:
    starts = 0

    async def flaky(*, task_status: anyio.abc.TaskStatus[int]) -> None:
        nonlocal starts
        starts += 1
        if starts in {2, 3}:
            raise ValueError(starts)
        task_status.started(starts)
        if starts == 1:
            raise ValueError(1)
        await anyio.sleep_forever()

    async with open_supervisor(intensity=Intensity(3)) as supervisor:
        await supervisor.start(ChildSpec("a", flaky))
        await settle()
        assert starts == 4
        assert state(supervisor, "a") == "running"

    starts = 0
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor(intensity=Intensity(2)) as supervisor:
            await supervisor.start(ChildSpec("a", flaky))
            await anyio.sleep_forever()
    assert isinstance(only(caught.value), RestartsExhausted)


@pytest.mark.parametrize("strategy", [Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL])
async def test_siblings_wait_for_one_that_fails_to_start_again(
    record: Record, strategy: Strategy
) -> None:
    starts = 0

    async def flaky(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        record.lines.append(f"try {starts}")
        if starts == 2:
            raise ValueError(starts)
        task_status.started()
        await anyio.sleep_forever()

    async with open_supervisor(strategy=strategy, intensity=MANY) as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.start(ChildSpec("b", flaky))
        await supervisor.start(record.spec("c"))
        record.take()
        record.crash["a"].set()
        await settle()

        assert {child.state for child in supervisor.children} == {ChildState.RUNNING}
        again = "-a +a" if strategy is Strategy.ONE_FOR_ALL else ""
        assert record.take().split() == f"-a -c +a try 2 {again} try 3 +c".split()


async def test_siblings_start_though_the_one_before_is_stopped_meanwhile(
    record: Record,
) -> None:
    starts = 0

    async def flaky(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        await settle()
        if starts > 1:
            raise ValueError(starts)
        task_status.started()
        await anyio.sleep_forever()

    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.start(ChildSpec("b", flaky))
        await supervisor.start(record.spec("c"))
        record.crash["a"].set()
        while starts < 2:
            await anyio.lowlevel.checkpoint()
        await supervisor.stop("b")
        await settle()

        assert state(supervisor, "b") == "stopped"
        assert state(supervisor, "c") == "running"
