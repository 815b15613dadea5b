from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from attrs import field, frozen

from airssys.core.errors import GuestTrapped
from airssys.core.limits import Limits
from airssys.wasi.clock import LoopClock
from airssys.wasi.polling import MOST_POLLED, Pollable, Source, at, on, wait_first

from ..operations import operation
from ..relay import Relay
from ..virtual import in_virtual_time
from .chosen import chosen

pytestmark = pytest.mark.guest

READY = "poll#[method]pollable.ready"
BLOCK = "poll#[method]pollable.block"
HOUR = 3600 * 10**9
OPERATIONS = [
    f"wasi:io/poll@0.2.12#{name}"
    for name in ("poll", "[method]pollable.ready", "[method]pollable.block")
]


@pytest.fixture
async def guest() -> AsyncIterator[Relay]:
    async with chosen("wasi:io/poll") as made:
        yield made


def never() -> Pollable:
    return on(Source(), lambda: False)


def now() -> Pollable:
    return on(Source(), lambda: True)


@operation(*OPERATIONS, allowed=True)
async def test_a_guest_polls() -> None:
    async with chosen("wasi:io/poll") as guest:
        state: list[int] = []
        source = Source()
        later = on(source, lambda: bool(state))

        def happen() -> None:
            state.append(1)
            source.touch()

        async def happen_soon() -> None:
            await anyio.wait_all_tasks_blocked()
            happen()

        assert await guest(READY, later) is False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(happen_soon)
            await guest(BLOCK, later)
        assert await guest(READY, later) is True
        assert await guest("poll#poll", [never(), later, never(), now()]) == [1, 3]


async def test_a_poll_of_nothing_ends_the_guest(guest: Relay) -> None:
    with pytest.raises(GuestTrapped, match="to poll nothing would never end"):
        await guest("poll#poll", [])


async def test_the_same_pollable_counts_as_often_as_it_is_polled(guest: Relay) -> None:
    one = now()

    assert await guest("poll#poll", [one, never(), one]) == [0, 2]


async def test_a_touch_that_changes_nothing_does_not_end_a_poll(guest: Relay) -> None:
    source = Source()
    state: list[int] = []
    pollable = on(source, lambda: bool(state))

    async def touch() -> None:
        for _ in range(3):
            await anyio.wait_all_tasks_blocked()
            source.touch()
        state.append(1)
        source.touch()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(touch)
        assert await guest("poll#poll", [pollable]) == [0]
    assert not source._wakes


async def test_a_poll_can_be_cancelled(guest: Relay) -> None:
    source = Source()
    with anyio.move_on_after(0.01) as scope:
        await guest("poll#poll", [on(source, lambda: False)])

    assert scope.cancelled_caught
    assert not source._wakes


async def test_a_guest_polls_many_but_not_any_number(guest: Relay) -> None:
    one, other = now(), never()

    many = [*[other] * (MOST_POLLED - 1), one]
    assert await guest("poll#poll", many) == [MOST_POLLED - 1]


async def test_a_poll_of_more_than_are_allowed_ends_the_guest() -> None:
    many = [now()] * (MOST_POLLED + 1)
    limits = Limits(handles=2 * MOST_POLLED)
    async with chosen("wasi:io/poll", limits=limits) as guest:
        with pytest.raises(GuestTrapped, match="it polled 10_001 things: 10_000 are"):
            await guest("poll#poll", many)


async def test_a_clock_is_read_once_for_10_000_timers() -> None:
    clock = Counted()
    timers = [at(HOUR, clock) for _ in range(MOST_POLLED - 1)]

    assert await wait_first([*timers, at(0, clock)]) == [MOST_POLLED - 1]
    assert len(clock.seen) == 1


@frozen
class Counted(LoopClock):
    """Notes when it is read."""

    seen: list[int] = field(factory=list)

    def monotonic(self) -> int:
        self.seen.append(len(self.seen))
        return len(self.seen)


@in_virtual_time
async def test_the_earliest_of_many_is_waited_for() -> None:
    clock = LoopClock()
    begun = clock.monotonic()
    source = Source()

    async def touch() -> None:
        await anyio.sleep(3600)
        source.touch()

    for rest in ([], [never()], [on(source, lambda: False)]):
        start = clock.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(touch)
            hours = [at(start + each * HOUR, clock) for each in (5, 2, 3)]
            assert await wait_first([*hours, *rest]) == [1]
            tasks.cancel_scope.cancel()
        assert 0 <= clock.monotonic() - start - 2 * HOUR < 10**4
    assert clock.monotonic() - begun < 7 * HOUR


@in_virtual_time
async def test_a_sleep_ends_though_the_clock_is_far_on() -> None:
    clock = LoopClock()
    await anyio.sleep(3600 * 24 * 365 * 10)  # a nanosecond is lost in such a time

    for _ in range(20):
        begun = clock.monotonic()
        await wait_first([at(begun + 1, clock)])
        assert clock.monotonic() > begun


async def test_pollables_of_two_clocks_are_looked_at_by_their_own() -> None:
    class Early(LoopClock):
        def monotonic(self) -> int:
            return 0

    class Late(LoopClock):
        def monotonic(self) -> int:
            return 100

    pollables = [at(50, Early()), at(50, Late()), at(0, Early()), at(200, Late())]
    assert await wait_first(pollables) == [1, 2]
