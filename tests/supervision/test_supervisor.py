from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec, Crashed, Normal, Restart, Stopped
from airssys.core.errors import (
    ChildRefused,
    DuplicateChild,
    HealthCheckFailed,
    NoSuchChild,
    RestartsExhausted,
)
from airssys.core.event import (
    ChildExited,
    ChildRestarting,
    ChildStarted,
    Event,
    HealthChecked,
    SupervisorGaveUp,
)
from airssys.core.health import HealthCheck
from airssys.core.restart import AutoShutdown, Backoff, Intensity, Strategy
from airssys.supervision.child import ChildState
from airssys.supervision.nested import supervise
from airssys.supervision.supervisor import Supervisor, open_supervisor

MANY = Intensity(1000, 5.0)


class Record:
    """Notes what children do and what the supervisor tells, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[Event] = []
        self.crash: dict[str, anyio.Event] = {}
        self.finish: dict[str, anyio.Event] = {}

    def event(self, event: Event) -> None:
        self.events.append(event)

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if type(event) is kind]

    async def live(self, name: str, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Live until told to crash or to finish, and say so."""
        self.lines.append(f"+{name}")
        crash = self.crash[name] = anyio.Event()
        finish = self.finish[name] = anyio.Event()
        task_status.started()
        ended = "cancelled"
        try:
            async with anyio.create_task_group() as waiting:

                async def until(event: anyio.Event, how: str) -> None:
                    nonlocal ended
                    await event.wait()
                    ended = how
                    waiting.cancel_scope.cancel()

                waiting.start_soon(until, crash, "crash")
                waiting.start_soon(until, finish, "finish")
            if ended == "crash":
                raise ValueError(name)
        finally:
            self.lines.append(f"-{name}")

    def spec(self, name: str, **options: Any) -> ChildSpec:
        return ChildSpec(name, self.live, (name,), **options)

    def take(self) -> str:
        lines, self.lines = " ".join(self.lines), []
        return lines


@pytest.fixture
def record() -> Record:
    return Record()


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(30):
        await anyio.lowlevel.checkpoint()


def state(supervisor: Supervisor, name: str) -> str:
    return {child.id: child.state.value for child in supervisor.children}[name]


def only(error: BaseException) -> BaseException:
    """Return what a nursery's group holds, if it is one."""
    assert isinstance(error, BaseExceptionGroup)
    (inner,) = error.exceptions
    return inner


# --- start ------------------------------------------------------------------------


async def test_children_start_in_order_and_stop_in_reverse(record: Record) -> None:
    async with open_supervisor() as supervisor:
        for name in "abc":
            await supervisor.start(record.spec(name))
        assert record.take() == "+a +b +c"

    assert record.take() == "-c -b -a"


async def test_start_returns_the_value_of_started() -> None:
    async def serve(first: int, *, task_status: anyio.abc.TaskStatus[int]) -> None:
        await anyio.lowlevel.checkpoint()
        task_status.started(first + 1)
        await anyio.sleep_forever()

    async with open_supervisor() as supervisor:
        assert await supervisor.start(ChildSpec("a", serve, (1,))) == 2
        assert state(supervisor, "a") == "running"


async def test_a_function_without_task_status_has_started_at_once() -> None:
    async with open_supervisor() as supervisor:
        spec = ChildSpec("a", anyio.sleep_forever)
        assert await supervisor.start(spec) is None
        assert state(supervisor, "a") == "running"


async def test_a_start_that_raises_fails_the_start_with_that_error() -> None:
    async def fail(task_status: object) -> None:
        await anyio.lowlevel.checkpoint()
        raise ValueError("no port")

    async def work() -> None:
        await anyio.sleep_forever()

    async with open_supervisor() as supervisor:
        with pytest.raises(ValueError, match="no port"):
            await supervisor.start(ChildSpec("a", fail))
        assert supervisor.children == ()
        await supervisor.start(ChildSpec("a", work))


async def test_a_start_that_returns_without_started_is_refused() -> None:
    async def forget(*, task_status: object) -> None: ...

    async with open_supervisor() as supervisor:
        with pytest.raises(ChildRefused, match="returned before it called"):
            await supervisor.start(ChildSpec("a", forget))


async def test_started_cannot_be_called_twice() -> None:
    async def eager(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        task_status.started()
        with pytest.raises(RuntimeError, match="'a' called started"):
            task_status.started()
        await anyio.sleep_forever()

    async with open_supervisor() as supervisor:
        await supervisor.start(ChildSpec("a", eager))
        await settle()
        assert state(supervisor, "a") == "running"


async def test_an_id_in_use_is_refused(record: Record) -> None:
    async with open_supervisor(name="top") as supervisor:
        await supervisor.start(record.spec("a"))
        with pytest.raises(
            DuplicateChild, match=r"'top' cannot start child 'a': .*runn"
        ):
            await supervisor.start(record.spec("a"))
        assert record.take() == "+a"


async def test_a_significant_child_needs_an_auto_shutdown(record: Record) -> None:
    spec = record.spec("a", restart=Restart.TRANSIENT, significant=True)
    async with open_supervisor() as supervisor:
        with pytest.raises(ValueError, match="significant"):
            await supervisor.start(spec)


async def test_a_cancelled_start_cuts_the_child_off() -> None:
    ended = False

    async def hang(*, task_status: object) -> None:
        nonlocal ended
        try:
            await anyio.sleep_forever()
        finally:
            ended = True

    async with open_supervisor() as supervisor:
        with anyio.move_on_after(0.01) as scope:
            await supervisor.start(ChildSpec("a", hang))
        assert scope.cancelled_caught
        assert ended
        assert supervisor.children == ()


async def test_a_start_in_a_cancelled_scope_starts_nothing(record: Record) -> None:
    async with open_supervisor() as supervisor:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await supervisor.start(record.spec("a"))
        assert supervisor.children == ()
        assert record.take() == ""


@pytest.mark.parametrize("again", [False, True])
async def test_a_start_cancelled_as_the_child_falls_leaves_nothing_behind(
    record: Record,
    again: bool,  # noqa: FBT001
) -> None:
    async with open_supervisor() as supervisor:
        if again:
            await supervisor.start(record.spec("a"))
            await supervisor.stop("a")
        with anyio.CancelScope() as scope:

            async def fall(*, task_status: anyio.abc.TaskStatus[None]) -> None:
                scope.cancel()
                await settle()
                task_status.started()
                raise ValueError

            await supervisor.start(ChildSpec("a", fall))
        await settle()

        assert scope.cancelled_caught
        assert [child.state.value for child in supervisor.children] == (
            ["stopped"] if again else []
        )


async def test_any_callable_can_ask_for_task_status() -> None:
    class Server:
        async def __call__(self, *, task_status: anyio.abc.TaskStatus[str]) -> None:
            task_status.started("object")
            await anyio.sleep_forever()

        async def method(self, *, task_status: anyio.abc.TaskStatus[str]) -> None:
            task_status.started("method")
            await anyio.sleep_forever()

    async def function(value: str, task_status: anyio.abc.TaskStatus[str]) -> None:
        task_status.started(value)
        await anyio.sleep_forever()

    @functools.wraps(function)
    async def wrapped(*args: Any, **kwargs: Any) -> None:
        await function(*args, **kwargs)

    async with open_supervisor() as supervisor:
        for run, args, value in (
            (Server(), (), "object"),
            (Server().method, (), "method"),
            (functools.partial(function, "partial"), (), "partial"),
            (wrapped, ("wrapped",), "wrapped"),
        ):
            assert await supervisor.start(ChildSpec(value, run, args)) == value


async def test_a_callable_without_a_signature_starts_at_once() -> None:
    class Odd:
        __signature__ = "none"

        def __call__(self) -> Awaitable[None]:
            return anyio.sleep_forever()

    async with open_supervisor() as supervisor:
        assert await supervisor.start(ChildSpec("a", Odd())) is None
        assert state(supervisor, "a") == "running"


# --- stop, remove, restart --------------------------------------------------------


async def test_a_stopped_child_is_kept_and_starts_again(record: Record) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.stop("a")
        assert state(supervisor, "a") == "stopped"
        assert supervisor.children[0].last_exit == Stopped()
        assert record.take() == "+a -a"

        await supervisor.restart("a")
        assert state(supervisor, "a") == "running"
        assert supervisor.children[0].restarts == 1
        assert record.take() == "+a"


async def test_a_new_spec_replaces_a_stopped_child_at_the_end(record: Record) -> None:
    async with open_supervisor() as supervisor:
        for name in "ab":
            await supervisor.start(record.spec(name))
        await supervisor.stop("a")
        await supervisor.start(record.spec("a"))

        assert [child.id for child in supervisor.children] == ["b", "a"]
        assert supervisor.children[1].restarts == 0


async def test_a_replacement_that_fails_to_start_leaves_the_old_spec(
    record: Record,
) -> None:
    async def fail(*, task_status: object) -> None:
        raise ValueError

    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.stop("a")
        with pytest.raises(ValueError):  # noqa: PT011
            await supervisor.start(ChildSpec("a", fail))
        await supervisor.restart("a")

        assert state(supervisor, "a") == "running"


async def test_a_temporary_child_is_forgotten_when_stopped(record: Record) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a", restart=Restart.TEMPORARY))
        await supervisor.stop("a")

        assert supervisor.children == ()


async def test_a_removed_child_is_forgotten(record: Record) -> None:
    async with open_supervisor() as supervisor:
        for name in "ab":
            await supervisor.start(record.spec(name))
        await supervisor.stop("b")
        await supervisor.remove("a")
        await supervisor.remove("b")

        assert supervisor.children == ()
        assert record.take() == "+a +b -b -a"


@pytest.mark.parametrize("call", ["stop", "remove", "restart"])
async def test_an_unknown_child_is_an_error_that_names_the_others(
    record: Record, call: str
) -> None:
    async with open_supervisor(name="top") as supervisor:
        await supervisor.start(record.spec("a"))
        with pytest.raises(NoSuchChild, match=r"'top': child 'x': .*children: 'a'"):
            await getattr(supervisor, call)("x")


async def test_stopping_a_stopped_child_does_nothing(record: Record) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.stop("a")
        await supervisor.stop("a")

        assert record.take() == "+a -a"


async def test_restarting_a_running_child_stops_it_first(record: Record) -> None:
    async with open_supervisor(intensity=Intensity(0)) as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.restart("a")
        await supervisor.restart("a")

        assert record.take() == "+a -a +a -a +a"
        assert supervisor.children[0].restarts == 2


async def test_a_restart_by_hand_that_fails_raises_and_keeps_the_spec() -> None:
    starts = 0

    async def once(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        if starts == 2:
            raise ValueError("second")
        task_status.started()
        await anyio.sleep_forever()

    async with open_supervisor() as supervisor:
        await supervisor.start(ChildSpec("a", once))
        with pytest.raises(ValueError, match="second"):
            await supervisor.restart("a")
        assert state(supervisor, "a") == "exited"
        await supervisor.restart("a")
        assert state(supervisor, "a") == "running"


# --- how a child is stopped -------------------------------------------------------


def asked(
    after: float | None, *, shutdown: float = 5.0, log: list[str] | None = None
) -> ChildSpec:
    """Describe a child that stops so long after it was asked; None: never."""
    log = [] if log is None else log
    ask: list[anyio.Event] = []

    async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        ask[:] = [anyio.Event()]
        task_status.started()
        try:
            await ask[0].wait()
            log.append("asked")
            await anyio.sleep(inf if after is None else after)
            log.append("done")
        except anyio.get_cancelled_exc_class():
            log.append("cut")
            raise

    def stop() -> None:
        ask[0].set()

    return ChildSpec("a", run, shutdown=shutdown, stop=stop)


async def test_a_child_that_can_be_asked_is_asked_and_given_time() -> None:
    log: list[str] = []
    async with open_supervisor() as supervisor:
        await supervisor.start(asked(0.01, log=log))
        await supervisor.stop("a")

        assert log == ["asked", "done"]
        assert supervisor.children[0].last_exit == Stopped()


async def test_a_child_that_does_not_stop_in_time_is_cut_off() -> None:
    log: list[str] = []
    async with open_supervisor() as supervisor:
        await supervisor.start(asked(None, shutdown=0.01, log=log))
        await supervisor.stop("a")

        assert log == ["asked", "cut"]
        assert supervisor.children[0].last_exit == Stopped(cut_off=True)


async def test_brutal_shutdown_does_not_ask() -> None:
    log: list[str] = []
    async with open_supervisor() as supervisor:
        await supervisor.start(asked(0, shutdown=0, log=log))
        await supervisor.stop("a")

    assert log == ["cut"]


async def test_infinite_shutdown_waits_as_long_as_it_takes() -> None:
    log: list[str] = []
    async with open_supervisor() as supervisor:
        await supervisor.start(asked(0.05, shutdown=inf, log=log))

    assert log == ["asked", "done"]


async def test_a_stop_that_raises_cuts_off_and_is_the_crash(record: Record) -> None:
    def ask() -> None:
        raise ValueError("hook")

    async with open_supervisor(instrument=record) as supervisor:
        await supervisor.start(record.spec("a", stop=ask))
        await supervisor.stop("a")

        assert record.take() == "+a -a"
        assert state(supervisor, "a") == "stopped"
        (ended,) = record.told(ChildExited)
        assert isinstance(ended, ChildExited)
        assert ended.reason == "ValueError: hook"


async def test_a_child_that_crashes_while_stopping_is_not_restarted() -> None:
    async def bad() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("late")

    async with open_supervisor() as supervisor:
        await supervisor.start(ChildSpec("a", bad))
        await supervisor.stop("a")
        await settle()

        assert state(supervisor, "a") == "stopped"
        assert isinstance(supervisor.children[0].last_exit, Crashed)


async def test_a_cancelled_stop_cuts_the_child_off() -> None:
    log: list[str] = []
    async with open_supervisor() as supervisor:
        await supervisor.start(asked(None, shutdown=inf, log=log))
        with anyio.move_on_after(0.01):
            await supervisor.stop("a")
        await settle()

        assert log == ["asked", "cut"]
        assert state(supervisor, "a") == "stopped"


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


# --- leaving ----------------------------------------------------------------------


async def test_an_exception_of_the_block_goes_through(record: Record) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor() as supervisor:
            await supervisor.start(record.spec("a"))
            raise KeyError("mine")

    assert isinstance(only(caught.value), KeyError)
    assert record.take() == "+a -a"


async def test_cancelled_from_outside_children_have_their_grace(record: Record) -> None:
    log: list[str] = []
    with anyio.CancelScope() as scope:
        async with open_supervisor() as supervisor:
            await supervisor.start(record.spec("b"))
            await supervisor.start(asked(0.01, log=log))
            scope.cancel()
            await anyio.sleep_forever()

    assert log == ["asked", "done"]
    assert record.take() == "+b -b"


async def test_a_base_exception_of_a_child_is_no_crash_to_restart(
    record: Record,
) -> None:
    class Interrupt(BaseException): ...

    async def interrupt() -> None:
        raise Interrupt

    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor(instrument=record) as supervisor:
            await supervisor.start(record.spec("a"))
            await supervisor.start(ChildSpec("b", interrupt))
            await anyio.sleep_forever()

    assert isinstance(only(caught.value), Interrupt)
    assert record.take() == "+a -a"
    assert not record.told(ChildRestarting)


async def test_a_base_exception_before_started_leaves_too() -> None:
    class Interrupt(BaseException): ...

    async def interrupt(*, task_status: object) -> None:
        raise Interrupt

    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor() as supervisor:
            await supervisor.start(ChildSpec("b", interrupt))

    matched, rest = caught.value.split(Interrupt)
    assert matched is not None
    assert rest is None or rest.split(ChildRefused)[1] is None


async def test_a_supervisor_that_was_left_refuses(record: Record) -> None:
    async with open_supervisor() as supervisor:
        await supervisor.start(record.spec("a"))

    for call in (
        supervisor.start(record.spec("b")),
        supervisor.stop("a"),
        supervisor.remove("a"),
        supervisor.restart("a"),
    ):
        with pytest.raises(ChildRefused, match="the supervisor is stopping"):
            await call


async def test_leaving_ends_a_start_under_way() -> None:
    async def hang(*, task_status: object) -> None:
        await anyio.sleep_forever()

    refused: list[str] = []

    async def try_to(call: Callable[[ChildSpec], Awaitable[object]], name: str) -> None:
        try:
            await call(ChildSpec(name, hang))
        except ChildRefused as error:
            refused.append(error.reason)

    async with anyio.create_task_group() as others, open_supervisor() as supervisor:
        others.start_soon(try_to, supervisor.start, "a")
        others.start_soon(try_to, supervisor.start, "b")
        await settle()

    assert refused.count("the supervisor is stopping") == 1
    assert refused.count("it was stopped before it had started") == 1


async def test_a_child_may_still_call_started_when_it_is_stopped() -> None:
    values: list[object] = []

    async def late(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            task_status.started("late")

    async def start(supervisor: Supervisor) -> None:
        values.append(await supervisor.start(ChildSpec("a", late)))

    async with anyio.create_task_group() as others, open_supervisor() as supervisor:
        others.start_soon(start, supervisor)
        await settle()

    assert values == ["late"]
    assert state(supervisor, "a") == "stopped"


async def test_leaving_during_a_restart_by_hand_refuses_the_start() -> None:
    refused: list[str] = []
    spec = asked(None, shutdown=0.02)

    async def restart(supervisor: Supervisor) -> None:
        try:
            await supervisor.restart("a")
        except ChildRefused as error:
            refused.append(error.reason)

    async with anyio.create_task_group() as others, open_supervisor() as supervisor:
        await supervisor.start(spec)
        others.start_soon(restart, supervisor)
        await settle()

    assert refused == ["the supervisor is stopping"]


async def test_leaving_ends_a_restart_under_way() -> None:
    starts = 0

    async def hang_later(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        nonlocal starts
        starts += 1
        if starts > 1:
            await anyio.sleep_forever()
        task_status.started()
        raise ValueError

    async with open_supervisor() as supervisor:
        await supervisor.start(ChildSpec("a", hang_later))
        await supervisor_waits_for(lambda: starts == 2)

    assert state(supervisor, "a") == "stopped"


async def supervisor_waits_for(condition: Callable[[], bool]) -> None:
    while not condition():
        await anyio.lowlevel.checkpoint()


# --- calls from inside children ---------------------------------------------------


async def test_a_child_can_stop_a_sibling(record: Record) -> None:
    async with open_supervisor() as supervisor:

        async def stopper() -> None:
            await supervisor.stop("a")
            record.lines.append("stopped")
            await anyio.sleep_forever()

        await supervisor.start(record.spec("a"))
        await supervisor.start(ChildSpec("s", stopper))
        await settle()

        assert record.take() == "+a -a stopped"


async def test_a_child_can_start_siblings(record: Record) -> None:
    async with open_supervisor() as supervisor:

        async def starter() -> None:
            await supervisor.start(record.spec("a"))
            await anyio.sleep_forever()

        await supervisor.start(ChildSpec("s", starter))
        await settle()
        await supervisor.stop("s")

        assert state(supervisor, "a") == "running"


@pytest.mark.parametrize("call", ["stop", "remove"])
async def test_a_child_that_stops_itself_is_cut_off(record: Record, call: str) -> None:
    returned = False

    async with open_supervisor() as supervisor:

        async def suicide() -> None:
            nonlocal returned
            await getattr(supervisor, call)("a")
            returned = True

        spec = ChildSpec("a", suicide, shutdown=inf, stop=lambda: None)
        await supervisor.start(spec)
        await settle()

        assert not returned
        states = [child.state for child in supervisor.children]
        assert states == ([ChildState.STOPPED] if call == "stop" else [])
        await supervisor.start(record.spec("b"))


async def test_a_child_cannot_restart_itself_by_a_call() -> None:
    refused: list[str] = []
    async with open_supervisor() as supervisor:

        async def again() -> None:
            try:
                await supervisor.restart("a")
            except ChildRefused as error:
                refused.append(error.reason)
            await anyio.sleep_forever()

        await supervisor.start(ChildSpec("a", again))
        await settle()

    assert refused == ["the call comes from inside that child, and would end with it"]


async def test_a_child_cannot_call_while_it_is_being_started(record: Record) -> None:
    async with open_supervisor() as supervisor:

        async def early(*, task_status: object) -> None:
            await supervisor.start(record.spec("b"))

        with pytest.raises(ChildRefused, match="inside child 'a', which is starting"):
            await supervisor.start(ChildSpec("a", early))


async def test_a_child_cannot_call_while_it_is_being_stopped(record: Record) -> None:
    refused: list[str] = []
    async with open_supervisor() as supervisor:
        ask = anyio.Event()

        async def late() -> None:
            await ask.wait()
            try:
                await supervisor.stop("b")
            except ChildRefused as error:
                refused.append(error.reason)

        await supervisor.start(record.spec("b"))
        await supervisor.start(ChildSpec("a", late, shutdown=inf, stop=ask.set))
        await supervisor.stop("a")

    assert refused == ["the call comes from inside child 'a', which is stopping itself"]


async def test_a_waiting_call_is_refused_when_its_child_is_to_stop() -> None:
    refused: list[str] = []
    async with open_supervisor() as supervisor:
        go, ask = anyio.Event(), anyio.Event()

        async def caller() -> None:
            await go.wait()
            try:
                await supervisor.stop("b")
            except ChildRefused as error:
                refused.append(error.reason)
            await ask.wait()

        async def slow(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            go.set()
            for _ in range(3):
                await settle()
            task_status.started()
            await anyio.sleep_forever()

        await supervisor.start(ChildSpec("a", caller, shutdown=inf, stop=ask.set))
        async with anyio.create_task_group() as calls:
            calls.start_soon(supervisor.start, ChildSpec("slow", slow))
            await anyio.lowlevel.checkpoint()
            calls.start_soon(supervisor.stop, "a")
            await settle()
            calls.start_soon(supervisor.restart, "slow")

        assert state(supervisor, "a") == "stopped"
        assert state(supervisor, "slow") == "running"
    assert refused == ["the call comes from inside child 'a', which is stopping itself"]


async def test_a_grandchild_can_stop_the_supervisor_it_is_in(record: Record) -> None:
    async with open_supervisor() as top:

        async def stopper() -> None:
            await anyio.lowlevel.checkpoint()
            await top.stop("branch")

        await top.start(
            supervise("branch", [record.spec("a"), ChildSpec("s", stopper)])
        )
        await settle()

        assert record.take() == "+a -a"
        assert state(top, "branch") == "stopped"


async def test_calls_of_many_tasks_are_carried_out_in_order(record: Record) -> None:
    async with open_supervisor() as supervisor:
        async with anyio.create_task_group() as calls:
            for name in "abcdef":
                calls.start_soon(supervisor.start, slowly(name, record))
                await anyio.lowlevel.checkpoint()
            calls.start_soon(supervisor.stop, "c")

        assert record.take() == "+a +b +c +d +e +f -c"


def slowly(name: str, record: Record) -> ChildSpec:
    async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        await settle()
        record.lines.append(f"+{name}")
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            record.lines.append(f"-{name}")

    return ChildSpec(name, run)


async def test_a_cancelled_wait_for_the_turn_lets_the_next_one_go(
    record: Record,
) -> None:
    async with open_supervisor() as supervisor, anyio.create_task_group() as calls:
        calls.start_soon(supervisor.start, slowly("a", record))
        await anyio.lowlevel.checkpoint()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as cancelled:
                cancelled.start_soon(supervisor.start, slowly("b", record))
                await anyio.lowlevel.checkpoint()
                scope.cancel()
        await supervisor.start(slowly("c", record))

        assert record.take() == "+a +c"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_turn_that_comes_as_its_task_is_cancelled_is_passed_on(
    record: Record,
) -> None:
    async with open_supervisor() as supervisor:

        async def hold(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            await settle()
            task_status.started()
            await anyio.sleep_forever()

        async def start_later() -> None:
            await anyio.lowlevel.checkpoint()
            await supervisor.start(record.spec("b"))

        later = asyncio.create_task(start_later())
        await supervisor.start(ChildSpec("a", hold))
        later.cancel()
        await supervisor.start(record.spec("c"))

        assert later.cancelled()
        assert [child.id for child in supervisor.children] == ["a", "c"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_awaiting_what_someone_cancelled_is_a_crash(record: Record) -> None:
    async def unlucky() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async with open_supervisor(intensity=MANY) as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.start(ChildSpec("b", unlucky, restart=Restart.TRANSIENT))
        await settle()

        assert supervisor.children[1].restarts > 1
        assert state(supervisor, "a") == "running"


# --- automatic shutdown -----------------------------------------------------------


async def test_the_end_of_a_significant_child_ends_the_block(record: Record) -> None:
    async with open_supervisor(
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT
    ) as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.start(
            record.spec("main", restart=Restart.TRANSIENT, significant=True)
        )
        record.finish["main"].set()
        await anyio.sleep_forever()

    assert record.take() == "+a +main -main -a"


async def test_all_significant_waits_for_the_last_of_them(record: Record) -> None:
    async with open_supervisor(
        auto_shutdown=AutoShutdown.ALL_SIGNIFICANT
    ) as supervisor:
        for name in "ab":
            await supervisor.start(
                record.spec(name, restart=Restart.TRANSIENT, significant=True)
            )
        record.finish["b"].set()
        await settle()
        assert record.take() == "+a +b -b"
        record.finish["a"].set()
        await anyio.sleep_forever()

    assert record.take() == "-a"


# --- nested supervisors -----------------------------------------------------------


async def test_a_supervisor_is_a_child_like_any_other(record: Record) -> None:
    async with open_supervisor(name="top", instrument=record) as top:
        await top.start(record.spec("a"))
        branch = await top.start(
            supervise(
                "branch", [record.spec("b"), supervise("twig", [record.spec("c")])]
            )
        )
        assert isinstance(branch, Supervisor)
        assert branch.name == "top/branch"

        tree = top.children
        assert [child.id for child in tree] == ["a", "branch"]
        assert [child.id for child in tree[1].children] == ["b", "twig"]
        assert [child.id for child in tree[1].children[1].children] == ["c"]

    assert record.take() == "+a +b +c -c -b -a"
    started = [event for event in record.events if isinstance(event, ChildStarted)]
    assert [(event.supervisor, event.subject) for event in started] == [
        ("top", "a"),
        ("top/branch", "b"),
        ("top/branch/twig", "c"),
        ("top/branch", "twig"),
        ("top", "branch"),
    ]


async def test_a_nested_supervisor_that_gives_up_is_a_crash_for_its_parent(
    record: Record,
) -> None:
    async with open_supervisor(instrument=record, intensity=Intensity(1)) as top:
        await top.start(supervise("branch", [record.spec("b")], intensity=Intensity(0)))
        record.take()
        record.crash["b"].set()
        await settle()

        assert record.take() == "-b +b"
        (branch,) = top.children
        assert branch.restarts == 1
        assert isinstance(branch.last_exit, Crashed)
        assert branch.last_exit.reason.startswith(
            "RestartsExhausted: supervisor 'supervisor/branch' gave up on child 'b'"
        )


async def test_a_failure_climbs_to_the_top(record: Record) -> None:
    never = Intensity(0)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor(intensity=never) as top:
            inner = supervise("inner", [record.spec("b")], intensity=never)
            await top.start(supervise("outer", [inner], intensity=never))
            record.crash["b"].set()
            await anyio.sleep_forever()

    error = only(caught.value)
    causes = []
    while isinstance(error, RestartsExhausted):
        causes.append(error.supervisor)
        assert error.__cause__ is not None
        error = error.__cause__
    assert causes == ["supervisor", "supervisor/outer", "supervisor/outer/inner"]
    assert isinstance(error, ValueError)


async def test_a_nested_child_that_cannot_start_fails_the_start(record: Record) -> None:
    async def fail(*, task_status: object) -> None:
        raise OSError("port in use")

    async with open_supervisor() as top:
        with pytest.raises(OSError, match="port in use"):
            await top.start(
                supervise("branch", [record.spec("a"), ChildSpec("b", fail)])
            )
        assert record.take() == "+a -a"
        assert top.children == ()


async def test_a_nested_supervisor_that_shuts_down_ends_normally(
    record: Record,
) -> None:
    main = record.spec("main", restart=Restart.TEMPORARY, significant=True)
    async with open_supervisor() as top:
        await top.start(
            supervise(
                "branch",
                [main],
                restart=Restart.TRANSIENT,
                auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
            )
        )
        record.finish["main"].set()
        await settle()

        assert state(top, "branch") == "exited"
        assert top.children[0].last_exit == Normal()
        assert top.children[0].children == ()


async def test_a_supervisor_child_runs_in_any_nursery(record: Record) -> None:
    spec = supervise("branch", [record.spec("a")])

    async with anyio.create_task_group() as nursery:
        branch = await nursery.start(functools.partial(_coroutine, spec))
        assert branch.name == "branch"
        nursery.cancel_scope.cancel()

    assert record.take() == "+a -a"


async def _coroutine(
    spec: ChildSpec, *, task_status: anyio.abc.TaskStatus[Supervisor]
) -> None:
    await spec.run(*spec.args, task_status=task_status)


# --- events -----------------------------------------------------------------------


async def test_starts_exits_and_restarts_are_events(record: Record) -> None:
    async with open_supervisor(
        name="top", strategy=Strategy.ONE_FOR_ALL, instrument=record
    ) as supervisor:
        for name in "ab":
            await supervisor.start(record.spec(name))
        record.crash["a"].set()
        await settle()

    told = [
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
    assert told == [
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

        assert 0.05 <= anyio.current_time() - before < 0.5


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
