from __future__ import annotations

from collections.abc import Generator

import anyio
import pytest

from airssys.hostcalls.pieces import STRETCH, in_pieces


class Clock:
    """A clock that each piece of work moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, pieces: int, each: float) -> Generator[int, None, str]:
        for _ in range(pieces):
            self.now += each
            yield 1
        return "done"


async def turns_of_another(pieces: int, each: float) -> int:
    clock, turns = Clock(), 0
    over = False

    async def another() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as nursery:
        nursery.start_soon(another)
        assert await in_pieces(clock.work(pieces, each), clock=clock) == "done"
        over = True
    return turns


async def test_others_have_a_turn_after_each_stretch_and_no_more_often() -> None:
    assert await turns_of_another(1000, STRETCH / 10) in range(90, 102)
    assert await turns_of_another(9, STRETCH / 10) <= 1
    assert await turns_of_another(0, 1.0) <= 1


async def test_work_can_be_cancelled_between_its_pieces() -> None:
    clock = Clock()
    work = clock.work(1000, STRETCH)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await in_pieces(work, clock=clock)

    assert scope.cancelled_caught
    assert clock.now == pytest.approx(STRETCH)


async def test_what_the_work_raises_is_raised() -> None:
    def work() -> Generator[int, None, None]:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await in_pieces(work())
