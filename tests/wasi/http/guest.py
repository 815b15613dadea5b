"""A guest that speaks HTTP, and servers on loopback that it talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final, TypeAlias, cast

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from attrs import define

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import NetworkGrants
from airssys.core.limits import Quota
from airssys.host.network import FixedResolver, Resolver, Tls
from airssys.host.offered import Facilities
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.wasi import open_interfaces
from airssys.witmodel.types import Ok, Variant

from ...relay import Relay, relay

LOOPBACK: Final = "127.0.0.1"
NAMES: Final = {"peer.example.com": [LOOPBACK], "inside.example.com": ["10.0.0.1"]}
ALL: Final = Grants(
    network=NetworkGrants(
        outbound=["127.0.0.0/8:*", "*.example.com:*"], resolve=["*.example.com"]
    )
)
OFFERED: Final = (
    *("wasi:io/error", "wasi:io/poll", "wasi:io/streams"),
    *("wasi:http/types", "wasi:http/outgoing-handler"),
)
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
Handler: TypeAlias = Callable[[SocketStream], Awaitable[object]]


def grants(*outbound: str) -> Grants:
    return Grants(network=NetworkGrants(outbound=outbound))


@define(eq=False)
class Guest:
    """A guest that passes calls on, with what it was granted."""

    relay: Relay
    standing: Standing
    recorder: Recorder

    async def __call__(self, function: str, *args: Any) -> Any:
        return await self.relay(function, *args)

    async def types(self, function: str, *args: Any) -> Any:
        """Call a function of ``wasi:http/types``."""
        return await self.relay(f"types#{function}", *args)

    async def method(self, name: str, *args: Any) -> Any:
        return await self.types(f"[method]{name}", *args)

    async def fails(self, name: str, *args: Any) -> Any:
        """Call a method that returns an error; return that."""
        with pytest.raises(WitError) as caught:
            await self.method(name, *args)
        return caught.value.value

    async def fields(self, *pairs: tuple[str, bytes]) -> Any:
        return await self.types("[static]fields.from-list", list(pairs))

    async def request(
        self,
        port: int,
        *headers: tuple[str, bytes],
        host: str = LOOPBACK,
        method: str = "get",
        scheme: str = "HTTP",
    ) -> Any:
        """Make a request that can be sent."""
        made = await self.types(
            "[constructor]outgoing-request", await self.fields(*headers)
        )
        await self.method("outgoing-request.set-method", made, Variant(method))
        await self.method("outgoing-request.set-scheme", made, Variant(scheme))
        await self.method("outgoing-request.set-authority", made, f"{host}:{port}")
        await self.method("outgoing-request.set-path-with-query", made, "/a?b=c")
        return made

    async def options(self, **seconds: float) -> Any:
        made = await self.types("[constructor]request-options")
        for name, each in seconds.items():
            setter = f"request-options.set-{name.replace('_', '-')}-timeout"
            await self.method(setter, made, int(each * 1e9))
        return made

    async def send(self, request: Any, options: Any = None) -> Any:
        return await self("outgoing-handler#handle", request, options)

    async def refused(self, request: Any) -> str:
        """Send what is refused at once; return the case."""
        with pytest.raises(WitError) as caught:
            await self.send(request)
        return cast("Variant", caught.value.value).case

    async def outcome(self, future: Any) -> Any:
        """Wait for an answer, and take it."""
        ready = await self.method("future-incoming-response.subscribe", future)
        await self("poll#[method]pollable.block", ready)
        got = await self.method("future-incoming-response.get", future)
        assert isinstance(got, Ok)
        return got.value

    async def answer(self, request: Any, options: Any = None) -> Any:
        outcome = await self.outcome(await self.send(request, options))
        assert isinstance(outcome, Ok), outcome
        return outcome.value

    async def failure(self, request: Any, options: Any = None) -> Variant:
        outcome = await self.outcome(await self.send(request, options))
        assert not isinstance(outcome, Ok), outcome
        return cast("Variant", outcome.value)

    async def opened(self, message: Any, kind: str = "incoming-response") -> Any:
        """Return a message's body, and the stream of it."""
        body = await self.method(f"{kind}.consume", message)
        return body, await self.method("incoming-body.stream", body)

    async def read(self, stream: Any) -> bytes:
        """Read to the end."""
        got = b""
        while True:
            try:
                got += await self(
                    "streams#[method]input-stream.blocking-read", stream, 2**16
                )
            except WitError as error:
                if error.value == Variant("closed"):
                    return got
                raise

    async def body(self, response: Any) -> bytes:
        _, stream = await self.opened(response)
        return await self.read(stream)

    async def write(self, stream: Any, content: bytes) -> None:
        await self(
            "streams#[method]output-stream.blocking-write-and-flush", stream, content
        )

    async def finish(self, body: Any, trailers: Any = None) -> None:
        await self.types("[static]outgoing-body.finish", body, trailers)

    async def code(self, error: WitError) -> Any:
        """Return the code of a stream that failed."""
        value = cast("Variant", error.value)
        assert value.case == "last-operation-failed"
        return await self.types("http-error-code", value.value)

    @property
    def denied(self) -> list[str]:
        return [f"{event.needed}: {event.reason}" for event in self.relay.denied]


@asynccontextmanager
async def on_http(
    granted: Grants | Standing = ALL,
    *,
    names: Mapping[str, Sequence[str]] | Resolver = NAMES,
    tls: Tls | None = None,
    quota: Quota | None = None,
    longest: float = 30.0,
    beside: int = 0,
) -> AsyncIterator[Any]:
    """Run a guest that may do what it was granted; with others beside it, several."""
    recorder = Recorder()
    gate = Gate(recorder)
    resolver = FixedResolver(names) if isinstance(names, Mapping) else names
    facilities = Facilities(resolver=resolver, tls=tls or Tls(), longest_wait=longest)
    with anyio.fail_after(60):
        async with (
            open_interfaces(gate, facilities) as offered,
            AsyncExitStack() as all_,
        ):
            chosen = [
                each for each in offered if each.name.partition("@")[0] in OFFERED
            ]
            guests = []
            for _ in range(1 + beside):
                budget = None if quota is None else Budget("acme/guest", quota)
                standing = granted
                if isinstance(standing, Grants):
                    standing = Standing(standing, budget)
                made = await all_.enter_async_context(
                    relay(chosen, grants=standing, recorder=recorder, guard=gate)
                )
                guests.append(Guest(made, standing, recorder))
            yield guests if beside else guests[0]


@asynccontextmanager
async def served(handle: Handler) -> AsyncIterator[int]:
    """Have a server on loopback do something with each connection."""

    async def one(stream: SocketStream) -> None:
        async with stream:
            # The guest may go at any moment.
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                await handle(stream)

    listener = await anyio.create_tcp_listener(local_host=LOOPBACK)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, one)
        yield listener.extra(SocketAttribute.local_port)  # noqa: S610 - it is no SQL
        tasks.cancel_scope.cancel()


async def head_of(stream: SocketStream, before: bytes = b"") -> tuple[bytes, bytes]:
    """Receive the head of a request, and what came with it."""
    got = before
    while b"\r\n\r\n" not in got:
        got += await stream.receive()
    head, _, rest = got.partition(b"\r\n\r\n")
    return head, rest


def answers(*texts: bytes, heard: list[bytes] | None = None) -> Handler:
    """Answer one request after the other on a connection, then close it."""

    async def handle(stream: SocketStream) -> None:
        rest = b""
        for text in texts:
            head, rest = await head_of(stream, rest)
            if heard is not None:
                heard.append(head)
            await stream.send(text)

    return handle
