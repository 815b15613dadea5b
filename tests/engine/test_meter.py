from __future__ import annotations

import time

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from airssys.engine.meter import Metered


def compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_what_a_call_computes_counts_and_what_happens_meanwhile_does_not() -> (
    None
):
    async def call() -> str:
        compute(0.02)
        await anyio.sleep(0.01)
        compute(0.02)
        return "done"

    metered = Metered(call())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, compute, 0.05)
        tasks.start_soon(anyio.sleep, 0.05)
        assert await metered == "done"

    assert 0.04 <= metered.seconds < 0.08


async def test_a_metered_call_is_cancelled_and_raises_as_any_other() -> None:
    cleaned = []

    async def call() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            compute(0.01)
            cleaned.append(True)

    async def broken() -> None:
        await anyio.lowlevel.checkpoint()
        raise KeyError(1)

    metered = Metered(call())
    with anyio.move_on_after(0.01) as scope:
        await metered
    with pytest.raises(KeyError):
        await Metered(broken())

    assert scope.cancelled_caught
    assert cleaned == [True]
    assert metered.seconds >= 0.01
