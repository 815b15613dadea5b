"""What a guest does with files, storage, the network and programs, beside plain Python.

The guest is the clerk of ``examples/clerk``: one message of it makes several calls of
the host, so a row is the whole errand, with every check, hand-over and close.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import anyio.abc

from airssys.actors.registry import Registry
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import (
    FilesystemGrants,
    NetworkGrants,
    ProcessGrants,
    StorageGrants,
)
from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.engine.instance import Instance
from airssys.host.offered import open_interfaces
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate

from .measure import BACKENDS, Effort, Row, Timed, awaited, compare, run_on

__all__ = ("rows",)

CLERK: Final = Path(__file__).parent.parent / "examples" / "clerk" / "clerk.wasm"
HANDLE: Final = "airssys:core/component-lifecycle@1.0.0#handle-message"
CONTENT: Final = b"a line of text\n" * 68
"""About a kibibyte."""
ECHO: Final = Path("/bin/echo").resolve()

_Order = Callable[[str], Awaitable[bytes]]


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _errands, effort, backend)


async def _errands(effort: Effort, backend: str) -> list[Row]:
    found = []
    with TemporaryDirectory() as made:
        file = Path(made).resolve() / "a.txt"
        file.write_bytes(CONTENT)
        async with _echo() as port, _clerk(file.parent, port) as order:
            for what, errand, gives, peer, plain in (
                (
                    "open, read and close 1 KiB",
                    f"read {file}",
                    CONTENT,
                    "anyio.open_file()",
                    _read(file),
                ),
                (
                    "connect, send and receive 1 KiB",
                    f"fetch 127.0.0.1 {port} {CONTENT.decode()}",
                    CONTENT,
                    "anyio.connect_tcp()",
                    _connect(port),
                ),
                (
                    "start /bin/echo and read what it prints",
                    f"run {ECHO} hello",
                    b"hello\n",
                    "anyio.run_process()",
                    _run(),
                ),
            ):
                mine = _doing(order, errand, gives)
                found += await compare(
                    effort, f"{what} ({backend})", mine, {peer: plain}
                )
            await order("keep a x")
            kept = _doing(order, "recall a", b"x")
            found += await compare(effort, f"a key of storage ({backend})", kept, {})
    return found


def _doing(order: _Order, errand: str, gives: bytes) -> Timed:
    return awaited(order, errand, gives=gives)


@asynccontextmanager
async def _clerk(folder: Path, port: int) -> AsyncIterator[_Order]:
    standing = Standing(
        Grants(
            filesystem=FilesystemGrants(read=[f"{folder}/*"]),
            network=NetworkGrants(outbound=[f"127.0.0.1:{port}"]),
            process=ProcessGrants(spawn=[str(ECHO)]),
            storage=StorageGrants(read=["**"], write=["**"]),
        )
    )
    registry, gate = Registry(), Gate()
    registry.register("clerk", standing=standing)
    component = await Engine().load(CLERK)
    limits = Limits(fuel=1_000_000_000, timeout=60.0)
    async with open_interfaces(registry, gate) as offered:
        with await component.instantiate(
            offered, limits=limits, grants=standing, actor="clerk", guard=gate
        ) as instance:
            yield _ordering(instance)


def _ordering(instance: Instance) -> _Order:
    someone = {"namespace": "", "name": "host", "instance": ""}

    async def order(errand: str) -> bytes:
        message: dict[str, Any] = {
            "sender": someone,
            "payload": errand.encode(),
            "correlation_id": None,
            "reply_to": None,
            "topic": None,
            "content_type": None,
            "timestamp": {"seconds": 0, "nanoseconds": 0},
        }
        answer: bytes = await instance.call(HANDLE, message)
        return answer

    return order


@asynccontextmanager
async def _echo() -> AsyncIterator[int]:
    """Serve connections: send back what comes first, and close."""

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            data = b""
            while len(data) < len(CONTENT):
                data += await stream.receive()
            await stream.send(data)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610
        tasks.cancel_scope.cancel()


def _read(file: Path) -> Timed:
    async def read() -> bytes:
        async with await anyio.open_file(file, "rb") as opened:
            return await opened.read()

    return awaited(read, gives=CONTENT)


def _connect(port: int) -> Timed:
    async def connect() -> bytes:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(CONTENT)
            data = b""
            while len(data) < len(CONTENT):
                data += await stream.receive()
            return data

    return awaited(connect, gives=CONTENT)


def _run() -> Timed:
    async def run() -> bytes:
        done = await anyio.run_process([os.fspath(ECHO), "hello"])
        return done.stdout

    return awaited(run, gives=b"hello\n")
