from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from attrs import define

from airssys.core.errors import GuestTrapped
from airssys.wasi import BytesInput, BytesOutput, InputStream, NoOutput, StreamFailed
from airssys.wasi.streams import LARGEST_PIECE
from airssys.witmodel.types import Variant

from ..operations import operation
from ..relay import Relay
from .chosen import Narrow, Trickle, chosen, error

pytestmark = pytest.mark.guest

CLOSED = Variant("closed")
IN, OUT = "streams#[method]input-stream.", "streams#[method]output-stream."
MOST = 2**64 - 1
GIB = 2**30


def inward(*names: str) -> list[str]:
    return [f"wasi:io/{IN[:7]}@0.2.12{IN[7:]}{name}" for name in names]


def outward(*names: str) -> list[str]:
    return [f"wasi:io/{OUT[:7]}@0.2.12{OUT[7:]}{name}" for name in names]


@pytest.fixture
async def guest() -> AsyncIterator[Relay]:
    async with chosen("wasi:io/") as made:
        yield made


async def meanwhile(work: Awaitable[Any], then: Callable[[], object]) -> Any:
    """Return what comes of some work, during which something happens."""

    async def happen() -> None:
        await anyio.wait_all_tasks_blocked()
        then()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(happen)
        return await work


@define(eq=False)
class Broken(InputStream):
    """Fails whenever it is read."""

    def ready(self) -> bool:
        return True

    async def read(self, most: int) -> bytes:
        del most
        raise StreamFailed("the disk is gone", code="io")


# --- input ------------------------------------------------------------------------


@operation(*inward("read", "skip"), allowed=True)
async def test_a_guest_reads_and_skips_to_the_end() -> None:
    async with chosen("wasi:io/") as guest:
        stream = BytesInput(b"0123456789")

        assert await guest(f"{IN}read", stream, 3) == b"012"
        assert await guest(f"{IN}skip", stream, 4) == 4
        assert await guest(f"{IN}read", stream, 0) == b""
        assert await guest(f"{IN}read", stream, 99) == b"789"
        assert await error(guest, f"{IN}read", stream, 1) == CLOSED
        assert await error(guest, f"{IN}skip", stream, 1) == CLOSED


@pytest.mark.parametrize("most", [0, 1])
@pytest.mark.parametrize("function", ["read", "skip", "blocking-read", "blocking-skip"])
async def test_what_has_ended_or_failed_is_closed_also_to_read_nothing(
    guest: Relay, function: str, most: int
) -> None:
    ended, failed = BytesInput(b""), Broken()
    assert await guest(f"{IN}read", ended, 0) == b""
    assert await error(guest, f"{IN}read", ended, 1) == CLOSED
    assert (await error(guest, f"{IN}read", failed, 1)).case == "last-operation-failed"

    assert await error(guest, f"{IN}{function}", ended, most) == CLOSED
    if not most:
        assert await error(guest, f"{IN}{function}", failed, most) == CLOSED


@operation(*inward("blocking-read", "blocking-skip"), allowed=True)
async def test_a_guest_waits_for_bytes() -> None:
    async with chosen("wasi:io/") as guest:
        stream = Trickle()

        assert await guest(f"{IN}read", stream, 5) == b""
        read = guest(f"{IN}blocking-read", stream, 5)
        assert await meanwhile(read, lambda: stream.feed(b"abc")) == b"abc"
        skipped = guest(f"{IN}blocking-skip", stream, 2)
        assert await meanwhile(skipped, lambda: stream.feed(b"abc")) == 2
        assert await guest(f"{IN}blocking-read", stream, 0) == b""
        assert await guest(f"{IN}blocking-read", stream, 9) == b"c"
        with pytest.raises(ExceptionGroup) as ended:
            await meanwhile(guest(f"{IN}blocking-read", stream, 1), stream.end)
        assert "closed" in str(ended.value.exceptions[0])


@pytest.mark.parametrize("function", ["read", "blocking-read"])
async def test_one_read_returns_no_more_than_a_piece(
    guest: Relay, function: str
) -> None:
    stream = BytesInput(bytes(3 * LARGEST_PIECE))

    assert len(await guest(f"{IN}{function}", stream, MOST)) == LARGEST_PIECE
    assert len(await guest(f"{IN}{function}", stream, 4 * GIB)) == LARGEST_PIECE


@pytest.mark.parametrize("function", ["skip", "blocking-skip"])
async def test_one_skip_skips_no_more_than_a_piece(guest: Relay, function: str) -> None:
    stream = BytesInput(bytes(LARGEST_PIECE + 1))

    assert await guest(f"{IN}{function}", stream, 4 * GIB) == LARGEST_PIECE
    assert await guest(f"{IN}{function}", stream, MOST) == 1
    assert await error(guest, f"{IN}{function}", stream, MOST) == CLOSED


@operation("wasi:io/error@0.2.12#[method]error.to-debug-string", allowed=True)
async def test_a_guest_learns_why_a_stream_failed() -> None:
    async with chosen("wasi:io/") as guest:
        for function in ("read", "blocking-read", "skip"):
            failure = await error(guest, f"{IN}{function}", Broken(), 1)

            assert failure.case == "last-operation-failed"
            told = await guest("error#[method]error.to-debug-string", failure.value)
            assert told == "the disk is gone"
            assert failure.value.code == "io"


async def test_a_wait_for_bytes_can_be_cancelled(guest: Relay) -> None:
    stream = Trickle()
    with anyio.move_on_after(0.01) as scope:
        await guest(f"{IN}blocking-read", stream, 1)

    assert scope.cancelled_caught
    assert not stream.source._wakes


# --- output -----------------------------------------------------------------------


@operation(
    *outward("check-write", "write", "flush", "blocking-flush", "write-zeroes"),
    allowed=True,
)
async def test_a_guest_writes_what_there_is_room_for() -> None:
    async with chosen("wasi:io/") as guest:
        stream = Narrow(8)

        assert await guest(f"{OUT}check-write", stream) == 8
        await guest(f"{OUT}write", stream, b"abc")
        await guest(f"{OUT}write-zeroes", stream, 5)
        assert await guest(f"{OUT}check-write", stream) == 0
        await guest(f"{OUT}flush", stream)
        await guest(f"{OUT}blocking-flush", stream)
        await guest(f"{OUT}write", stream, b"")

        assert stream.content == b"abc\0\0\0\0\0"
        assert stream.flushed == 2


@operation(
    *outward("blocking-write-and-flush", "blocking-write-zeroes-and-flush"),
    allowed=True,
)
async def test_a_guest_waits_for_room() -> None:
    async with chosen("wasi:io/") as guest:
        stream = Narrow(2)

        write = guest(f"{OUT}blocking-write-and-flush", stream, b"abcd")
        await meanwhile(write, lambda: stream.allow(2))
        zeros = guest(f"{OUT}blocking-write-zeroes-and-flush", stream, 4096)
        await meanwhile(zeros, lambda: stream.allow(4096))

        assert stream.content == b"abcd" + bytes(4096)
        assert stream.flushed == 2


@pytest.mark.parametrize(
    ("function", "argument", "words"),
    [
        ("write", bytes(11), "it wrote 11 bytes where check-write said 10"),
        ("write-zeroes", 11, "it wrote 11 bytes where check-write said 10"),
        ("write-zeroes", MOST, "where check-write said 10"),
        ("write-zeroes", 4 * GIB, "where check-write said 10"),
        ("blocking-write-zeroes-and-flush", 4097, "4_096 are the most"),
        ("blocking-write-zeroes-and-flush", MOST, "4_096 are the most"),
    ],
)
async def test_who_writes_more_than_there_is_room_for_ends(
    guest: Relay, function: str, argument: Any, words: str
) -> None:
    stream = Narrow(10)

    with pytest.raises(GuestTrapped, match=words):
        await guest(f"{OUT}{function}", stream, argument)
    assert stream.content == b""


async def test_no_write_is_larger_than_a_piece(guest: Relay) -> None:
    stream = NoOutput()

    assert await guest(f"{OUT}check-write", stream) == LARGEST_PIECE
    await guest(f"{OUT}write-zeroes", stream, LARGEST_PIECE)
    with pytest.raises(GuestTrapped, match="misuse"):
        await guest(f"{OUT}write-zeroes", stream, LARGEST_PIECE + 1)


async def test_a_flood_of_zeros_ends_at_the_limit_of_what_takes_them(
    guest: Relay,
) -> None:
    stream = BytesOutput(limit=3 * LARGEST_PIECE)

    for _ in range(3):
        await guest(f"{OUT}write-zeroes", stream, LARGEST_PIECE)
    assert await error(guest, f"{OUT}write-zeroes", stream, 1) == CLOSED
    assert await error(guest, f"{OUT}check-write", stream) == CLOSED
    assert len(stream.content) == 3 * LARGEST_PIECE


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("check-write", ()),
        ("write", (b"a",)),
        ("write-zeroes", (1,)),
        ("blocking-write-and-flush", (b"a",)),
        ("blocking-write-zeroes-and-flush", (1,)),
        ("splice", (BytesInput(b"abc"), 1)),
        ("blocking-splice", (BytesInput(b"abc"), 1)),
    ],
)
async def test_nothing_can_be_written_once_nobody_reads(
    guest: Relay, function: str, args: tuple[Any, ...]
) -> None:
    assert await error(guest, f"{OUT}{function}", Narrow(closed=True), *args) == CLOSED


async def test_a_wait_for_room_ends_when_nobody_reads_any_more(guest: Relay) -> None:
    stream = Narrow(0)
    with pytest.raises(ExceptionGroup) as ended:
        await meanwhile(
            guest(f"{OUT}blocking-write-and-flush", stream, b"a"), stream.close
        )

    assert "closed" in str(ended.value.exceptions[0])


async def test_a_wait_for_room_can_be_cancelled(guest: Relay) -> None:
    stream = Narrow(0)
    with anyio.move_on_after(0.01) as scope:
        await guest(f"{OUT}blocking-write-and-flush", stream, b"a")

    assert scope.cancelled_caught
    assert not stream.source._wakes


# --- from one to the other --------------------------------------------------------


@operation(*outward("splice", "blocking-splice"), allowed=True)
async def test_a_guest_splices_as_much_as_there_is_and_as_fits() -> None:
    async with chosen("wasi:io/") as guest:
        source, target = Trickle(bytearray(b"0123456789")), Narrow(4)

        assert await guest(f"{OUT}splice", target, source, MOST) == 4
        assert await guest(f"{OUT}splice", target, source, MOST) == 0
        blocked = guest(f"{OUT}blocking-splice", target, source, 3)
        assert await meanwhile(blocked, lambda: target.allow(10)) == 3
        assert await guest(f"{OUT}splice", target, source, 0) == 0
        assert await guest(f"{OUT}splice", target, source, 4 * GIB) == 3
        assert await guest(f"{OUT}splice", target, source, 4 * GIB) == 0
        late = guest(f"{OUT}blocking-splice", target, source, 4 * GIB)
        assert await meanwhile(late, lambda: source.feed(b"ab")) == 2

        assert target.content == b"0123456789ab"


async def test_a_splice_of_what_is_closed_is_refused(guest: Relay) -> None:
    for function in ("splice", "blocking-splice"):
        ended, target = Trickle(finished=True), Narrow()

        assert await error(guest, f"{OUT}{function}", target, ended, 1) == CLOSED
        failed = await error(guest, f"{OUT}{function}", target, Broken(), 1)
        assert failed.case == "last-operation-failed"
        assert target.content == b""


async def test_a_splice_of_a_pipe_into_itself_moves_it_once(guest: Relay) -> None:
    pipe = bytearray(b"abc")
    ends = Trickle(pipe), Narrow(content=pipe)

    for _ in range(3):
        assert await guest(f"{OUT}splice", ends[1], ends[0], MOST) == 3
    assert pipe == b"abc"


# --- pollables and the ends of streams --------------------------------------------


@operation(*inward("subscribe"), *outward("subscribe"), allowed=True)
async def test_a_guest_polls_streams() -> None:
    async with chosen("wasi:io/") as guest:
        source, target = Trickle(), Narrow(0)
        readable = await guest(f"{IN}subscribe", source)
        writable = await guest(f"{OUT}subscribe", target)

        both = guest("poll#poll", [readable, writable])
        assert await meanwhile(both, lambda: target.allow(1)) == [1]
        source.feed(b"a")
        assert await guest("poll#poll", [readable, writable]) == [0, 1]
        target.left = 0
        target.close()
        assert await guest("poll#poll", [writable, readable]) == [0, 1]


async def test_a_pollable_outlives_its_stream(guest: Relay) -> None:
    source, target = Trickle(), Narrow(0)
    readable = await guest(f"{IN}subscribe", source)
    writable = await guest(f"{OUT}subscribe", target)
    await guest.drop(source)
    await guest.drop(target)

    assert await guest("poll#[method]pollable.ready", readable) is True
    await guest("poll#[method]pollable.block", writable)
    assert (source.dropped, target.dropped) == (1, 1)


async def test_a_stream_outlives_its_pollable(guest: Relay) -> None:
    source = Trickle(bytearray(b"abc"))
    for _ in range(3):
        await guest.drop(await guest(f"{IN}subscribe", source))

    assert await guest(f"{IN}read", source, 9) == b"abc"


async def test_a_dropped_stream_that_comes_back_is_closed(guest: Relay) -> None:
    source, target = Trickle(), Narrow()
    await guest.drop(source)
    await guest.drop(target)

    assert await error(guest, f"{IN}blocking-read", source, 1) == CLOSED
    assert await error(guest, f"{OUT}write", target, b"a") == CLOSED
    assert (source.dropped, target.dropped) == (1, 1)
