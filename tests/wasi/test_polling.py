"""Wait for the first of many things, whatever they wait for."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from attrs import define

from airssys.wasi.clock import LoopClock
from airssys.wasi.polling import Pollable, Source, at, on, wait_first

from ..virtual import in_virtual_time

SECOND = 1_000_000_000


@define(eq=False)
class Hands:
    """A clock that is moved by hand, and counts who looks."""

    time: int = 0
    looks: int = 0
    resolution: int = 1

    def monotonic(self) -> int:
        self.looks += 1
        return self.time

    def wall(self) -> int:
        return self.time

    async def sleep_until(self, instant: int) -> None:
        self.time = max(self.time, instant)


async def test_all_that_are_ready_are_told() -> None:
    clock = Hands(10)
    true, false = on(Source(), lambda: True), on(Source(), lambda: False)

    found = await wait_first([at(11, clock), at(10, clock), false, true, at(0, clock)])
    assert found == [1, 3, 4]


async def test_a_clock_is_looked_at_once_for_a_thousand_instants() -> None:
    clock = Hands(10)
    assert await wait_first([at(5, clock) for _ in range(1000)]) == list(range(1000))
    assert clock.looks == 1
    other = Hands(10)
    assert await wait_first([at(5, clock), at(5, other), at(20, clock)]) == [0, 1]


async def test_one_of_a_pollable_is_as_ready_as_many() -> None:
    clock = Hands(10)
    assert at(10, clock).ready()
    assert not at(11, clock).ready()


@in_virtual_time
async def test_the_first_instant_of_all_clocks_ends_a_wait() -> None:
    loop, still = LoopClock(), Hands()
    now = loop.monotonic()
    waits = [at(now + 3 * SECOND, loop), at(now + 2 * SECOND, loop), at(9, still)]
    # The clock that stands still says that there are nine nanoseconds left, for ever.
    assert await wait_first(waits[:2]) == [1]
    assert loop.monotonic() - now == pytest.approx(2 * SECOND, rel=1e-6)


@in_virtual_time
async def test_a_source_ends_a_wait_before_its_time() -> None:
    loop, source, come = LoopClock(), Source(), []
    now = loop.monotonic()

    async def touch() -> None:
        await anyio.sleep(1)
        source.touch()  # nothing has come of it
        await anyio.sleep(1)
        come.append(1)
        source.touch()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(touch)
        waits = [at(now + 5 * SECOND, loop), on(source, lambda: bool(come))]
        assert await wait_first(waits) == [1]
    assert loop.monotonic() - now == pytest.approx(2 * SECOND, rel=1e-6)


@in_virtual_time
async def test_a_wait_for_nothing_never_ends() -> None:
    with anyio.move_on_after(1_000_000) as scope:
        await wait_first([Pollable(lambda: False)])

    assert scope.cancelled_caught


async def test_a_source_knows_when_it_is_watched() -> None:
    seen: list[Any] = []
    source = Source(lambda _: seen.append("begin"), lambda _: seen.append("end"))
    one, two = anyio.Event(), anyio.Event()
    source.watch(one)
    source.watch(two)
    source.unwatch(one)
    assert seen == ["begin"]
    source.touch()
    assert two.is_set()
    assert not one.is_set()
    source.unwatch(two)
    source.unwatch(two)

    assert seen == ["begin", "end"]


async def test_a_source_that_cannot_begin_leaves_the_others_unwatched() -> None:
    def fail(_: Source) -> None:
        raise RuntimeError("no more descriptors")

    begun: list[Source] = []
    good = Source(begun.append, begun.remove)
    waits = [on(each, lambda: False) for each in (good, Source(fail), good)]
    with pytest.raises(RuntimeError, match="no more descriptors"):
        await wait_first(waits)

    assert begun == []


async def test_a_poll_of_very_many_lets_others_run() -> None:
    ran: list[int] = []
    source = Source()

    async def other() -> None:
        while not ran:
            ran.append(1)

    def look() -> bool:
        return bool(ran)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        found = await wait_first([on(source, look) for _ in range(10_000)])

    assert len(found) > 0


async def test_what_changes_while_very_many_are_looked_at_is_not_missed() -> None:
    changed: list[int] = []
    source = Source()

    def first() -> bool:
        return bool(changed)

    def last() -> bool:
        # The first was looked at already, and nobody is woken by this.
        changed.append(1)
        source.touch()
        return False

    waits = [on(source, first), *[on(source, lambda: False)] * 3000, on(source, last)]
    with anyio.fail_after(5):
        assert await wait_first(waits) == [0]


@in_virtual_time
async def test_very_many_are_waited_for_like_few() -> None:
    source, come = Source(), []

    async def touch() -> None:
        await anyio.sleep(1)
        come.append(1)
        source.touch()

    waits = [*[on(source, lambda: False)] * 3000, on(source, lambda: bool(come))]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(touch)
        assert await wait_first(waits) == [3000]
