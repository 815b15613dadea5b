"""Messages from one Python actor to another, beside a channel and a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter

import anyio
import trio

from airssys.actors.actor import Actor
from airssys.core.defaults import MAILBOX
from airssys.core.manifests.host import HostConfig
from airssys.engine.component import Engine
from airssys.system.opening import open_system

from .measure import Effort, Row, Timed, compare, per_second, run_on

__all__ = ("rows",)

GOAL = 500_000
PAYLOAD = b"a message"


def rows(effort: Effort) -> Iterator[Row]:
    for backend, beside, peer in (
        ("trio", "a trio memory channel", _channel),
        ("asyncio", "an asyncio.Queue", _queue),
    ):
        yield from run_on(backend, _messages, effort, backend, beside, peer)


async def _messages(
    effort: Effort, backend: str, beside: str, peer: Callable[[int], Awaitable[int]]
) -> list[Row]:
    async with open_system(HostConfig(), engine=Engine(cache=False)) as system:
        await system.spawn(_sink, id="sink")
        sender = await system.spawn(_sender, id="sender")

        async def ours(messages: int) -> int:
            return int(await sender.ask(str(messages), timeout=None))

        return per_second(
            await compare(
                effort,
                f"messages between Python actors through send ({backend})",
                _timed(ours),
                {beside: _timed(peer)},
            ),
            limit=GOAL,
        )


def _timed(carry: Callable[[int], Awaitable[int]]) -> Timed:
    async def timed(loops: int) -> float:
        start = perf_counter()
        arrived = await carry(loops)
        took = perf_counter() - start
        assert arrived == loops
        return took

    return timed


async def _sink(actor: Actor) -> None:
    """Count messages; tell the count when asked, and start anew."""
    arrived = 0
    async for message in actor.inbox:
        if message.answer is None:
            assert message.payload == PAYLOAD
            arrived += 1
        else:
            await message.reply(str(arrived))
            arrived = 0


async def _sender(actor: Actor) -> None:
    sink = actor.ref("sink")
    async for message in actor.inbox:
        for _ in range(int(message.payload)):
            await sink.send(PAYLOAD)
        await message.reply(await sink.ask("how many?", timeout=None))


async def _channel(messages: int) -> int:
    send, receive = trio.open_memory_channel[bytes](MAILBOX)
    arrived = 0

    async def produce() -> None:
        async with send:
            for _ in range(messages):
                await send.send(PAYLOAD)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        async for payload in receive:
            assert payload == PAYLOAD
            arrived += 1
    return arrived


async def _queue(messages: int) -> int:
    queue = asyncio.Queue[bytes](MAILBOX)

    async def produce() -> None:
        for _ in range(messages):
            await queue.put(PAYLOAD)

    async with anyio.create_task_group() as nursery:
        nursery.start_soon(produce)
        for _ in range(messages):
            assert await queue.get() == PAYLOAD
    return messages
