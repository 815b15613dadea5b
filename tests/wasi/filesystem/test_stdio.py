"""Files as a guest's standard input and output."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from airssys.wasi import Context, FileInput, FileOutput, open_interfaces

from ...host.filesystem.guest import until
from ...relay import Relay, relay
from .guest import failed

_STREAMS = "streams#[method]"
_NEEDED = ("wasi:io/", "wasi:cli/std", "wasi:filesystem/types")


@asynccontextmanager
async def running(context: Context) -> AsyncIterator[Relay]:
    async with open_interfaces() as offered:
        needed = [one for one in offered if one.name.startswith(_NEEDED)]
        async with relay(needed, context=context) as guest:
            yield guest


async def test_a_file_is_what_a_guest_reads(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"alpha")
    stdin = FileInput(tmp_path / "in")
    async with running(Context(stdin=stdin)) as guest:
        stream = await guest("stdin#get-stdin")
        assert await guest(f"{_STREAMS}input-stream.read", stream, 2) == b"al"
        await guest.drop(stream)
        # Whoever asks again goes on.
        stream = await guest("stdin#get-stdin")
        assert await guest(f"{_STREAMS}input-stream.blocking-read", stream, 9) == b"pha"
        pollable = await guest(f"{_STREAMS}input-stream.subscribe", stream)
        assert await guest("poll#[method]pollable.ready", pollable)
        ended = await failed(guest(f"{_STREAMS}input-stream.read", stream, 2))

    assert ended.case == "closed"


@pytest.mark.parametrize(("append", "found"), [(False, b"abc"), (True, b"oldabc")])
async def test_a_file_is_what_a_guest_writes(
    tmp_path: Path,
    append: bool,  # noqa: FBT001 - a parameter of the test
    found: bytes,
) -> None:
    (tmp_path / "out").write_bytes(b"old")
    stdout = FileOutput(tmp_path / "out", append=append)
    async with running(Context(stdout=stdout)) as guest:
        for text in (b"a", b"bc"):
            stream = await guest("stdout#get-stdout")
            write = f"{_STREAMS}output-stream.blocking-write-and-flush"
            await guest(write, stream, text)
            await guest.drop(stream)

    await until(lambda: (tmp_path / "out").read_bytes() == found)


async def test_a_file_that_is_not_there_fails_the_stream(tmp_path: Path) -> None:
    async with running(Context(stdin=FileInput(tmp_path / "none"))) as guest:
        stream = await guest("stdin#get-stdin")
        problem = await failed(guest(f"{_STREAMS}input-stream.read", stream, 2))
        code = await guest("types#filesystem-error-code", problem.value)

    assert code == "no-entry"


async def test_a_disk_that_is_full_fails_the_stream() -> None:
    async with running(Context(stdout=FileOutput("/dev/full"))) as guest:
        stream = await guest("stdout#get-stdout")
        write = f"{_STREAMS}output-stream.blocking-write-and-flush"
        problem = await failed(guest(write, stream, b"x"))
        assert problem.case == "last-operation-failed"
        assert "insufficient-space" in problem.value.text
        code = await guest("types#filesystem-error-code", problem.value)

    assert code == "insufficient-space"


async def test_a_file_that_was_never_used_needs_no_end(tmp_path: Path) -> None:
    stdin = FileInput(tmp_path / "none")
    async with running(Context(stdin=stdin)) as guest:
        await guest.drop(await guest("stdin#get-stdin"))


def test_a_stream_needs_an_absolute_path() -> None:
    with pytest.raises(ValueError, match="no absolute path"):
        FileInput("in")
    with pytest.raises(ValueError, match="no absolute path"):
        FileOutput("out")
