from __future__ import annotations

from math import inf

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec, Crashed, Restart, Stopped
from airssys.core.errors import (
    NoSuchChild,
)
from airssys.core.event import (
    ChildExited,
)
from airssys.core.restart import Intensity
from airssys.supervision.opening import open_supervisor

from .support import (
    Record,
    asked,
    settle,
    state,
)

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
