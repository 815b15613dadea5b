"""The same application under hypercorn, on trio and asyncio, and under uvicorn."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import hypercorn.asyncio
import hypercorn.trio
import pytest
import uvicorn

from airssys import Component, Limits
from airssys.wasi import asgi, open_interfaces

from .guest import LOOPBACK

pytestmark = pytest.mark.guest

BACKENDS = [("hypercorn", "trio"), ("hypercorn", "asyncio"), ("uvicorn", "asyncio")]


@pytest.fixture(params=BACKENDS, ids="-".join)
def server_and_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def anyio_backend(server_and_backend: tuple[str, str]) -> str:
    return server_and_backend[1]


@pytest.fixture
def server(server_and_backend: tuple[str, str]) -> str:
    return "-".join(server_and_backend)


@asynccontextmanager
async def running(server: str, app: Any) -> AsyncIterator[int]:
    """Serve on a port of loopback."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(64)
        listener.settimeout(0)
        port = listener.getsockname()[1]
        stop = anyio.Event()
        made = uvicorn.Server(uvicorn.Config(app, log_config=None))
        async with anyio.create_task_group() as tasks:
            if server == "uvicorn-asyncio":
                tasks.start_soon(made.serve, [listener])
            else:
                config = hypercorn.Config()
                config.bind = [f"fd://{listener.detach()}"]
                config.graceful_timeout = 1
                serve: Any = (
                    hypercorn.trio.serve
                    if server == "hypercorn-trio"
                    else hypercorn.asyncio.serve
                )

                async def run() -> None:
                    await serve(app, config, shutdown_trigger=stop.wait, mode="asgi")

                tasks.start_soon(run)
            yield port
            stop.set()
            made.should_exit = True


@asynccontextmanager
async def served(server: str, service: Component, **options: Any) -> AsyncIterator[int]:
    options = {"limits": Limits(timeout=5), **options}
    with anyio.fail_after(20):
        async with (
            open_interfaces() as offered,
            running(server, asgi(service, offered, **options)) as port,
        ):
            yield port


async def ask(port: int, request: str, body: bytes = b"") -> bytes:
    """Send a request, and receive all that comes."""
    head, _, rest = request.partition("\n")
    lines = [f"{head} HTTP/1.1", "Host: x.example", "Connection: close"]
    lines += rest.splitlines()
    got = b""
    async with await anyio.connect_tcp(LOOPBACK, port) as stream:
        await stream.send("\r\n".join((*lines, "", "")).encode() + body)
        try:
            while True:
                got += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return got


def parts(answer: bytes) -> tuple[bytes, bytes]:
    """Return the status line and the body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


async def test_requests_are_answered(server: str, service: Component) -> None:
    async with served(server, service) as port:
        answer = await ask(port, "GET /whole")
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\nhello")
        answer = await ask(port, "HEAD /whole")
        assert b"content-length: 5" in answer.lower()
        assert answer.endswith(b"\r\n\r\n")
        assert parts(await ask(port, "GET /no-body"))[0].startswith(b"HTTP/1.1 204")
        assert parts(await ask(port, "GET /trap"))[0].startswith(b"HTTP/1.1 500")
        whole = bytes(range(256)) * 2000
        answer = await ask(port, f"POST /echo\nContent-Length: {len(whole)}", whole)
        assert answer.endswith(b"\r\n0\r\n\r\n")
        assert answer.count(bytes(range(256))) >= 1900


@pytest.mark.parametrize("path", ["/late-trap", "/unfinished", "/short"])
async def test_the_connection_of_an_answer_that_breaks_off_is_cut(
    server: str, service: Component, path: str
) -> None:
    async with served(server, service) as port:
        status, body = parts(await ask(port, f"GET {path}"))
        assert status.startswith(b"HTTP/1.1 200")
        assert b"hello" in body
        assert not body.endswith(b"0\r\n\r\n")
        # The server goes on.
        assert parts(await ask(port, "GET /"))[0].startswith(b"HTTP/1.1 200")


async def test_a_client_that_leaves_ends_the_guest(
    server: str, service: Component
) -> None:
    limits = Limits(timeout=60)
    async with served(server, service, size=1, limits=limits) as port:
        for path in ("/wait", "/endless"):
            async with await anyio.connect_tcp(LOOPBACK, port) as stream:
                await stream.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                if path == "/endless":
                    await stream.receive()
            # It would wait for its turn for a minute.
            assert parts(await ask(port, "GET /"))[0].startswith(b"HTTP/1.1 200")
