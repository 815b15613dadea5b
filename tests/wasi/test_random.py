from __future__ import annotations

import pytest

from airssys.core.errors import GuestTrapped
from airssys.wasi import Context, open_interfaces
from airssys.wasi.random import MOST_RANDOM

from ..operations import operation
from ..relay import relay
from .chosen import chosen

pytestmark = pytest.mark.guest

BYTES = {
    "random#get-random-bytes": "wasi:random/random@0.2.12#get-random-bytes",
    "insecure#get-insecure-random-bytes": (
        "wasi:random/insecure@0.2.12#get-insecure-random-bytes"
    ),
}
WORDS = {
    "random#get-random-u64": "wasi:random/random@0.2.12#get-random-u64",
    "insecure#get-insecure-random-u64": (
        "wasi:random/insecure@0.2.12#get-insecure-random-u64"
    ),
}
SEED = "wasi:random/insecure-seed@0.2.12#insecure-seed"


@operation(*BYTES.values(), allowed=True)
async def test_a_guest_gets_as_many_random_bytes_as_it_asks_for() -> None:
    async with chosen("wasi:random") as guest:
        for function in BYTES:
            for length in (0, 1, 65_537, MOST_RANDOM):
                assert len(await guest(function, length)) == length
            assert await guest(function, 32) != await guest(function, 32)


@operation(*WORDS.values(), allowed=True)
async def test_random_numbers_differ_between_calls_and_instances() -> None:
    seen = set()
    for _ in range(3):
        async with chosen("wasi:random") as guest:
            for function in WORDS:
                seen |= {str(await guest(function)) for _ in range(3)}

    assert len(seen) == 3 * 3 * len(WORDS)


@operation(SEED, allowed=True)
async def test_an_instance_has_one_seed_and_others_have_others() -> None:
    seeds = set()
    async with open_interfaces() as offered:
        (seed,) = (each for each in offered if SEED.startswith(each.name))
        for context in (None, None, Context(), Context()):
            async with relay([seed], context=context) as guest:
                seeds.add(str(found := await guest(SEED)))
                assert await guest(SEED) == found

    assert len(seeds) == 4


@pytest.mark.parametrize("length", [MOST_RANDOM + 1, 4 * 2**30, 2**64 - 1])
@pytest.mark.parametrize("function", BYTES)
async def test_too_many_random_bytes_at_once_end_the_guest(
    function: str, length: int
) -> None:
    async with chosen("wasi:random") as guest:
        with pytest.raises(GuestTrapped, match="random bytes: 1_048_576 are the most"):
            await guest(function, length)


async def test_random_numbers_are_those_of_the_context() -> None:
    context = Context(random=lambda count: bytes(range(count)))
    async with chosen("wasi:random", context=context) as guest:
        assert await guest("random#get-random-bytes", 3) == b"\0\1\2"
        assert await guest("random#get-random-u64") == 0x0706050403020100
        assert await guest("insecure-seed#insecure-seed") == (0x0706050403020100,) * 2
