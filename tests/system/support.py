from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import anyio

import airssys
from airssys.core.event import (
    ChildExited,
    DeadLettered,
)
from airssys.system.system import System
from airssys.testing import Recorder

Open: TypeAlias = Callable[..., AbstractAsyncContextManager[System]]


PATIENT = airssys.Intensity(restarts=50, period=5.0)


async def echo(actor: airssys.Actor, mark: str = "") -> None:
    async for message in actor.inbox:
        await message.reply(message.text + mark)


async def silent(actor: airssys.Actor) -> None:
    """Take messages and answer nobody."""
    async for _ in actor.inbox:
        pass


async def stuck(actor: airssys.Actor, free: anyio.Event) -> None:
    """Take nothing until it is set free."""
    await free.wait()
    async for message in actor.inbox:
        await message.reply(message.payload)


async def collect(actor: airssys.Actor, into: list[str]) -> None:
    async for message in actor.inbox:
        into.append(message.text)  # noqa: PERF401 - seen at once


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.002)


async def obeys(ref: airssys.ActorRef, order: str, answer: str) -> None:
    """Ask again and again until the answer is the expected one."""
    got = ""
    with anyio.move_on_after(5):
        while got != answer:
            await anyio.sleep(0.005)
            got = (await ref.ask(order)).decode()
    assert got == answer


def dead(recorder: Recorder) -> list[tuple[str, bytes]]:
    return [(event.subject, event.payload) for event in recorder.of(DeadLettered)]


def crashes(recorder: Recorder) -> list[tuple[str, str]]:
    return [
        (event.subject, event.reason)
        for event in recorder.of(ChildExited)
        if event.how == "crash"
    ]
