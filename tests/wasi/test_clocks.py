from __future__ import annotations

import time
from collections.abc import AsyncIterator

import anyio
import pytest
from attrs import frozen

from airssys.wasi import Context
from airssys.wasi.clock import LoopClock
from airssys.witmodel.types import Record

from ..operations import operation
from ..relay import Relay
from ..virtual import in_virtual_time
from .chosen import chosen

pytestmark = pytest.mark.guest

NANO = 10**9
HOUR = 3600 * NANO
LATEST = 2**64 - 1
BLOCK = "poll#[method]pollable.block"
READY = "poll#[method]pollable.ready"


def clocks(interface: str, *names: str) -> list[str]:
    return [f"wasi:clocks/{interface}@0.2.12#{name}" for name in names]


@pytest.fixture
async def guest() -> AsyncIterator[Relay]:
    async with chosen("wasi:io/poll", "wasi:clocks") as made:
        yield made


@frozen
class Still(LoopClock):
    """Says what it is told to."""

    at: int = 0
    date: int = 0
    resolution: int = 250

    def monotonic(self) -> int:
        return self.at

    def wall(self) -> int:
        return self.date


@operation(
    *clocks("monotonic-clock", "now", "resolution"),
    *clocks("wall-clock", "now", "resolution"),
    allowed=True,
)
async def test_a_guest_tells_the_time_of_its_clock() -> None:
    clock = Still(at=LATEST, date=1_700_000_000 * NANO + 7)
    async with chosen("wasi:io/poll", "wasi:clocks", context=Context(clock=clock)) as g:
        assert await g("monotonic-clock#now") == LATEST
        assert await g("monotonic-clock#resolution") == 250
        seconds = Record(seconds=1_700_000_000, nanoseconds=7)
        assert await g("wall-clock#now") == seconds
        resolution = Record(seconds=0, nanoseconds=250)
        assert await g("wall-clock#resolution") == resolution


async def test_the_clocks_are_the_loops_and_the_systems(guest: Relay) -> None:
    first = await guest("monotonic-clock#now")
    second = await guest("monotonic-clock#now")
    date = await guest("wall-clock#now")

    assert 0 < first <= second <= anyio.current_time() * NANO
    assert abs(date.seconds - time.time()) < 5
    assert 0 <= date.nanoseconds < NANO
    assert await guest("monotonic-clock#resolution") == 1


@operation(*clocks("timezone", "display", "utc-offset"), allowed=True)
async def test_a_guest_lives_in_utc() -> None:
    async with chosen("wasi:io/poll", "wasi:clocks") as guest:
        for seconds in (0, 1_700_000_000, LATEST):
            when = Record(seconds=seconds, nanoseconds=2**32 - 1)

            shown = await guest("timezone#display", when)
            assert (shown.name, shown.in_daylight_saving_time) == ("UTC", False)
            assert shown.utc_offset == 0
            assert await guest("timezone#utc-offset", when) == 0


@operation(
    *clocks("monotonic-clock", "subscribe-instant", "subscribe-duration"), allowed=True
)
@in_virtual_time
async def test_a_sleep_moves_with_the_clock_of_a_test() -> None:
    async with chosen("wasi:io/poll", "wasi:clocks") as guest:
        begun = await guest("monotonic-clock#now")
        await guest(BLOCK, await guest("monotonic-clock#subscribe-duration", HOUR))
        later = await guest("monotonic-clock#subscribe-instant", begun + 3 * HOUR)
        await guest(BLOCK, later)
        passed = await guest("monotonic-clock#now") - begun

    assert 3 * HOUR <= passed < 3 * HOUR + NANO


async def test_the_past_and_this_moment_are_ready(guest: Relay) -> None:
    for past in (
        await guest("monotonic-clock#subscribe-instant", 0),
        await guest("monotonic-clock#subscribe-instant", 1),
        await guest("monotonic-clock#subscribe-duration", 0),
    ):
        assert await guest(READY, past) is True
        await guest(BLOCK, past)


@pytest.mark.parametrize("function", ["subscribe-instant", "subscribe-duration"])
async def test_what_is_ready_in_centuries_can_be_waited_for_and_left(
    guest: Relay, function: str
) -> None:
    late = await guest(f"monotonic-clock#{function}", LATEST)

    assert await guest(READY, late) is False
    with anyio.move_on_after(0.01) as scope:
        await guest(BLOCK, late)
    assert scope.cancelled_caught


async def test_a_duration_ends_at_the_end_of_time() -> None:
    async with chosen(
        "wasi:io/poll", "wasi:clocks", context=Context(clock=Still(at=LATEST))
    ) as guest:
        last = await guest("monotonic-clock#subscribe-duration", LATEST)

        assert await guest(READY, last) is True


@in_virtual_time
async def test_guests_that_sleep_together_sleep_at_once() -> None:
    begun = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(sleep)

    assert anyio.current_time() - begun == pytest.approx(0.1, abs=0.01)


async def sleep() -> None:
    async with chosen("wasi:io/poll", "wasi:clocks") as guest:
        duration = await guest("monotonic-clock#subscribe-duration", NANO // 10)
        await guest(BLOCK, duration)
