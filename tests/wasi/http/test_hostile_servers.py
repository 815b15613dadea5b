"""Requests of guests to servers that lie, trickle, flood and break off."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import anyio
import pytest
import trustme
from anyio.abc import SocketStream
from anyio.streams.tls import TLSStream

from airssys.core.errors import WitError
from airssys.host.network import Tls
from airssys.wasi.http import outgoing
from airssys.wasi.http.fields import MOST_FIELDS
from airssys.wasi.http.pipe import ROOM
from airssys.witmodel.types import Variant

from ...engine.lateness import turns
from .guest import LOOPBACK, OK, Guest, answers, head_of, on_http, served

READ = "streams#[method]input-stream.blocking-read"


def silent(before: bytes = b"") -> Any:
    """Say this, and then nothing more."""

    async def handle(stream: SocketStream) -> None:
        await head_of(stream)
        await stream.send(before)
        await stream.receive()

    return handle


async def broken(guest: Guest, stream: Any) -> Any:
    """Read a body up to where it breaks; return the code."""
    with pytest.raises(WitError) as caught:
        await guest.read(stream)
    return await guest.code(caught.value)


@pytest.mark.parametrize(
    ("text", "case"),
    [
        (b"", "connection-terminated"),
        (b"HTTP/1.1 200 O", "HTTP-response-incomplete"),
        (b"\x16\x03\x01 no HTTP\r\n\r\n", "HTTP-protocol-error"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP-protocol-error"),
        (b"HTTP/1.1 200 OK\r\nx y: 1\r\n\r\n", "HTTP-protocol-error"),
        (b"HTTP/1.1 200 OK\r\na: 1\0\r\n\r\n", "HTTP-protocol-error"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "HTTP-protocol-error",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP-protocol-error"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
            "HTTP-protocol-error",
        ),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "HTTP-protocol-error"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "HTTP-protocol-error"),
        (
            b"HTTP/1.1 200 OK\r\na: " + b"1" * 200_000 + b"\r\n\r\n",
            "HTTP-response-header-section-size",
        ),
        (
            b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * (MOST_FIELDS + 1) + b"\r\n",
            "HTTP-response-header-section-size",
        ),
    ],
)
async def test_what_is_no_answer_is_told_as_what_it_is(text: bytes, case: str) -> None:
    async with served(answers(text)) as port, on_http() as guest:
        code = await guest.failure(await guest.request(port, method="post"))
        assert code.case == case


@pytest.mark.parametrize(
    ("text", "case"),
    [
        (b"Content-Length: 10\r\n\r\nhello", "HTTP-response-incomplete"),
        (
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP-response-incomplete",
        ),
        (
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
            "HTTP-protocol-error",
        ),
        (
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
            "HTTP-protocol-error",
        ),
        (
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
            + b"a:\r\n" * (MOST_FIELDS + 1)
            + b"\r\n",
            "HTTP-response-header-section-size",
        ),
    ],
)
async def test_a_body_that_breaks_off_is_not_whole(text: bytes, case: str) -> None:
    handle = answers(b"HTTP/1.1 200 OK\r\n" + text)
    async with served(handle) as port, on_http() as guest:
        answer = await guest.answer(await guest.request(port))
        _, stream = await guest.opened(answer)
        assert (await broken(guest, stream)).case == case


async def test_an_answer_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    connections = 0

    async def serve(stream: SocketStream) -> None:
        nonlocal connections
        connections += 1
        more = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        await answers(OK + more)(stream)
        await stream.receive()

    async with served(serve) as port, on_http() as guest:
        for _ in range(2):
            answer = await guest.answer(await guest.request(port))
            assert await guest.body(answer) == b"hello"
        assert connections == 2


async def test_an_answer_may_come_before_the_request_was_read() -> None:
    async def serve(stream: SocketStream) -> None:
        await head_of(stream)
        await stream.send(
            b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n"
            b"Connection: close\r\n\r\nno"
        )

    async with served(serve) as port, on_http() as guest:
        request = await guest.request(port, method="post")
        body = await guest.method("outgoing-request.body", request)
        out = await guest.method("outgoing-body.write", body)
        future = await guest.send(request)
        with pytest.raises(WitError) as caught:
            while True:  # before it looks at the answer
                await guest.write(out, bytes(2**16))
        assert caught.value.value == Variant("closed")
        answer = (await guest.outcome(future)).value
        assert await guest.body(answer) == b"no"


# Time.


async def test_a_server_that_does_not_answer_ends_by_the_first_byte_timeout() -> None:
    async with served(silent()) as port, on_http() as guest:
        options = await guest.options(first_byte=0.05)
        code = await guest.failure(await guest.request(port), options)
        assert code == Variant("connection-read-timeout")


async def test_a_server_that_trickles_its_head_ends_by_the_first_byte_timeout() -> None:
    async def trickle(stream: SocketStream) -> None:
        await head_of(stream)
        while True:
            await stream.send(b"H")
            await anyio.sleep(0.005)

    async with served(trickle) as port, on_http() as guest:
        options = await guest.options(first_byte=0.1)
        code = await guest.failure(await guest.request(port), options)
        assert code.case == "connection-read-timeout"


async def test_a_body_that_stops_ends_by_the_timeout_between_bytes() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
    async with served(silent(text)) as port, on_http() as guest:
        options = await guest.options(between_bytes=0.05)
        answer = await guest.answer(await guest.request(port), options)
        _, stream = await guest.opened(answer)
        assert await broken(guest, stream) == Variant("connection-read-timeout")


async def test_nothing_waits_longer_than_the_host_lets_it() -> None:
    async with served(silent()) as port, on_http(longest=0.05) as guest:
        options = await guest.options(first_byte=3600)
        code = await guest.failure(await guest.request(port), options)
        assert code == Variant("connection-read-timeout")


async def test_a_connection_that_is_not_made_ends_by_the_connect_timeout() -> None:
    with socket.socket() as full:
        full.bind((LOOPBACK, 0))
        full.listen(0)
        port = full.getsockname()[1]
        # What nobody accepts fills the queue, and the system answers no more.
        held = [socket.socket() for _ in range(3)]
        for each in held:
            each.settimeout(0)
            each.connect_ex((LOOPBACK, port))
        try:
            async with on_http() as guest:
                options = await guest.options(connect=0.1)
                code = await guest.failure(await guest.request(port), options)
                assert code == Variant("connection-timeout")
        finally:
            for each in held:
                each.close()


async def test_a_server_that_is_not_there_refuses() -> None:
    with socket.socket() as unused:
        unused.bind((LOOPBACK, 0))
        port = unused.getsockname()[1]
    async with on_http() as guest:
        code = await guest.failure(await guest.request(port))
        assert code == Variant("connection-refused")


async def test_a_name_that_nobody_knows_is_an_error_of_dns() -> None:
    async with on_http() as guest:
        code = await guest.failure(await guest.request(80, host="no.example.com"))
        assert code.case == "DNS-error"


# Much.


async def test_a_body_that_never_ends_waits_for_the_guest() -> None:
    sent = 0

    async def serve(stream: SocketStream) -> None:
        nonlocal sent
        await head_of(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + bytes(2**16) + b"\r\n"
        while True:
            await stream.send(piece)
            sent += 1

    async with served(serve) as port, on_http() as guest:
        answer = await guest.answer(await guest.request(port))
        _, stream = await guest.opened(answer)
        for _ in range(5):
            assert await guest(READ, stream, 2**16)
        # What is under way lies in the system's buffers, and is no more than these.
        before = -1
        while sent != before:
            before = sent
            await anyio.wait_all_tasks_blocked()
        held = answer.body or stream._pipe
        assert getattr(held, "pipe", held).held <= ROOM + 2**17


async def test_small_chunks_keep_nobody_waiting() -> None:
    chunk = b"1\r\nx\r\n"
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    count = 30_000
    text += chunk * count + b"0\r\n\r\n"
    async with served(answers(text)) as port, on_http() as guest:
        answer = await guest.answer(await guest.request(port))
        _, stream = await guest.opened(answer)
        async with turns() as measured:
            assert len(await guest.read(stream)) == count
    assert measured.longest < 0.1


async def test_many_small_fields_keep_nobody_waiting() -> None:
    text = b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * 8000
    async with (
        served(answers(text)) as port,
        on_http() as guest,
        turns() as measured,
    ):
        code = await guest.failure(await guest.request(port))
    assert code.case in (
        "HTTP-response-incomplete",
        "HTTP-response-header-section-size",
    )
    assert measured.longest < 0.1


async def test_the_fields_of_all_answers_of_a_guest_have_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outgoing, "_RECEIVED", 100_000)
    text = b"HTTP/1.1 204 No\r\na: " + b"1" * 30_000 + b"\r\n\r\n"
    async with served(answers(*[text] * 10)) as port, on_http() as guest:
        held = [await guest.answer(await guest.request(port)) for _ in range(3)]
        code = await guest.failure(await guest.request(port))
        assert code.case == "HTTP-response-header-section-size"
        held.clear()
        assert await guest.answer(await guest.request(port)) is not None


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def secret(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> Tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return Tls(context)


def over_tls(context: ssl.SSLContext, *texts: bytes, count: list[int]) -> Any:
    async def handle(stream: SocketStream) -> None:
        try:
            secured = await TLSStream.wrap(stream, ssl_context=context)
        except ssl.SSLError:
            return
        count[0] += 1
        async with secured:
            await answers(*texts)(secured)  # type: ignore[arg-type]

    return handle


async def test_https_checks_the_name_and_keeps_the_connection(
    authority: trustme.CA,
) -> None:
    count = [0]
    handle = over_tls(secret(authority, "peer.example.com"), OK, OK, count=count)
    async with served(handle) as port, on_http(tls=trusting(authority)) as guest:
        for _ in range(2):
            request = await guest.request(port, host="peer.example.com", scheme="HTTPS")
            assert await guest.body(await guest.answer(request)) == b"hello"
        assert count == [1]
        request = await guest.request(port, scheme="HTTPS")
        code = await guest.failure(request)
        assert code == Variant("TLS-certificate-error")
    async with served(handle) as port, on_http(tls=trusting(trustme.CA())) as guest:
        request = await guest.request(port, host="peer.example.com", scheme="HTTPS")
        assert await guest.failure(request) == Variant("TLS-certificate-error")


async def test_a_server_without_tls_is_told_as_one(authority: trustme.CA) -> None:
    async def handle(stream: SocketStream) -> None:
        await stream.receive()
        await stream.send(OK)

    async with served(handle) as port, on_http(tls=trusting(authority)) as guest:
        request = await guest.request(port, scheme="HTTPS")
        assert await guest.failure(request) == Variant("TLS-protocol-error")


async def test_an_alert_of_tls_is_told(authority: trustme.CA) -> None:
    async def handle(stream: SocketStream) -> None:
        await stream.receive()
        await stream.send(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure

    async with served(handle) as port, on_http(tls=trusting(authority)) as guest:
        request = await guest.request(port, scheme="HTTPS")
        code = await guest.failure(request)
        assert code.case == "TLS-alert-received"
