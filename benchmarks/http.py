"""Serve HTTP with components, and pass bodies on through one.

Requests and bytes a second, client included. The server is another process, of
hypercorn on trio, on asyncio, or uvicorn.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import anyio
import psutil
from anyio.abc import SocketStream
from attrs import frozen

from airssys import Engine, Grants, Limits, NetworkGrants
from airssys.wasi import asgi, open_interfaces
from tests.guests.probe.build import ToolMissing
from tests.guests.serving.build import built

from .measure import Effort, Goal, Row

__all__ = ("rows",)

_SERVERS: Final = ("uvicorn", "hypercorn asyncio", "hypercorn trio")
_AT_ONCE: Final = 50
_INSTANCES: Final = 4
"""That are kept: more of what only computes would wait for each other."""
_BODY: Final = 64 * 2**20
_PIECE: Final = 256 * 1024
_LOOPBACK: Final = "127.0.0.1"
_END: Final = b"0\r\n\r\n"
_KEPT: Final = 400.0
_FRESH: Final = 250.0
_BYTES: Final = 200e6
"""What is to be reached: requests a second of CPython and of JavaScript, bytes a
second of a body, which goes through twice."""


def rows(effort: Effort) -> Iterator[Row]:
    """Measure."""
    for server in _SERVERS[: 1 if effort.quick else None]:
        for language, kept, goal in (
            ("c", False, None),
            ("c", True, None),
            ("python", True, _KEPT),
            ("javascript", False, _FRESH),
        ):
            try:
                component = built(language)
            except ToolMissing:
                continue
            with _serving(server, component, kept=kept) as there:
                # The first requests of an instance take longer.
                anyio.run(_requests, there.port, effort.seconds / 8)
                before = there.processor()
                count, seconds = anyio.run(_requests, there.port, effort.seconds / 2)
                each = (there.processor() - before) / count
            how = "kept" if kept else "fresh"
            yield Row(
                what=f"requests to {language} ({how}), {_AT_ONCE} at once, {server}",
                ours=count / seconds,
                unit="/s",
                beside=f"{each * 1e3:.2f} ms of the server's processor time each",
                goal=None
                if goal is None
                else Goal(limit=goal, of="ours", at_least=True),
            )
        yield from _proxied(server, effort)


def _proxied(server: str, effort: Effort) -> Iterator[Row]:
    with _echoing() as peer, _serving(server, built("c"), kept=False) as there:
        size = _BODY // (16 if effort.quick else 1)
        runs = 1 if effort.quick else 5
        before = there.processor()
        seconds = min(
            anyio.run(_through, there.port, peer.port, size, backend="asyncio")
            for _ in range(runs)
        )
        each = (there.processor() - before) / runs
    yield Row(
        what=f"a body of {size >> 20} MiB passed on and back, {server}",
        ours=2 * size / seconds / 1e6,
        unit="MB/s",
        goal=Goal(limit=_BYTES / 1e6, of="ours", at_least=True),
        beside=f"bytes in and bytes back; {each:.2f} s of the server's processor time",
    )


# The client.


async def _requests(port: int, length: float) -> tuple[int, float]:
    """Return how many requests are answered, and in how many seconds."""
    count, until = 0, 0.0

    async def ask(stream: SocketStream) -> None:
        request = b"GET /hello HTTP/1.1\r\nHost: x.example\r\n\r\n"
        await stream.send(request)
        got = await stream.receive()
        while not _whole(got):
            got += await stream.receive()
        assert got.startswith(b"HTTP/1.1 200"), got

    async def visit() -> None:
        nonlocal count
        async with await anyio.connect_tcp(_LOOPBACK, port) as stream:
            while perf_counter() < until:
                await ask(stream)
                count += 1

    begun = perf_counter()
    until = begun + length
    async with anyio.create_task_group() as tasks:
        for _ in range(_AT_ONCE):
            tasks.start_soon(visit)
    return count, perf_counter() - begun


def _whole(got: bytes) -> bool:
    """Tell whether an answer has come to its end."""
    head, _, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return got.endswith(_END) if length is None else len(body) >= int(length[1])


async def _through(port: int, there: int, size: int) -> float:
    """Return the seconds that a body takes through the proxy, and back."""
    head = (
        f"POST /proxy/{_LOOPBACK}:{there} HTTP/1.1\r\nHost: x.example\r\n"
        f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
    )
    async with await anyio.connect_tcp(_LOOPBACK, port) as stream:
        begun = perf_counter()

        async def send() -> None:
            await stream.send(head.encode())
            piece = bytes(_PIECE)
            for _ in range(size // _PIECE):
                await stream.send(piece)

        got, last = 0, b""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            while not last.endswith(_END):
                more = await stream.receive(2**18)
                got += len(more)
                last = (last + more)[-len(_END) :]
        assert got >= size, got
        return perf_counter() - begun


# The servers.


@frozen
class _Server:
    port: int
    process: int

    def processor(self) -> float:
        """Return the seconds of processor time that it has used."""
        used = psutil.Process(self.process).cpu_times()
        return float(used.user + used.system)


@contextmanager
def _process(*args: object) -> Iterator[_Server]:
    """Run a server in a process of its own, on a port that this one opened."""
    with (
        socket.create_server((_LOOPBACK, 0), backlog=256) as listener,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.http", *map(str, args)],
            stdin=listener.fileno(),
            stdout=subprocess.PIPE,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it is ready
            yield _Server(listener.getsockname()[1], process.pid)
        finally:
            process.kill()


def _serving(server: str, component: Path, *, kept: bool) -> Any:
    return _process(server, component, int(kept))


def _echoing() -> Any:
    return _process("echo")


async def _serve(server: str, component: str, kept: str) -> None:
    engine = Engine()
    limits = Limits(timeout=30, memories=3)
    grants = Grants(network=NetworkGrants(outbound=[f"{_LOOPBACK}:*"]))
    async with open_interfaces() as offered:
        app = asgi(
            await engine.load(component),
            offered,
            limits=limits,
            grants=grants,
            size=_INSTANCES if kept == "1" else _AT_ONCE,
            reuse=kept == "1",
            missing="trap",
        )
        print("ready", flush=True)
        listener = socket.socket(fileno=0)
        if server == "uvicorn":
            import uvicorn  # noqa: PLC0415 - each process needs one of them

            config = uvicorn.Config(app, log_level="error")
            await uvicorn.Server(config).serve([listener])
            return
        import hypercorn.asyncio  # noqa: PLC0415
        import hypercorn.trio  # noqa: PLC0415

        settings = hypercorn.Config()
        settings.bind, settings.errorlog = ["fd://0"], None
        backend: Any = hypercorn.trio if server.endswith("trio") else hypercorn.asyncio
        await backend.serve(
            app, settings, shutdown_trigger=anyio.sleep_forever, mode="asgi"
        )


def _echo() -> None:
    """Send each body back, as plain as can be: nothing but sockets."""
    listener = socket.socket(fileno=0)
    print("ready", flush=True)
    while True:
        peer, _ = listener.accept()
        with peer:
            buffer = memoryview(bytearray(2**18))
            count = peer.recv_into(buffer)
            got = bytes(buffer[:count])
            while b"\r\n\r\n" not in got:
                got += peer.recv(2**16)
            start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            rest = got.partition(b"\r\n\r\n")[2]
            peer.sendall(start + rest)
            last = rest[-5:]
            while not last.endswith(_END):
                count = peer.recv_into(buffer)
                if not count:
                    break
                peer.sendall(buffer[:count])
                last = (last + bytes(buffer[:count][-5:]))[-5:]


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        _echo()
    else:
        server, component, kept = sys.argv[1:]
        backend = "trio" if server.endswith("trio") else "asyncio"
        anyio.run(_serve, server, component, kept, backend=backend)
