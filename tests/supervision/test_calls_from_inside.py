from __future__ import annotations

import asyncio
from math import inf

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec, Restart
from airssys.core.errors import (
    ChildRefused,
)
from airssys.supervision.nested import supervise
from airssys.supervision.opening import open_supervisor
from airssys.supervision.status import ChildState

from .support import (
    MANY,
    Record,
    settle,
    state,
)


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
