"""A program of CPython's own ``socket``, built without any thought of airssys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc
import pytest
from attrs import define

from airssys.core.event import Denied
from airssys.core.grants.grants import NO_GRANTS, Grants
from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.engine.instance import Instance
from airssys.host.network import FixedResolver
from airssys.host.offered import Facilities
from airssys.hostcalls.call import Call
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.testing import Recorder
from airssys.wasi import open_interfaces

from ...guests.probe import build
from ...host.network.guest import listening, reached
from .guest import ALL, NAMES, grants

pytestmark = [pytest.mark.guest, pytest.mark.slow]

GUEST: Final = Path(__file__).parents[2] / "guests" / "network"
LIMITS: Final = Limits(memory=64 * 2**20, memories=3, timeout=30.0)
LOCAL_PORT: Final = anyio.abc.SocketAttribute.local_port
PREOPENS: Final = "wasi:filesystem/preopens@0.2.12"


@pytest.fixture(scope="module")
def built() -> Path:
    """Build the guest, once."""
    try:
        return build.python(GUEST / "app.py", GUEST / "wit", "net")
    except build.ToolMissing as missing:
        pytest.skip(f"no guest in Python: {missing}")


def no_folders() -> HostInterface:
    """Offer a file system with nothing in it: CPython looks for its folders."""
    interface = HostInterface(PREOPENS)

    @interface.function
    def get_directories(_: Call) -> list[object]:
        return []

    return interface


@define(eq=False)
class Program:
    """The guest at work."""

    instance: Instance
    recorder: Recorder

    async def __call__(self, function: str, *args: Any) -> str:
        text: str = await self.instance.call(function, *args)
        return text

    @property
    def denied(self) -> list[str]:
        return [event.needed for event in self.recorder.of(Denied)]


@asynccontextmanager
async def running(built: Path, granted: Grants) -> AsyncIterator[Program]:
    made = await Engine().load(built, name="acme/net")
    recorder = Recorder()
    gate = Gate(recorder)
    facilities = Facilities(resolver=FixedResolver(NAMES))
    with anyio.fail_after(60):
        async with open_interfaces(gate, facilities) as offered:
            others = [each for each in offered if each.name != PREOPENS]
            with await made.instantiate(
                (*others, no_folders()),
                missing="trap",
                grants=granted,
                guard=gate,
                limits=LIMITS,
            ) as instance:
                yield Program(instance, recorder)


async def backwards(stream: anyio.abc.ByteStream) -> None:
    """Answer with what came, turned round."""
    async with stream:
        got = b"".join([piece async for piece in stream])
        await stream.send(got[::-1])


@asynccontextmanager
async def answering() -> AsyncIterator[int]:
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, backwards)
        yield listener.extra(LOCAL_PORT)  # noqa: S610 - not Django's
        tasks.cancel_scope.cancel()


async def test_it_connects_by_name_and_by_address(built: Path) -> None:
    async with running(built, ALL) as program, answering() as port:
        assert await program("fetch", "peer.example.com", port, "hello") == "olleh"
        big = "0123456789" * 20_000
        assert await program("fetch", "127.0.0.1", port, big) == big[::-1]
        assert await program("names", "both.example.com") == "10.0.0.1 192.0.43.8"
        assert program.denied == []


async def test_it_tells_why_a_connection_failed(built: Path) -> None:
    with listening() as (_, port):
        pass
    async with running(built, ALL) as program:
        refused = await program("fetch", "127.0.0.1", port, "hello")

        assert refused.startswith("ConnectionRefusedError")


async def test_it_serves(built: Path) -> None:
    with listening() as (_, port):
        pass
    async with running(built, ALL) as program, anyio.create_task_group() as tasks:
        answers: list[bytes] = []

        async def client() -> None:
            async with await reached(port) as stream:
                await stream.send(b"shout")
                await stream.send_eof()
                answers.append(await stream.receive())

        tasks.start_soon(client)
        assert await program("serve", port) == "shout"
    assert answers == [b"SHOUT"]


async def test_it_sends_and_receives_datagrams(built: Path) -> None:
    async with (
        running(built, grants(outbound=["127.0.0.1:*"])) as program,
        await anyio.create_udp_socket(local_host="127.0.0.1") as box,
        anyio.create_task_group() as tasks,
    ):

        async def answer() -> None:
            data, address = await box.receive()
            await box.sendto(data[::-1], *address)

        tasks.start_soon(answer)
        port = box.extra(LOCAL_PORT)  # noqa: S610 - not Django's

        assert await program("datagram", "127.0.0.1", port, "abc") == "cba"


CALLS: Final[dict[str, tuple[Any, ...]]] = {
    "fetch": ("127.0.0.1", 80, "hello"),
    "names": ("peer.example.com",),
    "serve": (8080,),
    "datagram": ("127.0.0.1", 80, "hello"),
}


@pytest.mark.parametrize("function", CALLS)
async def test_without_grants_it_starts_and_reaches_nothing(
    built: Path, function: str
) -> None:
    async with running(built, NO_GRANTS) as program:
        said = await program(function, *CALLS[function])

        assert said.startswith("PermissionError")
        assert len(program.denied) == 1


async def test_a_cancelled_wait_ends_at_once(built: Path) -> None:
    with listening() as (server, port):
        async with running(built, ALL) as program:
            start = anyio.current_time()
            with anyio.move_on_after(0.2) as scope:
                await program("fetch", "127.0.0.1", port, "nobody answers")
            assert scope.cancelled_caught
            assert anyio.current_time() - start < 2
        peer, _ = server.accept()
        with peer:
            peer.settimeout(5)
            while peer.recv(100):  # the guest's end is closed
                pass
