from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import define

from airssys.wasi import readiness
from airssys.wasi.polling import Pollable, on, wait_first
from airssys.wasi.readiness import (
    Readiness,
    SetWaiter,
    TaskWaiter,
    is_readable,
    is_writable,
)


@define(eq=False)
class Owned:
    """As much of a socket of a guest's as the waiters want."""

    raw: socket.socket


@pytest.fixture(params=["set", "tasks"])
def kind(request: pytest.FixtureRequest) -> str:
    """How the system waits for many sockets."""
    return str(request.param)


@asynccontextmanager
async def ready(kind: str = "set") -> AsyncIterator[Readiness]:
    async with anyio.create_task_group() as work:
        if kind == "set":
            yield Readiness(work)
        else:
            yield Readiness(
                work, TaskWaiter(work, writing=False), TaskWaiter(work, writing=True)
            )
        work.cancel_scope.cancel()


@contextmanager
def pipe() -> Iterator[tuple[Owned, socket.socket]]:
    mine, theirs = socket.socketpair()
    mine.settimeout(0)
    with mine, theirs:
        yield Owned(mine), theirs


def readable(made: Readiness, owned: Any) -> Pollable:
    return on(made.reading(owned), lambda: is_readable(owned.raw))


async def test_a_socket_that_has_something_wakes_who_waits(kind: str) -> None:
    async with ready(kind) as made:
        with pipe() as (owned, peer):
            pollable = readable(made, owned)
            for _ in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wait_first, (pollable,))
                    await anyio.wait_all_tasks_blocked()
                    peer.sendall(b"x")
                assert owned.raw.recv(10) == b"x"


async def test_one_of_many_wakes_and_is_the_only_one(kind: str) -> None:
    async with ready(kind) as made:
        pipes = [socket.socketpair() for _ in range(50)]
        pollables = [readable(made, Owned(mine)) for mine, _ in pipes]
        for place in (0, 49, 17):
            found: list[list[int]] = []

            async def wait(found: list[list[int]] = found) -> None:
                found.append(await wait_first(pollables))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                pipes[place][1].sendall(b"x")
            assert found == [[place]]
            pipes[place][0].recv(1)
        for pair in pipes:
            for each in pair:
                each.close()


async def test_a_full_socket_wakes_once_there_is_room(kind: str) -> None:
    async with ready(kind) as made:
        with pipe() as (owned, peer):
            with pytest.raises(BlockingIOError):
                while True:
                    owned.raw.send(bytes(100_000))
            assert not is_writable(owned.raw)
            pollable = on(made.writing(owned), lambda: is_writable(owned.raw))  # type: ignore[arg-type]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait_first, (pollable,))
                await anyio.wait_all_tasks_blocked()
                peer.settimeout(0)
                with pytest.raises(BlockingIOError):
                    while True:
                        peer.recv(1_000_000)
            assert is_writable(owned.raw)


async def test_one_source_can_wait_for_either(kind: str) -> None:
    async with ready(kind) as made:
        with pipe() as (owned, peer):
            reads = False
            source = made.either(owned, lambda: reads)  # type: ignore[arg-type]
            assert await wait_first((on(source, lambda: is_writable(owned.raw)),)) == [
                0
            ]
            woken = []

            async def wait() -> None:
                woken.append(await wait_first((on(source, lambda: bool(woken_by)),)))

            woken_by: list[str] = []
            reads = True
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                woken_by.append("a read")
                peer.sendall(b"x")
            assert woken == [[0]]


async def test_a_wait_that_was_cancelled_leaves_nothing(kind: str) -> None:
    async with ready(kind) as made:
        with pipe() as (owned, peer):
            pollable = readable(made, owned)
            for _ in range(3):
                with anyio.move_on_after(0.01) as scope:
                    await wait_first((pollable,))
                assert scope.cancelled_caught
            peer.sendall(b"x")

            assert await wait_first((pollable,)) == [0]


async def test_what_is_closed_is_ready(kind: str) -> None:
    async with ready(kind) as made:
        with pipe() as (owned, _):
            pollable = readable(made, owned)
        source = pollable.source
        assert source is not None
        wake = anyio.Event()
        source.watch(wake)  # nothing to wait for, and no harm done
        source.unwatch(wake)

        assert await wait_first((pollable,)) == [0]
        assert is_writable(owned.raw)


async def test_a_number_that_another_socket_has_got_is_left_alone() -> None:
    async with ready() as made:
        with pipe() as (old, _), pipe() as (other, peer):
            one = made.reading(old)  # type: ignore[arg-type]
            wake = anyio.Event()
            one.watch(wake)
            number = old.raw.fileno()
            old.raw.close()
            os.dup2(other.raw.fileno(), number)
            with socket.socket(fileno=number) as second:
                two = made.reading(Owned(second))  # type: ignore[arg-type]
                woken = anyio.Event()
                two.watch(woken)
                one.unwatch(wake)
                peer.sendall(b"x")
                with anyio.fail_after(5):
                    await woken.wait()
                two.unwatch(woken)


async def test_what_two_watch_is_waited_for_once() -> None:
    async with ready() as made:
        with pipe() as (owned, peer):
            source = made.reading(owned)  # type: ignore[arg-type]
            wakes = [anyio.Event(), anyio.Event()]
            for wake in wakes:
                source.watch(wake)
            source.unwatch(wakes[0])
            peer.sendall(b"x")
            with anyio.fail_after(5):
                await wakes[1].wait()
            source.unwatch(wakes[1])


async def test_many_are_waited_for_by_one_task() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    pairs = [socket.socketpair() for _ in range(200)]
    async with ready() as made:
        pollables = [readable(made, Owned(mine)) for mine, _ in pairs]
        for _ in range(2):
            with anyio.move_on_after(0.01):
                await wait_first(pollables)
        stats = made.readers
        assert isinstance(stats, SetWaiter)
    for pair in pairs:
        for each in pair:
            each.close()

    # The set is closed with the tasks.
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
def test_uvloop_waits_for_a_set_too() -> None:
    async def main() -> list[int]:
        async with ready() as made:
            with pipe() as (owned, peer):
                found: list[int] = []

                async def wait() -> None:
                    found.extend(await wait_first((readable(made, owned),)))

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wait)
                    await anyio.wait_all_tasks_blocked()
                    peer.sendall(b"x")
                return found

    options = {"loop_factory": import_module("uvloop").new_event_loop}
    assert anyio.run(main, backend="asyncio", backend_options=options) == [0]


async def test_a_system_without_sets_has_a_task_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready() as made:
        assert isinstance(made.readers, SetWaiter)
        monkeypatch.setattr(readiness, "select", object())
        assert isinstance(Readiness(made.work).writers, TaskWaiter)
