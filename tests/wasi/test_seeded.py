from __future__ import annotations

import time
from typing import Any

import pytest

from airssys.wasi import BytesInput, Context, deterministic
from airssys.wasi.polling import at, on, wait_first

from ..relay import Relay
from .chosen import Trickle, chosen

HOUR = 3600 * 10**9
LATEST = 2**64 - 1
BLOCK = "poll#[method]pollable.block"


async def told(guest: Relay) -> list[Any]:
    """Return what a guest sees that looks, sleeps and draws."""
    seen: list[Any] = []
    for hours in range(3):
        seen += [
            await guest("monotonic-clock#now"),
            await guest("wall-clock#now"),
            await guest("random#get-random-bytes", 16),
            await guest("random#get-random-u64"),
            await guest("insecure#get-insecure-random-u64"),
            await guest("insecure-seed#insecure-seed"),
        ]
        sleeps = [
            await guest("monotonic-clock#subscribe-duration", each * HOUR)
            for each in (5, hours, 2)
        ]
        seen.append(await guest("poll#poll", sleeps))
    return seen


async def run(seed: int) -> list[Any]:
    interfaces = ("wasi:io", "wasi:clocks", "wasi:random")
    async with chosen(*interfaces, context=deterministic(seed)) as guest:
        return await told(guest)


@pytest.mark.guest
async def test_a_seed_gives_the_same_each_time_and_another_gives_other() -> None:
    begun = time.perf_counter()
    first, again, other = await run(7), await run(7), await run(8)

    assert first == again
    assert first != other
    assert first[1].seconds == 946_684_800
    assert time.perf_counter() - begun < 60  # though the guests slept for hours


async def test_a_timer_among_what_is_not_there_yet_takes_its_time() -> None:
    clock, stream = deterministic(1).clock, Trickle()
    begun = time.perf_counter()
    soon = clock.monotonic() + 20_000_000
    readable = on(stream.source, stream.ready)

    assert await wait_first([readable, at(soon, clock)]) == [1]
    assert time.perf_counter() - begun > 0.015
    assert clock.monotonic() >= soon


async def test_the_clock_ends_where_its_numbers_do() -> None:
    clock = deterministic(1).clock
    await wait_first([at(LATEST, clock)])

    assert clock.monotonic() == LATEST
    assert clock.monotonic() == LATEST


async def test_a_guest_that_waits_by_looking_gets_there() -> None:
    clock = deterministic(1).clock
    pollable = at(clock.monotonic() + 50_000, clock)

    assert any(pollable.ready() for _ in range(100))


async def test_what_else_is_in_the_context_stays() -> None:
    stdin = BytesInput(b"a")
    given = Context(args=["app"], env={"A": "1"}, stdin=stdin)
    made = deterministic(1, given)

    assert (made.args, made.env, made.stdin) == (("app",), {"A": "1"}, stdin)
    assert made.random(3) != given.random(3)
    assert made.clock is not given.clock
    assert len(made.random(0)) == 0
