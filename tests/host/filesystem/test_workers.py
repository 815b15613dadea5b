from __future__ import annotations

from functools import partial
from threading import Event

import anyio
import anyio.to_thread
import pytest

from airssys.core.errors import WitError
from airssys.host.filesystem.workers import Workers, _Outcome
from airssys.witmodel.types import Variant

from .guest import until


class Slow:
    """Work that takes until the test says otherwise."""

    def __init__(self) -> None:
        self.began, self.may_end = Event(), Event()
        self.undone: list[object] = []

    def __call__(self) -> str:
        self.began.set()
        self.may_end.wait(10)
        return "done"

    async def run_cancelled(self, workers: Workers, owner: object = None) -> None:
        """Begin the work, and give up waiting for it."""
        work = partial(workers.run, self, self.undone.append, owner=owner)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await anyio.to_thread.run_sync(self.began.wait, 10)
            tasks.cancel_scope.cancel()


async def test_work_is_done_and_its_outcome_returned() -> None:
    undone: list[object] = []

    assert await Workers().run(lambda: 42, undone.append) == 42
    with pytest.raises(ZeroDivisionError):
        await Workers().run(lambda: 1 // 0, undone.append)

    assert undone == []


async def test_a_cancelled_caller_does_not_wait_and_the_outcome_is_undone() -> None:
    slow = Slow()

    with anyio.fail_after(5):
        await slow.run_cancelled(Workers())
        assert not slow.may_end.is_set()

    slow.may_end.set()
    await until(lambda: slow.undone == ["done"])


async def test_what_was_done_as_its_caller_went_is_undone_too() -> None:
    undone: list[object] = []
    ended = Event()

    def work() -> str:
        ended.set()
        return "done"

    with anyio.CancelScope() as scope:
        scope.cancel()
        await Workers().run(work, undone.append)

    # It never began, or its outcome was thrown away: nothing is kept.
    await until(lambda: not ended.is_set() or undone == ["done"])


async def test_only_so_many_calls_are_left_behind() -> None:
    workers = Workers(most=2)
    left = [Slow(), Slow()]
    for slow in left:
        await slow.run_cancelled(workers)

    with pytest.raises(WitError) as caught:
        await workers.run(lambda: 42)
    assert isinstance(caught.value.value, Variant)
    assert caught.value.value.case == "resource-exhausted"

    for slow in left:
        slow.may_end.set()
    await until(lambda: all(slow.undone for slow in left))
    await until(lambda: workers.left_behind == 0)
    assert await workers.run(lambda: 42) == 42


async def test_what_one_caller_leaves_behind_takes_nothing_from_the_others() -> None:
    workers = Workers(most=40, own=20)
    left = [Slow() for _ in range(20)]
    for slow in left:
        await slow.run_cancelled(workers, "greedy")

    with anyio.fail_after(5):
        assert await workers.run(lambda: 42, owner="other") == 42
        with pytest.raises(WitError, match="20 calls wait"):
            await workers.run(lambda: 42, owner="greedy")

    for slow in left:
        slow.may_end.set()
    await until(lambda: workers.left_behind == 0)
    assert await workers.run(lambda: 42, owner="greedy") == 42


async def test_so_many_calls_run_at_once_and_the_others_wait() -> None:
    workers, calls = Workers(), [Slow() for _ in range(17)]

    async with anyio.create_task_group() as tasks:
        for slow in calls:
            tasks.start_soon(workers.run, slow)
        await until(lambda: sum(slow.began.is_set() for slow in calls) == 16)
        (late,) = [slow for slow in calls if not slow.began.is_set()]
        for slow in calls:
            slow.may_end.set()

    assert late.began.is_set()


async def test_what_is_left_for_later_is_done_in_order_before_what_comes_next() -> None:
    workers, first, order = Workers(), Slow(), [0]
    workers.later(first, "a")
    for number in (1, 2):
        workers.later(partial(order.append, number), "a")
    workers.later(partial(order.append, 9), "b")
    # What hangs holds up its own caller's only.
    await until(lambda: order == [0, 9])

    assert await workers.run(lambda: [*order], owner="a") == [0, 9, 1, 2]

    assert not first.may_end.is_set()
    first.may_end.set()
    await until(lambda: not workers._waiting)
    workers.later(partial(order.append, 3), "a")
    await until(lambda: order == [0, 9, 1, 2, 3])


async def test_work_without_undo_is_let_be_when_its_caller_goes() -> None:
    workers, slow = Workers(), Slow()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, slow)
        await anyio.to_thread.run_sync(slow.began.wait, 10)
        tasks.cancel_scope.cancel()

    assert workers.left_behind == 1
    slow.may_end.set()
    await until(lambda: workers.left_behind == 0)


def test_what_nobody_waits_for_is_not_begun() -> None:
    began: list[str] = []
    outcome = _Outcome(lambda: began.append("work"), None)

    assert outcome.forget(lambda: None) is False
    outcome.run()

    assert began == []


def test_what_nobody_took_is_undone() -> None:
    undone: list[object] = []
    outcome = _Outcome(lambda: 42, undone.append)

    outcome.run()
    assert outcome.forget(lambda: None) is False

    assert undone == [42]
