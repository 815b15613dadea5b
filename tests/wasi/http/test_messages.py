from __future__ import annotations

import gc
from typing import Any

import pytest

from airssys.core.errors import WitError
from airssys.wasi.http.body import IncomingBody
from airssys.wasi.http.fields import Fields
from airssys.wasi.http.message import (
    IncomingRequest,
    IncomingResponse,
    RequestOptions,
    ResponseOutparam,
)
from airssys.wasi.http.pipe import Pipe
from airssys.wasi.streams import IoError
from airssys.witmodel.types import Err, Ok, Variant

from ...operations import operation
from .guest import Guest, on_http

REQUEST = "outgoing-request."


async def outgoing(guest: Guest) -> Any:
    return await guest.types("[constructor]outgoing-request", await guest.fields())


def incoming(body: bytes = b"hello") -> IncomingRequest:
    pipe = Pipe()
    pipe.put_nowait(body)
    pipe.end()
    return IncomingRequest(
        Variant("other", "BREW"),
        Variant("HTTP"),
        "pot.example.com:81",
        "/tea?milk=no",
        Fields.received([("Accept-Additions", b"milk")]),
        IncomingBody(pipe),
    )


@operation(
    "wasi:http/types@0.2.12#[method]outgoing-request.authority",
    "wasi:http/types@0.2.12#[method]outgoing-request.method",
    "wasi:http/types@0.2.12#[method]outgoing-request.path-with-query",
    "wasi:http/types@0.2.12#[method]outgoing-request.scheme",
    allowed=True,
)
async def test_an_outgoing_request_is_what_was_set() -> None:
    async with on_http() as guest:
        request = await outgoing(guest)
        parts = ("method", "path-with-query", "scheme", "authority")
        before = [await guest.method(REQUEST + part, request) for part in parts]
        assert before == [Variant("get"), None, None, None]
        await guest.method(REQUEST + "set-method", request, Variant("other", "BREW"))
        await guest.method(REQUEST + "set-path-with-query", request, "/a?b={c}")
        await guest.method(REQUEST + "set-scheme", request, Variant("other", "coap+x"))
        await guest.method(REQUEST + "set-authority", request, "[::1]:81")

        assert [await guest.method(REQUEST + part, request) for part in parts] == [
            Variant("other", "BREW"),
            "/a?b={c}",
            Variant("other", "coap+x"),
            "[::1]:81",
        ]
        for part in parts[1:]:
            await guest.method(f"{REQUEST}set-{part}", request, None)
            assert await guest.method(REQUEST + part, request) is None


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("method", Variant("other", "GE T")),
        ("method", Variant("other", "")),
        ("method", Variant("other", "GET / HTTP/1.1\r\nx: y")),
        ("path-with-query", "no/slash"),
        ("path-with-query", "/a b"),
        ("path-with-query", "/a#b"),
        ("path-with-query", "/a\r\nx: y"),
        ("path-with-query", "/\u00e4"),
        ("path-with-query", "/" + "a" * 8192),
        ("scheme", Variant("other", "1http")),
        ("scheme", Variant("other", "ht tp")),
        ("authority", ""),
        ("authority", "user@example.com"),
        ("authority", "example.com:99999"),
        ("authority", "example.com:123456789"),
        ("authority", "example.com:x"),
        ("authority", "example.com/a"),
        ("authority", "example.com\r\nx: y"),
        ("authority", "[::1"),
        ("authority", "a b"),
    ],
)
async def test_bad_syntax_is_refused_and_changes_nothing(part: str, value: Any) -> None:
    async with on_http() as guest:
        request = await outgoing(guest)
        before = await guest.method(REQUEST + part, request)

        assert await guest.fails(f"{REQUEST}set-{part}", request, value) is None
        assert await guest.method(REQUEST + part, request) == before


@operation(
    "wasi:http/types@0.2.12#[method]fields.get",
    "wasi:http/types@0.2.12#[method]incoming-request.authority",
    "wasi:http/types@0.2.12#[method]incoming-request.consume",
    "wasi:http/types@0.2.12#[method]incoming-request.headers",
    "wasi:http/types@0.2.12#[method]incoming-request.method",
    "wasi:http/types@0.2.12#[method]incoming-request.path-with-query",
    "wasi:http/types@0.2.12#[method]incoming-request.scheme",
    allowed=True,
)
async def test_an_incoming_request_tells_what_came() -> None:
    async with on_http() as guest:
        request = incoming()
        found = [
            await guest.method(f"incoming-request.{part}", request)
            for part in ("method", "path-with-query", "scheme", "authority")
        ]
        fields = await guest.method("incoming-request.headers", request)

        assert found == [
            Variant("other", "BREW"),
            "/tea?milk=no",
            Variant("HTTP"),
            "pot.example.com:81",
        ]
        assert await guest.method("fields.get", fields, "accept-additions") == [b"milk"]
        immutable = Variant("immutable")
        assert await guest.fails("fields.append", fields, "a", b"") == immutable
        body = await guest.method("incoming-request.consume", request)
        assert await guest.fails("incoming-request.consume", request) is None
        stream = await guest.method("incoming-body.stream", body)
        assert await guest.fails("incoming-body.stream", body) is None
        assert await guest.read(stream) == b"hello"


async def test_a_request_that_is_dropped_lets_its_body_go() -> None:
    async with on_http() as guest:
        request = incoming()
        body = request.body
        assert body is not None
        left: list[bool] = []
        body.pipe.on_leave = lambda: left.append(True)
        body.pipe.ended = False
        await guest.relay.drop(request)

        assert left == [True]
        assert not body.pipe.held


async def test_an_answer_that_came_tells_its_status_and_fields() -> None:
    async with on_http() as guest:
        pipe = Pipe()
        pipe.end()
        answer = IncomingResponse(
            404, Fields.received([("x-a", b"1")]), IncomingBody(pipe)
        )

        assert await guest.method("incoming-response.status", answer) == 404
        fields = await guest.method("incoming-response.headers", answer)
        assert await guest.method("fields.get", fields, "X-A") == [b"1"]
        assert await guest.body(answer) == b""
        assert await guest.fails("incoming-response.consume", answer) is None
        await guest.relay.drop(answer)


@operation(
    "wasi:http/types@0.2.12#[constructor]request-options",
    "wasi:http/types@0.2.12#[method]request-options.between-bytes-timeout",
    "wasi:http/types@0.2.12#[method]request-options.connect-timeout",
    "wasi:http/types@0.2.12#[method]request-options.first-byte-timeout",
    "wasi:http/types@0.2.12#[method]request-options.set-between-bytes-timeout",
    "wasi:http/types@0.2.12#[method]request-options.set-connect-timeout",
    "wasi:http/types@0.2.12#[method]request-options.set-first-byte-timeout",
    allowed=True,
)
async def test_request_options_are_what_was_set() -> None:
    async with on_http() as guest:
        options = await guest.types("[constructor]request-options")
        for number, name in enumerate(("connect", "first-byte", "between-bytes")):
            part = f"{name}-timeout"
            assert await guest.method(f"request-options.{part}", options) is None
            await guest.method(f"request-options.set-{part}", options, number * 10**9)
            got = await guest.method(f"request-options.{part}", options)
            assert got == number * 10**9
            assert options.seconds(name.replace("-", "_"), 1.5) == min(number, 1.5)
            await guest.method(f"request-options.set-{part}", options, None)
            assert await guest.method(f"request-options.{part}", options) is None
        assert RequestOptions().seconds("connect", 7.0) == 7.0


@operation(
    "wasi:http/types@0.2.12#[constructor]outgoing-response",
    "wasi:http/types@0.2.12#[method]outgoing-response.set-status-code",
    "wasi:http/types@0.2.12#[method]outgoing-response.status-code",
    allowed=True,
)
async def test_an_outgoing_response_has_a_status_that_is_one() -> None:
    async with on_http() as guest:
        response = await guest.types(
            "[constructor]outgoing-response", await guest.fields()
        )
        assert await guest.method("outgoing-response.status-code", response) == 200
        await guest.method("outgoing-response.set-status-code", response, 418)
        for status in (0, 99, 600, 65535):
            failed = await guest.fails(
                "outgoing-response.set-status-code", response, status
            )
            assert failed is None

        assert await guest.method("outgoing-response.status-code", response) == 418


@operation(
    "wasi:http/types@0.2.12#[static]response-outparam.set",
    allowed=True,
)
async def test_an_answer_is_given_once() -> None:
    async with on_http() as guest:
        param = ResponseOutparam()
        response = await guest.types(
            "[constructor]outgoing-response", await guest.fields()
        )
        await guest.types("[static]response-outparam.set", param, Ok(response))
        assert param.answered.is_set()
        assert param.answer == Ok(response)
        other = ResponseOutparam()
        code = Variant("internal-error", None)
        await guest.types("[static]response-outparam.set", other, Err(code))
        assert other.answer == Err(code)
        given_up = ResponseOutparam()
        await guest.relay.drop(given_up)
        assert given_up.answered.is_set()
        assert given_up.answer is None


@operation(
    "wasi:http/types@0.2.12#[method]response-outparam.send-informational",
    allowed=True,
)
async def test_what_comes_before_an_answer_is_sent_where_the_server_can() -> None:
    sent: list[tuple[int, Any]] = []

    async def send(status: int, headers: Fields) -> bool:
        sent.append((status, headers.pairs))
        return status == 103

    name = "response-outparam.send-informational"
    async with on_http() as guest:
        param = ResponseOutparam()
        assert (await guest.fails(name, param, 103, await guest.fields())).value == (
            "the server cannot send it"
        )
        param.informational = send
        await guest.method(name, param, 103, await guest.fields(("link", b"</a>")))
        assert sent == [(103, (("link", b"</a>"),))]
        assert (await guest.fails(name, param, 102, await guest.fields())).value == (
            "the server cannot send it"
        )
        for status in (101, 200):
            failed = await guest.fails(name, param, status, await guest.fields())
            assert failed.case == "internal-error"
        assert len(sent) == 2


async def test_the_error_of_a_stream_has_a_code_where_it_is_of_http() -> None:
    async with on_http() as guest:
        code = Variant("HTTP-response-body-size", 3)

        assert await guest.types("http-error-code", IoError("x", code)) == code
        assert await guest.types("http-error-code", IoError("x")) is None
        assert await guest.types("http-error-code", IoError("x", "no code")) is None


async def test_what_requests_say_of_where_they_go_has_a_limit() -> None:
    set_path = f"{REQUEST}set-path-with-query"
    async with on_http() as guest:
        kept: list[Any] = [await outgoing(guest)]

        async def fill() -> None:
            while len(kept) < 10_000:
                # A text of its own for each, as a guest's are.
                await guest.method(set_path, kept[-1], "/" + "a" * 8000)
                kept.append(await outgoing(guest))

        with pytest.raises(WitError):
            await fill()
        assert len(kept) == 16 * 2**20 // 8001 + 1
        full = kept.pop()
        assert await guest.method(f"{REQUEST}path-with-query", full) is None
        # Another in its place takes no more, and none gives all of it back.
        await guest.method(set_path, kept[0], "/" + "b" * 8000)
        await guest.method(set_path, kept[0], None)
        await guest.method(set_path, full, "/" + "a" * 8000)
        assert await guest.fails(set_path, kept[0], "/" + "a" * 8000) is None
        await guest.relay.drop(kept.pop())
        gc.collect()
        await guest.method(set_path, kept[0], "/" + "a" * 8000)
