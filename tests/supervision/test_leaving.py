from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec
from airssys.core.errors import (
    ChildRefused,
)
from airssys.core.event import (
    ChildRestarting,
)
from airssys.supervision.opening import open_supervisor
from airssys.supervision.supervisor import Supervisor

from .support import (
    Record,
    asked,
    only,
    settle,
    state,
    supervisor_waits_for,
)


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
    spec = asked(None, shutdown=0.2)

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
