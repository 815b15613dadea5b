from __future__ import annotations

import os
import pty
import socket
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest

from airssys.wasi import descriptors
from airssys.wasi.clock import LoopClock
from airssys.wasi.descriptors import (
    DescriptorInput,
    DescriptorOutput,
    open_input,
    open_output,
)
from airssys.wasi.polling import at, on, wait_first
from airssys.wasi.streams import InputStream, StreamClosed, StreamFailed


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def keep(closing: ExitStack, *numbers: int) -> None:
    for number in numbers:
        closing.callback(suppressed_close, number)


def suppressed_close(number: int) -> None:
    with suppress(OSError):
        os.close(number)


def opened() -> set[str]:
    return {each.name for each in Path("/proc/self/fd").iterdir()}


@asynccontextmanager
async def reading(number: int) -> AsyncIterator[DescriptorInput]:
    async with anyio.create_task_group() as tasks:
        stream = await open_input(number, tasks)
        yield stream
        stream.close()


@asynccontextmanager
async def writing(number: int, **options: Any) -> AsyncIterator[DescriptorOutput]:
    async with anyio.create_task_group() as tasks:
        stream = await open_output(number, tasks, **options)
        yield stream
        stream.close()


async def some(stream: InputStream) -> bytes:
    while not (content := await stream.read(1000)):
        await wait_first((on(stream.source, stream.ready),))
    return content


async def test_what_comes_through_a_pipe_is_read_when_it_comes(
    closing: ExitStack,
) -> None:
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    async with reading(ours) as stream:
        assert not stream.ready()
        assert await stream.read(10) == b""
        async with anyio.create_task_group() as tasks:
            got: list[bytes] = []

            async def read() -> None:
                got.append(await some(stream))

            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            assert not got
            os.write(theirs, b"hello")
        assert got == [b"hello"]
        os.write(theirs, b"more than that")
        assert await stream.read(4) == b"more"
        os.close(theirs)
        assert await some(stream) == b" than that"
        with pytest.raises(StreamClosed):
            await some(stream)
        assert stream.ready()
        with pytest.raises(StreamClosed):
            await stream.read(1)


async def test_a_wait_for_a_pipe_ends_with_its_time(closing: ExitStack) -> None:
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    clock = LoopClock()
    async with reading(ours) as stream:
        soon = at(clock.monotonic() + 10_000_000, clock)
        assert await wait_first((on(stream.source, stream.ready), soon)) == [1]
        with anyio.move_on_after(0.01) as scope:
            await some(stream)
        assert scope.cancelled_caught
        os.write(theirs, b"later")
        assert await some(stream) == b"later"


async def test_two_readers_of_one_pipe_never_block_each_other(
    closing: ExitStack,
) -> None:
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    got: list[bytes] = []

    async def read(stream: InputStream) -> None:
        with suppress(StreamClosed):
            while True:
                got.append(await some(stream))

    async with (
        reading(ours) as one,
        reading(ours) as other,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(read, one)
        tasks.start_soon(read, other)
        for _ in range(50):
            await anyio.wait_all_tasks_blocked()
            os.write(theirs, b"x")
        os.close(theirs)
    assert b"".join(got) == b"x" * 50


async def test_the_descriptor_itself_stays_open_and_as_it_is(
    closing: ExitStack,
) -> None:
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    before = opened()
    async with reading(ours), writing(theirs):
        assert os.get_blocking(ours)
        assert os.get_blocking(theirs)
        assert opened() > before
    assert opened() == before
    os.write(theirs, b"x")
    assert os.read(ours, 1) == b"x"


async def test_a_file_is_read_to_its_end(tmp_path: Path, closing: ExitStack) -> None:
    content = os.urandom(100_000)
    (tmp_path / "file").write_bytes(content)
    number = os.open(tmp_path / "file", os.O_RDONLY)
    keep(closing, number)
    got = b""
    async with reading(number) as stream:
        with pytest.raises(StreamClosed):
            while True:
                got += await some(stream)
    assert got == content


async def test_a_file_is_written_where_others_go_on(
    tmp_path: Path, closing: ExitStack
) -> None:
    number = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    keep(closing, number)
    os.write(number, b"before,")
    async with writing(number) as stream:
        assert stream.ready()
        await stream.write(b"within" * 20_000)
    os.write(number, b",after")
    assert (
        tmp_path / "file"
    ).read_bytes() == b"before," + b"within" * 20_000 + b",after"


async def test_what_is_no_file_and_no_pipe_is_read_and_written_at_once(
    closing: ExitStack,
) -> None:
    null, zero = os.open(os.devnull, os.O_RDWR), os.open("/dev/zero", os.O_RDONLY)
    keep(closing, null, zero)
    async with reading(null) as nothing, reading(zero) as zeros, writing(null) as gone:
        with pytest.raises(StreamClosed):
            await some(nothing)
        assert await zeros.read(5) == bytes(5)
        await gone.write(bytes(1_000_000))


async def test_a_pipe_that_nobody_empties_holds_up_the_guest_alone(
    closing: ExitStack,
) -> None:
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    content = os.urandom(300_000)
    async with writing(theirs) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(stream.write, content)
        await anyio.wait_all_tasks_blocked()
        assert stream.room() == 0
        assert not stream.ready()
        got = b""
        while len(got) < len(content):
            await anyio.wait_readable(ours)
            got += os.read(ours, 100_000)
        assert got == content


async def test_a_write_to_a_full_pipe_can_be_cancelled(closing: ExitStack) -> None:
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    async with writing(theirs) as stream:
        with anyio.move_on_after(0.01) as scope:
            await stream.write(bytes(1_000_000))
        assert scope.cancelled_caught


async def test_an_output_that_nobody_reads_is_closed(closing: ExitStack) -> None:
    ours, theirs = os.pipe()
    keep(closing, theirs)
    os.close(ours)
    async with writing(theirs) as stream:
        assert stream.ready()
        with pytest.raises(StreamClosed):
            await stream.write(b"x")
        with pytest.raises(StreamClosed):
            stream.room()
        assert stream.ready()
        with pytest.raises(StreamClosed):
            await stream.write(b"x")


async def test_an_output_that_nobody_reads_can_end_its_guest(
    closing: ExitStack,
) -> None:
    class NobodyReads(Exception):
        pass

    ours, theirs = os.pipe()
    keep(closing, theirs)
    async with writing(theirs, closed=NobodyReads) as stream:
        os.close(ours)
        with pytest.raises(NobodyReads):
            await stream.write(b"x")


async def test_a_terminal_is_read_line_by_line_and_written(closing: ExitStack) -> None:
    theirs, ours = pty.openpty()
    keep(closing, ours, theirs)
    tty.setcbreak(ours)
    async with reading(ours) as stream, writing(ours) as out:
        assert await stream.read(10) == b""
        os.write(theirs, b"typed")
        assert await some(stream) == b"typed"
        await out.write(b"a prompt: ")
        assert os.read(theirs, 100) == b"a prompt: "


async def test_a_socket_is_read_and_written(closing: ExitStack) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        async with reading(ours.fileno()) as stream, writing(ours.fileno()) as out:
            assert await stream.read(10) == b""
            theirs.send(b"hello")
            assert await some(stream) == b"hello"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(out.write, bytes(1_000_000))
                left = 1_000_000
                while left:
                    await anyio.wait_readable(theirs)
                    left -= len(theirs.recv(100_000))
            theirs.close()
            with pytest.raises(StreamClosed):
                await some(stream)
        assert ours.getblocking()


async def test_where_a_pipe_cannot_be_opened_again_threads_wait_for_it(
    closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "_AGAIN", Path("/nowhere"))
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    async with reading(ours) as stream, writing(theirs) as out:
        assert await stream.read(10) == b""
        await out.write(b"hello")
        assert await some(stream) == b"hello"


async def test_what_fails_is_told(tmp_path: Path, closing: ExitStack) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    keep(closing, folder)
    async with reading(folder) as stream:
        with pytest.raises(StreamFailed, match="directory"):
            await some(stream)
        with pytest.raises(StreamClosed):
            await stream.read(1)
    full = os.open("/dev/full", os.O_WRONLY)
    keep(closing, full)
    async with writing(full) as out:
        with pytest.raises(StreamFailed, match="No space"):
            await out.write(b"x")


async def test_a_stream_is_no_use_once_it_is_closed(closing: ExitStack) -> None:
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    async with anyio.create_task_group() as tasks:
        stream, out = await open_input(ours, tasks), await open_output(theirs, tasks)
        stream.close()
        out.close()
        stream.close()
        assert stream.ready()
        assert out.ready()
        with pytest.raises(StreamClosed):
            await stream.read(1)
        with pytest.raises(StreamClosed):
            await out.write(b"x")


async def test_a_cancelled_host_closes_what_it_held(closing: ExitStack) -> None:
    ours, theirs = os.pipe()
    keep(closing, ours, theirs)
    before = opened()
    async with anyio.create_task_group() as tasks:
        await open_input(ours, tasks)
        await open_output(theirs, tasks)
        tasks.cancel_scope.cancel()
    assert opened() == before
