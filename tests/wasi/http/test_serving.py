"""A guest in C that does as the request's path says, as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest

from airssys import Component, Limits
from airssys.core.errors import GuestTrapped, InvalidComponent, QuotaExceeded
from airssys.core.grants.grants import Grants
from airssys.wasi import Context, asgi, open_interfaces
from airssys.wasi.http import instances
from airssys.wasi.http.answer import Answering
from airssys.wasi.http.fields import MOST_FIELDS, Fields

from .client import Client
from .guest import ALL, head_of, served
from .services import engine

pytestmark = pytest.mark.guest

LIMITS = Limits(timeout=5)
Serving = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def serving(service: Component) -> Serving:
    @asynccontextmanager
    async def made(**options: Any) -> AsyncIterator[Any]:
        options = {"limits": LIMITS, **options}
        with anyio.fail_after(20):
            async with open_interfaces() as offered:
                yield asgi(service, offered, **options)

    return made


async def get(app: Any, path: str, **options: Any) -> Client:
    return await Client(app, path, **options).run()


async def test_a_request_is_answered(serving: Serving) -> None:
    async with serving() as app:
        done = await get(app, "/")
        assert (done.status, done.fields, done.text) == (200, {}, b"hello")
        assert done.whole
        done = await get(app, "/path/%2Fa?b=c")
        assert done.text == b"/path/%2Fa?b=c"
        done = await get(app, "/path/\u00e4 b", scope={"raw_path": None})
        assert done.text == b"/path/%C3%A4%20b"
        done = await get(app, "/whole")
        assert done.fields == {b"content-length": b"5"}


async def test_a_body_goes_in_and_out(serving: Serving) -> None:
    pieces = tuple(bytes([number]) * 100_000 for number in range(20))
    async with serving() as app:
        done = await get(app, "/echo", method="POST", body=pieces)
        assert done.text == b"".join(pieces)
        assert done.whole


async def test_each_request_has_an_instance_of_its_own(serving: Serving) -> None:
    async with serving() as app:
        assert [(await get(app, "/count")).text for _ in range(3)] == [b"1"] * 3


async def test_an_instance_can_be_kept_until_it_fails(serving: Serving) -> None:
    async with serving(reuse=True, size=1) as app:
        assert [(await get(app, "/count")).text for _ in range(3)] == [b"1", b"2", b"3"]
        for fails in ("/trap", "/silent"):
            assert (await get(app, fails)).status == 500
            assert (await get(app, "/count")).text == b"1"
        async with anyio.create_task_group() as tasks:
            client = Client(app, "/wait")
            tasks.start_soon(client.run)
            await anyio.wait_all_tasks_blocked()
            client.leaves.set()
        assert client.sent == []
        assert (await get(app, "/count")).text == b"1"


@pytest.mark.parametrize("reuse", [False, True])
async def test_a_kept_guest_that_does_not_answer_may_be_one_that_answers_once(
    serving: Serving, *, reuse: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(reuse=reuse) as app:
        await get(app, "/silent")

    (record,) = caplog.records
    assert record.getMessage().endswith("try without reuse)") is reuse


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/trap", "unreachable"),
        ("/silent", "it gave no answer"),
        ("/leave", "it gave no answer"),
        ("/error", "it answered with the error internal-error"),
        ("/odd", "its answer has a content-length that is none"),
        ("/early", "its answer has the status 103"),
    ],
)
async def test_a_guest_that_does_not_answer_is_answered_for(
    serving: Serving, path: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as app:
        done = await get(app, path)
        assert (done.status, done.text, done.whole) == (500, b"", True)
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert record.getMessage().startswith("test/c: ")
        assert said in record.getMessage()


@pytest.mark.parametrize("path", ["/wait", "/spin"])
async def test_a_guest_that_takes_too_long_is_ended(
    serving: Serving, path: str
) -> None:
    async with serving(limits=Limits(timeout=0.1)) as app:
        assert (await get(app, path)).status == 504


async def test_there_is_a_time_limit_where_nobody_set_one(service: Component) -> None:
    app = asgi(service, ())
    assert app._instances.limits.timeout == 60


@pytest.mark.parametrize("path", ["/late-trap", "/unfinished", "/short", "/long"])
async def test_an_answer_that_breaks_off_does_not_end_well(
    serving: Serving, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as app:
        client = Client(app, path)
        with pytest.raises(GuestTrapped):
            await client.run()
        assert client.status == 200
        assert not client.whole
        assert "its answer broke off" in caplog.text


async def test_an_answer_without_a_body_that_says_it_has_one_fails(
    serving: Serving,
) -> None:
    async with serving() as app:
        assert (await get(app, "/empty")).status == 500


async def test_the_answer_to_head_has_no_body(serving: Serving) -> None:
    async with serving() as app:
        done = await get(app, "/whole", method="HEAD")
        assert done.fields == {b"content-length": b"5"}
        assert (done.text, done.whole) == (b"", True)
        assert (await get(app, "/empty", method="HEAD")).status == 200
        done = await get(app, "/no-body")
        assert (done.status, done.text, done.whole) == (204, b"", True)
        done = await get(app, "/204")
        assert (done.status, done.fields, done.text) == (204, {}, b"")
        assert done.whole


async def test_a_guest_cannot_split_an_answer(serving: Serving) -> None:
    async with serving() as app:
        done = await get(app, "/misbehave")
        assert done.text == b"10" * 4 + b"11" * 2
        assert done.fields == {}


async def test_what_is_the_connections_does_not_reach_the_guest(
    serving: Serving,
) -> None:
    headers = [(b"host", b"user@x"), (b"connection", b"x"), (b"x", b"1")]
    async with serving() as app:
        assert (await get(app, "/fields", headers=headers)).text == b"1"
        many = [(b"a", b"")] * (MOST_FIELDS + 1)
        assert (await get(app, "/", headers=many)).status == 431


async def test_a_guest_may_go_on_after_its_answer(serving: Serving) -> None:
    async with serving(reuse=True, size=1) as app:
        client = Client(app, "/afterwards")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.run)
            while not client.sent or not client.whole:
                await anyio.wait_all_tasks_blocked()
            client.leaves.set()  # it has what it wanted
        assert client.text == b"done"
        assert (await get(app, "/count")).text == b"8"


async def test_trailers_are_sent_where_the_server_can(serving: Serving) -> None:
    async with serving() as app:
        done = await get(app, "/trailers")
        assert (done.text, done.whole) == (b"hello", True)
        kind = "http.response.trailers"
        done = await get(app, "/trailers", extensions={kind: {}})
        assert done.sent[0]["trailers"] is True
        assert done.sent[-1] == {"type": kind, "headers": [(b"x-sum", b"42")]}
        done = await get(app, "/trailers", method="HEAD", extensions={kind: {}})
        assert (done.text, done.whole) == (b"", True)


# Clients.


async def test_a_client_that_leaves_ends_the_guest(serving: Serving) -> None:
    async with serving(reuse=True) as app, anyio.create_task_group() as tasks:
        for path in ("/wait", "/endless", "/echo"):
            client = Client(app, path, body=None if path == "/echo" else (b"",))
            tasks.start_soon(client.run)
            await anyio.wait_all_tasks_blocked()
            client.leaves.set()
            if path == "/echo":
                continue
            assert not client.sent or not client.whole


async def test_an_answer_waits_for_a_client_that_does_not_read(
    serving: Serving,
) -> None:
    async with serving() as app, anyio.create_task_group() as tasks:
        client = Client(app, "/endless")
        client.reads = anyio.Event()
        tasks.start_soon(client.run)
        while len(client.sent) < 2:
            await anyio.wait_all_tasks_blocked()
        await anyio.wait_all_tasks_blocked()
        assert len(client.sent) == 2
        tasks.cancel_scope.cancel()


async def test_no_more_requests_are_answered_at_once_than_there_may_be(
    serving: Serving,
) -> None:
    async with serving(size=1) as app, anyio.create_task_group() as tasks:
        first, second = Client(app, "/wait"), Client(app, "/count")
        gone = Client(app, "/count")
        for client in (first, gone, second):
            tasks.start_soon(client.run)
            await anyio.wait_all_tasks_blocked()
        assert second.sent == []
        gone.leaves.set()  # while it waits for its turn
        await anyio.wait_all_tasks_blocked()
        first.leaves.set()
        while not second.sent or not second.whole:
            await anyio.wait_all_tasks_blocked()
        assert gone.sent == first.sent == []


@pytest.mark.parametrize("path", ["/", "/endless", "/large", "/afterwards", "/echo"])
@pytest.mark.parametrize("gone", ["http.response.start", "http.response.body"])
async def test_a_server_may_say_that_the_client_has_left_where_the_answer_goes_out(
    serving: Serving, path: str, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [(b"a", b"")] * (MOST_FIELDS + 1) if path == "/large" else []
    async with serving() as app:
        client = Client(app, path, headers=headers, gone=gone)
        await client.run()
        assert not client.whole
        assert (await get(app, "/count")).text == b"1"
    assert not caplog.records


async def test_a_kept_guest_has_nothing_of_a_body_once_its_request_is_over(
    serving: Serving,
) -> None:
    async with serving(reuse=True, size=1) as app:
        done = await get(app, "/keep-body", method="POST", body=(b"secret",))
        assert done.text == b"kept"
        assert (await get(app, "/kept-body")).text == b"1"
        assert (await get(app, "/count")).text == b"3"


# Through to another server.


async def test_a_guest_passes_a_request_on_and_its_answer_back(
    serving: Serving,
) -> None:
    async def echo(stream: Any) -> None:
        _, rest = await head_of(stream)
        start = b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        await stream.send(start + rest)
        async for piece in stream:
            await stream.send(piece)

    pieces = tuple(bytes([number]) * 100_000 for number in range(20))
    async with served(echo) as port, serving(grants=ALL) as app:
        path = f"/proxy/127.0.0.1:{port}"
        done = await get(app, path, method="POST", body=pieces)
        assert (done.status, done.whole) == (202, True)
        assert done.text == b"".join(pieces)
    async with serving() as app:
        done = await get(app, "/proxy/127.0.0.1:80", method="POST")
        assert done.status == 500


# The application.


async def test_a_server_that_tells_of_its_start_has_instances_ahead(
    serving: Serving,
) -> None:
    told: list[Mapping[str, Any]] = []
    stop, made = anyio.Event(), 0

    async def receive() -> MutableMapping[str, Any]:
        if told:
            await stop.wait()
            return {"type": "lifespan.shutdown"}
        return {"type": "lifespan.startup"}

    async def send(message: Mapping[str, Any]) -> None:
        told.append(message)

    def context() -> Context:
        nonlocal made
        made += 1
        return Context()

    async with serving(context=context, size=3) as app:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, {"type": "lifespan"}, receive, send)
            while made < 3:
                await anyio.wait_all_tasks_blocked()
            assert (await get(app, "/count")).text == b"1"
            while made < 4:
                await anyio.wait_all_tasks_blocked()
            stop.set()
        assert [each["type"] for each in told] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]
        assert not app._instances._ready


async def test_what_answers_still_when_the_server_ends_is_not_kept(
    serving: Serving,
) -> None:
    async with serving(reuse=True, size=1) as app, anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as ahead:
            ahead.start_soon(app._instances.refill)
            await anyio.wait_all_tasks_blocked()
            client = Client(app, "/whole")
            client.reads = reads = anyio.Event()
            kept = app._instances._ready[0]
            tasks.start_soon(client.run)
            while not client.sent:
                await anyio.wait_all_tasks_blocked()
            ahead.cancel_scope.cancel()
        reads.set()
        while not client.whole:
            await anyio.wait_all_tasks_blocked()
        assert not app._instances._ready
        assert not kept.alive


async def test_a_component_that_cannot_start_fails_with_the_server(
    service: Component,
) -> None:
    told: list[Mapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Mapping[str, Any]) -> None:
        told.append(message)

    await asgi(service, ())({"type": "lifespan"}, receive, send)

    assert told[0]["type"] == "lifespan.startup.failed"
    assert "cannot be linked" in told[0]["message"]


async def test_only_http_is_served(serving: Serving) -> None:
    async with serving() as app:
        client = Client(app, scope={"type": "websocket"})
        with pytest.raises(NotImplementedError, match="do not serve 'websocket'"):
            await client.run()


async def test_what_serves_no_http_is_refused(service: Component) -> None:
    other = await engine().compile("(component)", name="test/other")
    with pytest.raises(InvalidComponent, match="does not export 'wasi:http/incoming"):
        asgi(other, ())
    with pytest.raises(ValueError, match="size: 0 is less than 1"):
        asgi(service, (), size=0)
    with pytest.raises(TypeError, match="size: 1.5 is no whole number"):
        asgi(service, (), size=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"a Context cannot be called .* lambda"):
        asgi(service, (), context=Context())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Grants or a Standing, not a dict"):
        asgi(service, (), grants={})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'ignore' is neither 'refuse' nor 'trap'"):
        asgi(service, (), missing="ignore")  # type: ignore[arg-type]


async def test_a_denied_guest_serves_all_the_same(serving: Serving) -> None:
    async with serving(grants=Grants()) as app:
        assert (await get(app, "/")).status == 200


async def test_a_host_without_room_says_so(serving: Serving) -> None:
    def context() -> Context:
        raise QuotaExceeded("the host", "room for instances", "0")

    async with serving(context=context) as app:
        assert (await get(app, "/")).status == 503


async def test_instances_are_made_ahead_again_once_there_is_room(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "_PAUSE", 0.001)
    tried = 0

    def context() -> Context:
        nonlocal tried
        tried += 1
        if tried in (2, 3):
            raise QuotaExceeded("the host", "room for instances", "1")
        return Context()

    async with serving(context=context, size=2) as app:
        await app.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app._instances.refill)
            while len(app._instances._ready) < 2:
                await anyio.wait_all_tasks_blocked()
            assert tried == 4
            tasks.cancel_scope.cancel()
        assert not app._instances._ready


async def test_hints_go_out_before_the_answer_where_the_server_can(
    serving: Serving,
) -> None:
    kind = "http.response.early_hint"
    links = Fields.received([("link", b"</a>")])
    async with serving() as app:
        client = Client(app, "/", extensions={kind: {}})
        answering = Answering(app._instances, app._export, {}, client._send)
        assert await answering._hint(103, links)
        assert client.sent == [{"type": kind, "links": [b"</a>"]}]
        assert not await answering._hint(102, links)
        assert not await answering._hint(103, Fields())
        left = Client(app, "/", gone=kind)
        answering = Answering(app._instances, app._export, {}, left._send)
        assert not await answering._hint(103, links)
        done = await client.run()
        assert done.text == b"hello"


@pytest.mark.parametrize("leaves", [True, False], ids=["the client", "the host"])
async def test_who_gives_an_answer_up_midway_hears_of_no_fault_of_the_guest(
    serving: Serving,
    leaves: bool,  # noqa: FBT001 - a parameter of the test
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as app:
        for _ in range(5):
            with anyio.CancelScope() as scope:

                async def passing(asked: Any, receive: Any, send: Any) -> None:
                    came = anyio.Event()
                    begun: list[Any] = []

                    async def receiving() -> Any:
                        if begun:
                            await came.wait()
                            return {"type": "http.disconnect"}
                        begun.append(1)
                        return {
                            "type": "http.request",
                            "body": b"x" * 1000,
                            "more_body": True,
                        }

                    async def sending(message: Any) -> None:
                        await send(message)
                        if message["type"] == "http.response.body":
                            came.set() if leaves else scope.cancel()

                    await app(asked, receiving, sending)

                client = Client(passing, "/echo", method="POST")
                await client.run()
            assert scope.cancelled_caught is not leaves
            assert client.text == b"x" * 1000
            assert not client.whole
        assert not caplog.records
        assert (await get(app, "/count")).text == b"1"
