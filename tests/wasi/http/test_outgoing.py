"""Requests of guests to servers that behave."""

from __future__ import annotations

import socket
import threading
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.limits import Quota
from airssys.host.network import SystemResolver
from airssys.hostcalls.call import Standing
from airssys.wasi.http.outgoing import MOST_REQUESTS
from airssys.witmodel.types import Err, Ok, Variant

from ...operations import operation
from .guest import (
    ALL,
    LOOPBACK,
    OK,
    Guest,
    answers,
    grants,
    head_of,
    on_http,
    served,
)

BEFORE = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n"


async def status_and_body(guest: Guest, answer: Any) -> tuple[int, bytes]:
    status = await guest.method("incoming-response.status", answer)
    return status, await guest.body(answer)


@operation(
    "wasi:http/types@0.2.12#[method]incoming-response.headers",
    "wasi:http/types@0.2.12#[method]incoming-response.status",
    allowed=True,
)
async def test_a_request_goes_out_as_it_was_made_and_its_answer_comes_back() -> None:
    heard: list[bytes] = []
    text = b"HTTP/1.1 201 Made\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 5\r\n\r\nhello"
    async with served(answers(text, heard=heard)) as port, on_http() as guest:
        request = await guest.request(port, ("X-B", b" spaced "), ("x-b", b"2"))
        answer = await guest.answer(request)
        fields = await guest.method("incoming-response.headers", answer)

        assert await guest.method("fields.get", fields, "X-A") == [b"1", b"2"]
        assert await status_and_body(guest, answer) == (201, b"hello")
        assert heard[0].split(b"\r\n") == [
            b"GET /a?b=c HTTP/1.1",
            b"Host: 127.0.0.1:%d" % port,
            b"X-B: spaced",
            b"x-b: 2",
        ]
        assert guest.denied == []


async def test_an_answer_is_taken_once() -> None:
    async with served(answers(OK)) as port, on_http() as guest:
        future = await guest.send(await guest.request(port))
        get = "future-incoming-response.get"
        assert await guest.method(get, future) is None
        assert isinstance(await guest.outcome(future), Ok)
        assert await guest.method(get, future) == Err(None)


async def test_a_body_is_streamed_both_ways_at_the_same_time() -> None:
    async def echo(stream: SocketStream) -> None:
        _, rest = await head_of(stream)
        start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        await stream.send(start + rest)
        async for piece in stream:
            await stream.send(piece)

    async with served(echo) as port, on_http() as guest:
        request = await guest.request(port, method="post")
        body = await guest.method("outgoing-request.body", request)
        out = await guest.method("outgoing-body.write", body)
        answer = await guest.answer(request)  # before anything was written
        _, back = await guest.opened(answer)
        for number in range(3):
            await guest.write(out, b"%d" % number * 1000)
            got = b""
            while len(got) < 1000:
                got += await guest(
                    "streams#[method]input-stream.blocking-read", back, 1000
                )
            assert got == b"%d" % number * 1000
        await guest.finish(body, await guest.fields(("x-sum", b"42")))
        assert await guest.read(back) == b""


@operation(
    "wasi:http/outgoing-handler@0.2.12#handle",
    "wasi:http/types@0.2.12#[constructor]outgoing-request",
    "wasi:http/types@0.2.12#[method]fields.entries",
    "wasi:http/types@0.2.12#[method]future-incoming-response.get",
    "wasi:http/types@0.2.12#[method]future-incoming-response.subscribe",
    "wasi:http/types@0.2.12#[method]future-trailers.get",
    "wasi:http/types@0.2.12#[method]future-trailers.subscribe",
    "wasi:http/types@0.2.12#[method]incoming-body.stream",
    "wasi:http/types@0.2.12#[method]incoming-response.consume",
    "wasi:http/types@0.2.12#[method]outgoing-body.write",
    "wasi:http/types@0.2.12#[method]outgoing-request.body",
    "wasi:http/types@0.2.12#[method]outgoing-request.set-authority",
    "wasi:http/types@0.2.12#[method]outgoing-request.set-method",
    "wasi:http/types@0.2.12#[method]outgoing-request.set-path-with-query",
    "wasi:http/types@0.2.12#[method]outgoing-request.set-scheme",
    "wasi:http/types@0.2.12#[static]fields.from-list",
    "wasi:http/types@0.2.12#[static]incoming-body.finish",
    "wasi:http/types@0.2.12#[static]outgoing-body.finish",
    allowed=True,
)
async def test_trailers_go_out_and_come_back() -> None:
    heard: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        got = await stream.receive()
        while b"0\r\n" not in got:
            got += await stream.receive()
        heard.append(got)
        await stream.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: no\r\n\r\n"
        )

    async with served(serve) as port, on_http() as guest:
        request = await guest.request(port, method="put")
        body = await guest.method("outgoing-request.body", request)
        await guest.write(await guest.method("outgoing-body.write", body), b"abc")
        future = await guest.send(request)
        await guest.finish(body, await guest.fields(("x-sum", b"42")))
        answer = (await guest.outcome(future)).value
        incoming, stream = await guest.opened(answer)
        assert await guest.read(stream) == b"hello"
        trailers = await guest.types("[static]incoming-body.finish", incoming)
        ready = await guest.method("future-trailers.subscribe", trailers)
        await guest("poll#[method]pollable.block", ready)
        fields = (await guest.method("future-trailers.get", trailers)).value.value

        assert await guest.method("fields.entries", fields) == [("x-sum", b"1")]
        assert heard[0].endswith(b"3\r\nabc\r\n0\r\nx-sum: 42\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "length", "body", "line"),
    [
        ("get", None, None, None),
        ("post", None, None, b"Content-Length: 0"),
        ("post", None, b"", b"Content-Length: 0"),
        ("post", None, b"abc", b"Transfer-Encoding: chunked"),
        ("post", b"3", b"abc", b"content-length: 3"),
    ],
)
async def test_the_body_is_framed_by_what_is_known(
    method: str, length: bytes | None, body: bytes | None, line: bytes | None
) -> None:
    heard: list[bytes] = []
    headers = [] if length is None else [("content-length", length)]
    async with served(answers(OK, heard=heard)) as port, on_http() as guest:
        request = await guest.request(port, *headers, method=method)
        if body is not None:
            made = await guest.method("outgoing-request.body", request)
            out = await guest.method("outgoing-body.write", made)
            if body:
                await guest.write(out, body)
            await guest.finish(made)
        answer = await guest.answer(request)

        assert await status_and_body(guest, answer) == (200, b"hello")
        assert heard[0].split(b"\r\n")[2:] == ([] if line is None else [line])


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("head", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("get", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("get", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("get", BEFORE + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_answers_without_a_body_end_at_once(method: str, text: bytes) -> None:
    async with served(answers(text, OK)) as port, on_http() as guest:
        answer = await guest.answer(await guest.request(port, method=method))
        assert await guest.body(answer) == b""
        again = await guest.answer(await guest.request(port))
        assert await guest.body(again) == b"hello"


async def test_an_answer_may_end_with_its_connection() -> None:
    text = b"HTTP/1.1 200 OK\r\n\r\nto the end"
    async with served(answers(text)) as port, on_http() as guest:
        answer = await guest.answer(await guest.request(port))
        assert await guest.body(answer) == b"to the end"


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    text = (
        b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    )
    async with served(answers(text)) as port, on_http() as guest:
        answer = await guest.answer(await guest.request(port))
        assert await status_and_body(guest, answer) == (302, b"")


# Connections.


async def test_a_connection_serves_the_same_guest_again_and_no_other() -> None:
    heard: list[bytes] = []
    connections: list[SocketStream] = []

    async def serve(stream: SocketStream) -> None:
        connections.append(stream)
        await answers(*[OK] * 9, heard=heard)(stream)

    async with served(serve) as port, on_http(beside=1) as (guest, other):
        for each, count in ((guest, 1), (guest, 1), (other, 2), (guest, 2)):
            answer = await each.answer(await each.request(port))
            assert await each.body(answer) == b"hello"
            assert len(connections) == count
        # Another name for the same place is another place.
        answer = await guest.answer(await guest.request(port, host="peer.example.com"))
        assert await guest.body(answer) == b"hello"
        assert len(connections) == 3


async def test_a_connection_that_ended_is_not_used_again() -> None:
    async with served(answers(OK)) as port, on_http() as guest:
        for _ in range(3):
            answer = await guest.answer(await guest.request(port))
            assert await guest.body(answer) == b"hello"


async def test_a_request_is_sent_again_where_a_kept_connection_ends_under_it() -> None:
    count = 0

    async def serve(stream: SocketStream) -> None:
        nonlocal count
        count += 1
        await answers(OK)(stream)
        if count == 1:
            await head_of(stream)  # and no answer to the second

    async with served(serve) as port, on_http() as guest:
        for _ in range(2):
            answer = await guest.answer(await guest.request(port))
            assert await guest.body(answer) == b"hello"
        assert count == 2
        count = 0
        answer = await guest.answer(await guest.request(port))
        assert await guest.body(answer) == b"hello"
        # What may have had an effect is not sent twice.
        code = await guest.failure(await guest.request(port, method="post"))
        assert code == Variant("connection-terminated")


async def test_kept_connections_make_room_for_others() -> None:
    async with (
        served(answers(OK)) as one,
        served(answers(OK)) as two,
        on_http(quota=Quota(handles=1)) as guest,
    ):
        for port in (one, two):
            answer = await guest.answer(await guest.request(port))
            assert await guest.body(answer) == b"hello"
        assert guest.denied == []


async def test_a_guest_has_no_more_connections_than_its_quota_of_handles() -> None:
    async with (
        served(lambda _: anyio.sleep_forever()) as port,
        on_http(quota=Quota(handles=1)) as guest,
    ):
        held = await guest.send(await guest.request(port))
        code = await guest.failure(await guest.request(port))
        assert code == Variant("connection-limit-reached")
        assert len(guest.denied) == 1
        await guest.relay.drop(held)


@operation(
    "wasi:http/outgoing-handler@0.2.12#handle",
    allowed=False,
)
async def test_a_guest_has_no_more_requests_than_there_may_be() -> None:
    async with served(lambda _: anyio.sleep_forever()) as port, on_http() as guest:
        held = [
            await guest.send(await guest.request(port)) for _ in range(MOST_REQUESTS)
        ]
        assert await guest.refused(await guest.request(port)) == (
            "connection-limit-reached"
        )
        assert guest.denied == [
            "send another request: 128 requests of it are under way"
        ]
        await guest.relay.drop(held.pop())
        await anyio.wait_all_tasks_blocked()
        assert await guest.send(await guest.request(port)) is not None


async def test_what_is_sent_and_received_counts() -> None:
    standing = Standing(ALL, Budget("acme/guest", Quota(network=2000)))
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 1500\r\n\r\n" + bytes(1500)
    async with served(answers(text)) as port, on_http(standing) as guest:
        answer = await guest.answer(await guest.request(port))
        assert len(await guest.body(answer)) == 1500
        budget = standing.budget
        assert budget is not None
        (bucket,) = budget.rates["network"]
        assert bucket.tokens < 500


# What is not granted.


@pytest.mark.parametrize(
    ("host", "denied"),
    [
        ("127.0.0.1", "connect to '127.0.0.1:"),
        ("peer.example.com", "connect to 'peer.example.com:"),
        ("[::1]", "connect to '[::1]:"),
    ],
)
async def test_a_target_without_a_grant_is_denied(host: str, denied: str) -> None:
    async with on_http(grants("192.0.2.1:80")) as guest:
        request = await guest.request(80, host=host)
        assert await guest.refused(request) == "HTTP-request-denied"
        (event,) = guest.denied
        assert denied in event


async def test_a_name_that_leads_inside_is_denied() -> None:
    async with on_http(grants("*.example.com:*")) as guest:
        for host in ("inside.example.com", "peer.example.com"):
            code = await guest.failure(await guest.request(80, host=host))
            assert code == Variant("destination-IP-prohibited")
        assert len(guest.denied) == 2


@pytest.mark.parametrize(
    ("host", "case"),
    [
        ("2130706433", "HTTP-request-URI-invalid"),
        ("0x7f.1", "HTTP-request-URI-invalid"),
        ("a%62", "HTTP-request-URI-invalid"),
    ],
)
async def test_what_only_looks_like_a_name_is_none(host: str, case: str) -> None:
    async with on_http() as guest:
        assert await guest.refused(await guest.request(80, host=host)) == case
        assert len(guest.denied) == 1


@pytest.mark.parametrize(
    ("change", "value", "case"),
    [
        ("scheme", Variant("other", "ws"), "HTTP-protocol-error"),
        ("authority", None, "HTTP-request-URI-invalid"),
        ("authority", "127.0.0.1:0", "HTTP-request-URI-invalid"),
        ("method", Variant("connect"), "HTTP-protocol-error"),
        ("method", Variant("other", "connect"), "HTTP-protocol-error"),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    change: str, value: Any, case: str
) -> None:
    async with on_http() as guest:
        request = await guest.request(80)
        body = await guest.method("outgoing-request.body", request)
        out = await guest.method("outgoing-body.write", body)
        await guest.method(f"outgoing-request.set-{change}", request, value)

        assert await guest.refused(request) == case
        with pytest.raises(WitError):
            await guest.write(out, b"nobody reads it")


@pytest.mark.parametrize("length", [b"5, 5", b"+5", b"", b"-1", b"1" * 19, b"5"])
async def test_a_length_that_is_none_or_not_true_is_refused(length: bytes) -> None:
    async with on_http() as guest:
        request = await guest.request(80, ("content-length", length))
        assert await guest.refused(request) == "HTTP-request-body-size"


async def test_two_lengths_are_refused() -> None:
    async with on_http() as guest:
        request = await guest.request(
            80, ("content-length", b"5"), ("Content-Length", b"6")
        )
        assert await guest.refused(request) == "HTTP-request-body-size"


async def test_a_connection_is_not_used_again_once_its_grant_is_gone() -> None:
    heard: list[bytes] = []
    async with served(answers(OK, OK, heard=heard)) as port, on_http() as guest:
        answer = await guest.answer(await guest.request(port))
        assert await guest.body(answer) == b"hello"
        guest.standing.grants = grants("192.0.2.1:80")
        request = await guest.request(port)
        assert await guest.refused(request) == "HTTP-request-denied"
        assert len(heard) == len(guest.denied) == 1


async def test_a_connection_stands_only_while_the_grant_does_that_it_was_made_by() -> (
    None
):
    connections = 0

    async def serve(stream: SocketStream) -> None:
        nonlocal connections
        connections += 1
        await answers(OK, OK)(stream)

    async with served(serve) as port, on_http() as guest:
        guest.standing.grants = grants("peer.example.com:*", "127.0.0.1:*")
        for expected in (1, 1):
            request = await guest.request(port, host="peer.example.com")
            assert await guest.body(await guest.answer(request)) == b"hello"
            assert connections == expected
        guest.standing.grants = grants("peer.example.com:*")
        request = await guest.request(port, host="peer.example.com")
        code = await guest.failure(request)
        assert code == Variant("destination-IP-prohibited")
        assert connections == 1


@operation(
    "wasi:http/types@0.2.12#http-error-code",
    allowed=True,
)
async def test_a_grant_that_goes_ends_a_request_under_way() -> None:
    go = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        await head_of(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await go.wait()
        await stream.send(b"hello")

    async with served(serve) as port, on_http() as guest:
        answer = await guest.answer(await guest.request(port))
        _, stream = await guest.opened(answer)
        read = "streams#[method]input-stream.blocking-read"
        assert await guest(read, stream, 100) == b"hello"
        guest.standing.grants = grants()
        go.set()
        with pytest.raises(WitError) as caught:
            await guest(read, stream, 100)
        assert await guest.code(caught.value) == Variant("HTTP-request-denied")
        assert len(guest.denied) == 1


async def test_requests_at_the_same_time_wait_for_each_others_look_ups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask, all_of_a_turn = socket.getaddrinfo, threading.Barrier(4, timeout=20)

    def slow(name: Any, *args: Any, **options: Any) -> Any:
        if name == "peer.example.com":
            all_of_a_turn.wait()
        return ask(LOOPBACK, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    names = SystemResolver()
    async with served(answers(OK)) as port, on_http(names=names) as guest:
        futures = [
            await guest.send(await guest.request(port, host="peer.example.com"))
            for _ in range(12)
        ]
        for future in futures:
            outcome = await guest.outcome(future)
            assert isinstance(outcome, Ok), outcome


async def test_fields_that_no_server_reads_are_not_sent() -> None:
    most = 64 * 1024 - 32 - len("x")
    async with served(answers(OK)) as port, on_http() as guest:
        code = await guest.refused(
            await guest.request(port, ("x", b"1" * (most + 1)), method="post")
        )
        assert code == "HTTP-request-header-section-size"
        # What a server makes of the largest is up to it.
        assert await guest.answer(await guest.request(port, ("x", b"1 " * (most // 2))))


async def test_trailers_that_no_server_reads_are_not_sent() -> None:
    async def serve(stream: SocketStream) -> None:
        async for _ in stream:
            pass

    async with served(serve) as port, on_http() as guest:
        request = await guest.request(port, method="post")
        body = await guest.method("outgoing-request.body", request)
        future = await guest.send(request)
        await guest.finish(body, await guest.fields(("x", b"1" * 65_536)))
        outcome = await guest.outcome(future)
        assert outcome.value.case == "HTTP-request-trailer-section-size"


# Ends.


@pytest.mark.parametrize("held", ["future", "response", "body", "trailers"])
async def test_dropping_what_stands_for_a_request_ends_it(held: str) -> None:
    begun, ended = anyio.Event(), anyio.Event()

    async def serve(stream: SocketStream) -> None:
        await head_of(stream)
        begun.set()
        if held != "future":
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        try:
            await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            ended.set()

    async with served(serve) as port, on_http() as guest:
        future = await guest.send(await guest.request(port))
        thing = future
        if held != "future":
            thing = (await guest.outcome(future)).value
        if held in ("body", "trailers"):
            thing = await guest.method("incoming-response.consume", thing)
        if held == "trailers":
            thing = await guest.types("[static]incoming-body.finish", thing)
        await begun.wait()
        assert not ended.is_set()
        await guest.relay.drop(thing)
        await ended.wait()


async def test_a_guest_that_gives_its_body_up_breaks_the_request_off() -> None:
    got = bytearray()

    async def serve(stream: SocketStream) -> None:
        async for piece in stream:
            got.extend(piece)

    async with served(serve) as port, on_http() as guest:
        request = await guest.request(port, method="post")
        body = await guest.method("outgoing-request.body", request)
        await guest.write(await guest.method("outgoing-body.write", body), b"abc")
        future = await guest.send(request)
        await guest.relay.drop(body)
        outcome = await guest.outcome(future)

        assert outcome.value.case == "internal-error"
    assert not got.endswith(b"0\r\n\r\n")


async def test_the_end_of_the_interfaces_ends_requests_and_closes_connections() -> None:
    begun, ended = anyio.Event(), anyio.Event()

    async def kept(stream: SocketStream) -> None:
        await answers(OK)(stream)
        async for _ in stream:
            raise AssertionError
        ended.set()

    async def silent(stream: SocketStream) -> None:
        await head_of(stream)
        begun.set()
        await stream.receive()

    async with served(kept) as one, served(silent) as two:
        async with on_http() as guest:
            answer = await guest.answer(await guest.request(one))
            assert await guest.body(answer) == b"hello"
            request = await guest.request(two, method="post")
            body = await guest.method("outgoing-request.body", request)
            out = await guest.method("outgoing-body.write", body)
            future = await guest.send(request)
            await begun.wait()
        assert future.outcome == Err(Variant("connection-terminated"))
        assert out.ready()
        with anyio.fail_after(5):
            await ended.wait()
