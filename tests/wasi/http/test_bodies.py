from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from airssys.core.errors import WitError
from airssys.wasi.http import message as messages
from airssys.wasi.http.body import IncomingBody, OutgoingBody
from airssys.wasi.http.fields import Fields
from airssys.wasi.http.ledger import Ledger
from airssys.wasi.http.pipe import ROOM, Pipe
from airssys.wasi.streams import StreamFailed
from airssys.witmodel.types import Err, Ok, Variant

from ...operations import operation
from .guest import Guest, on_http

OUT = "streams#[method]output-stream."
CLOSED = Variant("closed")


async def outgoing(
    guest: Guest, *headers: tuple[str, bytes], kind: str = "outgoing-request"
) -> tuple[Any, Any]:
    """Return a message and its body."""
    message = await guest.types(f"[constructor]{kind}", await guest.fields(*headers))
    return message, await guest.method(f"{kind}.body", message)


_BODIES = [
    f"wasi:http/types@0.2.12#[method]outgoing-{kind}.body"
    for kind in ("request", "response")
]


@operation(*_BODIES, allowed=True)
@pytest.mark.parametrize("operation", _BODIES)
async def test_a_body_and_its_stream_are_given_once(operation: str) -> None:
    kind = operation.partition("]")[2].removesuffix(".body")
    async with on_http() as guest:
        message, body = await outgoing(guest, kind=kind)
        assert await guest.fails(f"{kind}.body", message) is None
        stream = await guest.method("outgoing-body.write", body)
        assert await guest.fails("outgoing-body.write", body) is None
        await guest.write(stream, b"hello")
        await guest.finish(body)

        assert message.body.pipe.take() == b"hello"
        assert message.body.pipe.ended
        assert message.body.pipe.failure is None


async def test_what_is_written_waits_for_room() -> None:
    async with on_http() as guest:
        message, body = await outgoing(guest)
        stream = await guest.method("outgoing-body.write", body)
        room = await guest(OUT + "check-write", stream)
        assert room == ROOM
        await guest(OUT + "write", stream, bytes(room))
        assert await guest(OUT + "check-write", stream) == 0
        assert not stream.ready()
        await guest(OUT + "flush", stream)  # it waits for nobody
        assert message.body.pipe.take(10) == bytes(10)
        assert stream.ready()
        assert await guest(OUT + "check-write", stream) == 10


async def test_the_bodies_of_one_guest_have_no_more_than_their_room_together() -> None:
    async with on_http() as guest:
        held = []
        for _ in range(16 * 2**20 // ROOM):
            _, body = await outgoing(guest)
            stream = await guest.method("outgoing-body.write", body)
            await guest(OUT + "write", stream, bytes(ROOM))
            held.append((body, stream))
        _, body = await outgoing(guest)
        stream = await guest.method("outgoing-body.write", body)

        assert await guest(OUT + "check-write", stream) == 0
        held[0][0].pipe.take(5)
        assert await guest(OUT + "check-write", stream) == 5
        held.clear()
        assert await guest(OUT + "check-write", stream) == ROOM


async def test_a_body_that_waits_gets_the_room_that_another_gives_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "_BODIES", 1000)
    async with on_http() as guest:
        first, its_body = await outgoing(guest)
        second, body = await outgoing(guest)
        await guest.write(
            await guest.method("outgoing-body.write", its_body), b"1" * 1000
        )
        stream = await guest.method("outgoing-body.write", body)
        assert await guest(OUT + "check-write", stream) == 0

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest.write, stream, b"hello")
            await anyio.wait_all_tasks_blocked()
            assert second.body.pipe.held == 0
            assert first.body.pipe.take(10) == b"1" * 10

        assert second.body.pipe.take() == b"hello"
        # Nobody waits any more.
        assert first.body.pipe.ledger._waiting == set()


@pytest.mark.parametrize("part", ["request", "response"])
async def test_a_body_has_the_length_that_its_message_says(part: str) -> None:
    async with on_http() as guest:
        length = ("Content-Length", b"5")
        message, body = await outgoing(guest, length, kind=f"outgoing-{part}")
        stream = await guest.method("outgoing-body.write", body)
        await guest.write(stream, b"hello")
        with pytest.raises(WitError) as caught:
            await guest.write(stream, b"!")
        wrong = Variant(f"HTTP-{part}-body-size", 6)
        assert await guest.code(caught.value) == wrong
        assert message.body.pipe.failure == wrong
        with pytest.raises(WitError) as caught:
            await guest.finish(body)
        assert caught.value.value == wrong

        message, body = await outgoing(guest, length, kind=f"outgoing-{part}")
        with pytest.raises(WitError) as caught:
            await guest.finish(body)
        assert caught.value.value == Variant(f"HTTP-{part}-body-size", 0)
        assert message.body.pipe.failure == caught.value.value

        message, body = await outgoing(guest, length, kind=f"outgoing-{part}")
        await guest.write(await guest.method("outgoing-body.write", body), b"hello")
        await guest.finish(body)
        assert message.body.pipe.failure is None


async def test_nothing_is_written_after_the_end() -> None:
    async with on_http() as guest:
        _, body = await outgoing(guest)
        stream = await guest.method("outgoing-body.write", body)
        await guest.finish(body)
        for name, *args in (("write", b""), ("check-write",), ("flush",)):
            with pytest.raises(WitError) as caught:
                await guest(OUT + name, stream, *args)
            assert caught.value.value == CLOSED


async def test_a_body_that_is_dropped_is_not_whole() -> None:
    async with on_http() as guest:
        message, body = await outgoing(guest)
        await guest.relay.drop(body)

        assert message.body.pipe.failure is not None
        with pytest.raises(StreamFailed, match="gave its body up before its end"):
            await message.body.pipe.get()


async def test_trailers_go_with_the_end_and_cannot_be_changed() -> None:
    async with on_http() as guest:
        message, body = await outgoing(guest)
        trailers = await guest.fields(("x-sum", b"42"))
        await guest.finish(body, trailers)

        assert message.body.pipe.trailers is trailers
        assert trailers.fixed


async def got_trailers(guest: Guest, future: Any) -> Any:
    return await guest.method("future-trailers.get", future)


async def test_trailers_come_once_after_the_end() -> None:
    async with on_http() as guest:
        pipe = Pipe()
        pipe.put_nowait(b"unread")
        future = await guest.types("[static]incoming-body.finish", IncomingBody(pipe))
        ready = await guest.method("future-trailers.subscribe", future)
        assert not await guest("poll#[method]pollable.ready", ready)
        assert await got_trailers(guest, future) is None
        # What nobody reads any more takes no room, and keeps nobody waiting.
        for _ in range(3):
            assert await pipe.put(bytes(ROOM))
        assert not pipe.held
        trailers = Fields.received([("x-sum", b"42")])
        pipe.end(trailers=trailers)
        assert await guest("poll#[method]pollable.ready", ready)
        assert await got_trailers(guest, future) == Ok(Ok(trailers))
        assert await got_trailers(guest, future) == Err(None)
        await guest.relay.drop(future)


async def test_trailers_can_be_none_or_fail() -> None:
    async with on_http() as guest:
        pipe = Pipe()
        future = await guest.types("[static]incoming-body.finish", IncomingBody(pipe))
        pipe.end()
        assert await got_trailers(guest, future) == Ok(Ok(None))
        pipe = Pipe()
        future = await guest.types("[static]incoming-body.finish", IncomingBody(pipe))
        code = Variant("HTTP-response-incomplete")
        pipe.end(code)
        assert await got_trailers(guest, future) == Ok(Err(code))


async def test_whoever_feeds_a_body_learns_that_nobody_reads_it() -> None:
    async with on_http() as guest:
        for drop in ("body", "future"):
            pipe = Pipe()
            left: list[str] = []
            pipe.on_leave = partial(left.append, drop)
            pipe.put_nowait(bytes(ROOM))
            body = IncomingBody(pipe)
            if drop == "body":
                await guest.relay.drop(body)
            else:
                future = await guest.types("[static]incoming-body.finish", body)
                await guest.relay.drop(future)
            assert left == [drop]
            assert not await pipe.put(b"more")


async def test_a_reader_is_told_why_a_body_ends_early() -> None:
    async with on_http() as guest:
        pipe = Pipe()
        stream = await guest.method("incoming-body.stream", IncomingBody(pipe))
        pipe.put_nowait(b"hel")
        code = Variant("HTTP-response-incomplete")
        pipe.end(code)
        read = "streams#[method]input-stream.read"
        assert await guest(read, stream, 100) == b"hel"
        with pytest.raises(WitError) as caught:
            await guest(read, stream, 100)
        assert await guest.code(caught.value) == code


async def test_a_pipe_puts_small_pieces_together() -> None:
    pipe = Pipe(ledger := Ledger(1000))
    for _ in range(300):
        pipe.put_nowait(b"abc")
    assert pipe.room == 100
    assert pipe.take(1) == b"a"
    assert pipe.take(4) == b"bcab"
    pipe.put_nowait(b"end")
    assert pipe.take() == b"cabc" + b"abc" * 297 + b"end"
    assert (pipe.held, ledger.used) == (0, 0)
    pipe.put_nowait(bytes(500))
    del pipe
    assert ledger.used == 0


async def test_put_waits_for_room_and_get_for_bytes() -> None:
    pipe = Pipe()
    got: list[bytes] = []

    async def read() -> None:
        while piece := await pipe.get():
            got.append(piece)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            for _ in range(4):
                assert await pipe.put(bytes(ROOM))
            pipe.end()
    assert sum(map(len, got)) == 4 * ROOM
    assert pipe.held == 0
    await pipe.wait_empty()


def test_a_body_that_was_finished_stays_whole_when_it_is_dropped() -> None:
    body = OutgoingBody("request")
    body.pipe.end()
    body.drop()
    assert body.pipe.failure is None
