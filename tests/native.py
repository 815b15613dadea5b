"""Cancel a block natively, as asyncio does it, at each cycle of the event loop.

A scene opens something of airssys's and does something in it. It is run again and
again, and cancelled one cycle later each time, until that makes no difference.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, TypeAlias

import anyio
import anyio.lowlevel
import pytest
from attrs import define, field, frozen

import airssys

LONG: Final = os.environ.get("AIRSSYS_SWEEP") == "long"
"""Whether all is tried; else what fails first."""
PATIENCE: Final = 2.0
"""Seconds after which a block has hung."""
WAYS: Final = ("cancel", "timeout", "wait_for", "sibling")
_SETTLED: Final = 3
"""Cycles after which nothing changes any more."""
_DELAY: Final = 3
"""Cycles that a cancel needs which comes from another task."""
_THEN: Final = 6
"""Cycles that are watched after the block."""


@define(eq=False)
class Stage:
    """What a scene notes down, and how its children live."""

    log: list[str] = field(factory=list, init=False)
    task: asyncio.Task[object] | None = field(default=None, init=False)
    """The one that the block is in, once it has begun."""
    waits: bool = field(default=False, init=False)
    """Whether the scene has come to where it waits for ever."""
    left: bool = field(default=False, init=False)
    """Whether the block has ended."""

    async def live(self, name: str) -> None:
        """Live until cancelled, and take some cycles to end."""
        self.log.append(f"+{name}")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await cycles(3)
            self.log.append(f"-{name}")

    async def begin(self, name: str, *, task_status: anyio.abc.TaskStatus[str]) -> None:
        """Take some cycles to start, then live."""
        self.log.append(f"+{name}")
        try:
            await cycles(3)
            task_status.started(name)
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await cycles(3)
            self.log.append(f"-{name}")

    async def crash(self, name: str, times: int = 1) -> None:
        """Fall so many times, then live."""
        if self.log.count(f"!{name}") < times:
            await cycles(2)
            self.log.append(f"!{name}")
            raise ValueError(name)
        await self.live(name)

    async def serve(self, actor: airssys.Actor) -> None:
        """Be an actor that takes some cycles to end when it is asked to."""
        self.log.append(f"+{actor.id}")
        try:
            async for message in actor.inbox:
                await message.reply(b"")
            await cycles(3)
        finally:
            self.log.append(f"-{actor.id}")

    async def wait(self) -> None:
        """Wait until the scene is cancelled."""
        self.waits = True
        await anyio.sleep_forever()

    def check(self) -> None:
        """Check that all who began have ended, the last one first."""
        living: list[str] = []
        for line in self.log:
            if line[0] == "+":
                living.append(line[1:])
            elif line[0] == "-":
                assert living.pop() == line[1:], f"out of order: {self.log}"
        assert not living, f"{living} live on: {self.log}"


async def cycles(number: int) -> None:
    """Let the event loop go round."""
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


Scene: TypeAlias = Callable[[Stage], Awaitable[None]]


@frozen
class Blow:
    """How a block is cancelled."""

    way: str
    cancels: int = 1
    gap: int = 0
    """Cycles from one cancel to the next."""

    def __str__(self) -> str:
        more = f"-x{self.cancels}-every-{self.gap}" if self.cancels > 1 else ""
        return f"{self.way}{more}"


def blows() -> list[Blow]:
    if not LONG:
        several = [Blow("cancel", 2, 1), Blow("cancel", 2, 4), Blow("cancel", 3, 2)]
        return [*map(Blow, WAYS), *several]
    return [
        *map(Blow, WAYS),
        *(
            Blow(way, cancels, gap)
            for way in WAYS
            for cancels in (2, 3)
            for gap in (0, 1, 2, 3, 5, 8)
        ),
    ]


def loops() -> list[Any]:
    if find_spec("uvloop") is None:
        skip = pytest.mark.skip(reason="uvloop is not installed")
        return [
            pytest.param(asyncio.new_event_loop, id="asyncio"),
            pytest.param(None, id="uvloop", marks=skip),
        ]
    uvloop = import_module("uvloop")
    return [
        pytest.param(asyncio.new_event_loop, id="asyncio"),
        pytest.param(uvloop.new_event_loop, id="uvloop"),
    ]


def sweep(
    scene: Scene,
    blow: Blow,
    loop: Callable[[], Any],
    *,
    steps: int = 10**6,
    most: int = 10**6,
) -> int:
    """Run a scene, cancelled at each cycle; return how many of them there are.

    Args:
        scene: What is run.
        blow: How it is cancelled.
        loop: Makes the event loop.
        steps: The cycles that are tried one by one; after them, each time half as many
            again, for scenes that wait for threads and processes.
        most: The last cycle that is tried.
    """
    tried = cycle = 0
    with asyncio.Runner(loop_factory=loop) as runner:
        while cycle <= most and runner.run(_once(scene, blow, cycle)):
            tried += 1
            cycle += 1 if tried < steps else 1 + cycle // 2
    return tried


async def _once(scene: Scene, blow: Blow, cycle: int) -> bool:
    """Cancel at one cycle; tell whether a later one may make a difference."""
    stage, arrived = Stage(), list[str]()
    before = asyncio.all_tasks()
    task, strike = _stage(blow.way, partial(_act, scene, stage, arrived))
    settled = 0
    for _ in range(cycle):
        await asyncio.sleep(0)
        settled += stage.waits
    begun, over = stage.task is not None, stage.left
    for number in range(blow.cancels):
        if not number:
            strike()
        elif stage.left:
            break
        else:
            (stage.task or task).cancel()
        for _ in range(blow.gap if number + 1 < blow.cancels else 0):
            await asyncio.sleep(0)
    for _ in range(_DELAY):
        await asyncio.sleep(0)
    # What strikes through another task may come when the block was left already.
    most = blow.cancels if stage.left and blow.way != "cancel" else 1
    await asyncio.wait((task,), timeout=PATIENCE)
    what = f"{blow} at cycle {cycle}: {' '.join(stage.log)}"
    assert task.done(), f"hangs: {what}"
    if stage.task is not None and not stage.task.done():
        await asyncio.wait((stage.task,), timeout=PATIENCE)
        assert stage.task.done(), f"hangs: {what}"
    await asyncio.sleep(0)
    left_behind = asyncio.all_tasks() - before
    assert not left_behind, f"{left_behind}: {what}"
    stage.check()
    if not begun or over:
        return not over
    assert 1 <= len(arrived) <= most, f"{arrived or 'a cancel was lost'}: {what}"
    return settled < _SETTLED


async def _act(scene: Scene, stage: Stage, arrived: list[str]) -> None:
    stage.task = asyncio.current_task()
    try:
        try:
            await scene(stage)
        except* airssys.RestartsExhausted:
            pass
    except asyncio.CancelledError:
        arrived.append("by the block")
    finally:
        stage.left = True
    for _ in range(_THEN):
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            arrived.append("after it")


def _stage(
    way: str, act: Callable[[], Coroutine[Any, Any, None]]
) -> tuple[asyncio.Task[None], Callable[[], object]]:
    """Begin to act; return the task to wait for, and what cancels natively."""
    loop = asyncio.get_running_loop()
    now, limits = asyncio.Event(), list[asyncio.Timeout]()

    async def in_time() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                limits.append(limit)
                await act()

    async def waiting() -> None:
        await asyncio.wait_for(act(), 60.0)

    async def beside() -> None:
        async def fail() -> None:
            await now.wait()
            raise LookupError

        with suppress(BaseExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(act())
                group.create_task(fail())

    def time_is_up() -> None:
        if limits:
            with suppress(RuntimeError):  # it is over
                limits[0].reschedule(loop.time())
        else:
            task.cancel()

    match way:
        case "cancel":
            task = loop.create_task(act())
            return task, task.cancel
        case "timeout":
            task = loop.create_task(in_time())
            return task, time_is_up
        case "wait_for":
            task = loop.create_task(waiting())
            return task, task.cancel
        case "sibling":
            task = loop.create_task(beside())
            return task, now.set
        case _:
            raise ValueError(way)
