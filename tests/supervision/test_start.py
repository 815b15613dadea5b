from __future__ import annotations

import functools
from collections.abc import Awaitable
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec, Restart
from airssys.core.errors import (
    ChildRefused,
    DuplicateChild,
)
from airssys.supervision.opening import open_supervisor

from .support import (
    Record,
    settle,
    state,
)


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
