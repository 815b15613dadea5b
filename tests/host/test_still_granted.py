"""What waits, or works in pieces, asks again whether it is still granted.

Each operation that can wait is in `WAITING`: how a guest comes to wait in it, and what
ends the wait once the guest has no grant any more. The others are in `AT_ONCE`.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeAlias, cast

import anyio
import pytest

from airssys.actors.inbox import Inbox
from airssys.actors.registry import Registry
from airssys.core.errors import WitError
from airssys.core.grants.grants import NO_GRANTS, Grants
from airssys.core.grants.sections import MessagingGrants, StorageGrants
from airssys.core.message import Overflow
from airssys.host.capabilities import CapabilitiesOperations
from airssys.host.host_services import HostServices
from airssys.host.messaging import MessagingOperations, messaging
from airssys.host.network.connection import ConnectionOperations
from airssys.host.network.resolve import Answer, FixedResolver
from airssys.host.network.socket import SocketOperations
from airssys.host.permissions import PermissionsOperations
from airssys.host.process.lifecycle import LifecycleOperations
from airssys.host.process.signals import SignalsOperations
from airssys.host.storage import StorageOperations, storage_interface
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.storage.memory import MemoryStorage
from airssys.testing import Recorder
from airssys.witmodel.records import component_id
from airssys.witmodel.types import Err, Variant

from ..relay import relay
from .network import guest as net
from .process import guest as proc

pytestmark = pytest.mark.guest

Ready: TypeAlias = tuple[Callable[[], Awaitable[Any]], Callable[[], Any], Standing]
"""A call that will wait, what ends its wait, and what the guest may do."""
Prepare: TypeAlias = Callable[[AsyncExitStack], Awaitable[Ready]]


# --- the network ------------------------------------------------------------------


def reading(method: str, *args: object, before: bytes = b"") -> Prepare:
    async def prepare(stack: AsyncExitStack) -> Ready:
        server, _ = stack.enter_context(net.listening())
        guest = await stack.enter_async_context(net.on_network())
        end, peer = await guest.connected(server)
        if before:
            peer.sendall(before)
        name = f"socket#[method]tcp-socket.{method}"
        return (
            lambda: guest(name, end, *args),
            lambda: peer.sendall(b"x"),
            (guest.standing),
        )

    return prepare


def writing(method: str) -> Prepare:
    async def prepare(stack: AsyncExitStack) -> Ready:
        server, _ = stack.enter_context(net.listening())
        guest = await stack.enter_async_context(net.on_network())
        end, peer = await guest.connected(server)
        peer.settimeout(0)
        name = f"socket#[method]tcp-socket.{method}"
        data = bytes(4_000_000)
        # Until nothing more goes out, also when a delayed acknowledgement has come.
        went = 1
        while went:
            went = 0
            with suppress(BlockingIOError):
                while True:
                    went += end.raw.send(data)
            await anyio.sleep(0.2)

        async def drain() -> None:
            for _ in range(200):
                try:
                    while peer.recv(1_000_000):
                        pass
                except BlockingIOError:
                    await anyio.sleep(0.001)

        return lambda: guest(name, end, data), drain, guest.standing

    return prepare


def datagram(method: str, *, connected: bool) -> Prepare:
    async def prepare(stack: AsyncExitStack) -> Ready:
        peer, port = stack.enter_context(net.receiving())
        guest = await stack.enter_async_context(net.on_network())
        end = await guest.udp()
        if connected:
            await guest("socket#[method]udp-socket.connect", end, net.to(port))
        else:
            await guest("socket#[method]udp-socket.bind", end, net.at(0))
        own = (net.LOOPBACK, end.raw.getsockname()[1])
        name = f"socket#[method]udp-socket.{method}"
        return (
            lambda: guest(name, end, 100),
            lambda: peer.sendto(b"x", own),
            guest.standing,
        )

    return prepare


async def accepting(stack: AsyncExitStack) -> Ready:
    guest = await stack.enter_async_context(net.on_network())
    end = await guest.tcp()
    await guest("socket#[method]tcp-socket.bind", end, net.at(0))
    await guest("socket#[method]tcp-socket.listen", end, 1)
    port = end.raw.getsockname()[1]
    peer = stack.enter_context(socket.socket())
    return (
        lambda: guest("socket#[method]tcp-socket.accept", end),
        lambda: peer.connect((net.LOOPBACK, port)),
        guest.standing,
    )


class Slow:
    """Answers once it is told to."""

    def __init__(self) -> None:
        self.known = FixedResolver(cast("Any", net.NAMES))
        self.told = anyio.Event()

    async def lookup(self, name: str, *, asker: str = "") -> Answer:
        await self.told.wait()
        return await self.known.lookup(name, asker=asker)

    async def reverse(self, *_: object, **__: object) -> str:
        await self.told.wait()
        return "peer.example.com"


def looking_up(function: str, *args: object, first: str = "") -> Prepare:
    async def prepare(stack: AsyncExitStack) -> Ready:
        _, port = stack.enter_context(net.listening())
        resolver = Slow()
        guest = await stack.enter_async_context(net.on_network(names=resolver))
        given: list[object] = [
            net.named("peer.example.com", port) if each == "endpoint" else each
            for each in args
        ]
        if first == "tcp":
            given.insert(0, await guest.tcp())
        elif first == "udp":
            given.insert(0, await guest.udp())
        elif first == "pool":
            given.insert(0, await guest("connection#create-pool", 1, 1000))
        return lambda: guest(function, *given), resolver.told.set, guest.standing

    return prepare


async def shaking_hands(stack: AsyncExitStack) -> Ready:
    server, _ = stack.enter_context(net.listening())
    guest = await stack.enter_async_context(net.on_network())
    end, peer = await guest.connected(server)
    return (
        lambda: guest("connection#upgrade-to-tls", end, net.LOOPBACK, *(True,)),
        lambda: peer.sendall(b"\x16\x03"),
        guest.standing,
    )


# --- programs ---------------------------------------------------------------------


def child(
    function: str, *args: object, what: str = "read line", on: str = ""
) -> Prepare:
    """Wait for a child of which something comes once it is given a line."""

    async def prepare(stack: AsyncExitStack) -> Ready:
        guest = await stack.enter_async_context(proc.open_guest())
        made = await guest.shell(what, inherit_stdin=True)
        if "trap" in what:
            await guest.line(made)
        given: list[object] = []
        if on == "child":
            given = [made]
        elif on == "watch":
            given = [await guest("signals#on-terminate", made)]
        feed = made.stdin
        assert feed is not None
        return (
            lambda: guest(function, *given, *args),
            lambda: feed.write(b"line\n", lambda: None),
            guest.standing,
        )

    return prepare


async def feeding(stack: AsyncExitStack) -> Ready:
    guest = await stack.enter_async_context(proc.open_guest())
    made = await guest.shell("sleep 0.2; cat > /dev/null", inherit_stdin=True)
    name = "lifecycle#[method]child.write-stdin"
    return (
        lambda: guest(name, made, bytes(1_000_000)),
        lambda: None,
        guest.standing,
    )


# --- storage and messages ---------------------------------------------------------


class Gated(MemoryStorage):
    """Gives nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.told = anyio.Event()

    async def get(self, namespace: str, key: str) -> bytes | None:
        await self.told.wait()
        return await super().get(namespace, key)

    async def exists(self, namespace: str, key: str) -> bool:
        await self.told.wait()
        return await super().exists(namespace, key)

    async def keys(self, *args: Any, **more: Any) -> list[str]:
        await self.told.wait()
        return list(await super().keys(*args, **more))


def storing(function: str, *args: object) -> Prepare:
    async def prepare(stack: AsyncExitStack) -> Ready:
        store, recorder = Gated(), Recorder()
        await MemoryStorage.set(store, "acme/guest", "k", b"v")
        own = ["component:self/**"]
        standing = Standing(
            Grants(storage=StorageGrants(read=own, write=own, delete=own))
        )
        gate = Gate(recorder)
        guest = await stack.enter_async_context(
            relay([storage_interface(store, gate)], grants=standing, guard=gate)
        )

        async def tell() -> None:
            store.told.set()

        async def unchanged() -> None:
            assert await MemoryStorage.get(store, "acme/guest", "k") == b"v"
            assert await MemoryStorage.get(store, "acme/guest", "new") is None

        stack.push_async_callback(unchanged)
        return lambda: guest(f"storage#{function}", *args), tell, standing

    return prepare


def telling(function: str, *args: object, full: bool = True) -> Prepare:
    """Wait for room in a mailbox, or for an answer."""

    async def prepare(stack: AsyncExitStack) -> Ready:
        registry, recorder = Registry(), Recorder()
        every = ["**"]
        standing = Standing(
            Grants(
                messaging=MessagingGrants(
                    send=every, request=every, publish=["#"], receive=every
                )
            )
        )
        gate = Gate(recorder)
        registry.register("a", standing=standing)
        mailbox = registry.register("b", capacity=1).mailbox
        registry.subscribe("t", sender="b", overflow=Overflow.WAIT)
        if full:
            await registry.send("b", b"first")
        guest = await stack.enter_async_context(
            relay([messaging(registry, gate)], grants=standing, guard=gate, actor="a")
        )

        async def take() -> None:
            message = await Inbox(mailbox).__anext__()
            if not full:
                await message.reply(b"answer")
            await anyio.wait_all_tasks_blocked()
            assert mailbox.statistics().queued == 0

        return lambda: guest(f"messaging#{function}", *args), take, standing

    return prepare


B = component_id("b")
SOCKET, CONNECTION = "socket#[method]", "connection#"
CHILD = "lifecycle#[method]child."
WAITING: dict[str, Prepare] = {
    "[method]tcp-socket.accept": accepting,
    "[method]tcp-socket.send": writing("send"),
    "[method]tcp-socket.send-all": writing("send-all"),
    "[method]tcp-socket.receive": reading("receive", 100),
    "[method]tcp-socket.receive-all": reading("receive-all", 100, before=b"12345"),
    "[method]udp-socket.connect": looking_up(
        "socket#[method]udp-socket.connect", "endpoint", first="udp"
    ),
    "[method]udp-socket.receive": datagram("receive", connected=True),
    "[method]udp-socket.receive-from": datagram("receive-from", connected=False),
    "resolve-hostname": looking_up("connection#resolve-hostname", "peer.example.com"),
    "resolve-hostname-single": looking_up(
        "connection#resolve-hostname-single", "peer.example.com", 80, "tcp-stream"
    ),
    "reverse-lookup": looking_up(
        "connection#reverse-lookup", Variant("ipv4", (127, 0, 0, 1))
    ),
    "connect": looking_up("connection#connect", "endpoint", first="tcp"),
    "connect-with-retry": looking_up(
        "connection#connect-with-retry", "endpoint", 3, 10, first="tcp"
    ),
    "upgrade-to-tls": shaking_hands,
    "[method]connection-pool.pool-acquire": looking_up(
        "connection#[method]connection-pool.pool-acquire", "endpoint", first="pool"
    ),
    "[method]child.wait": child(f"{CHILD}wait", on="child"),
    "[method]child.wait-with-timeout": child(
        f"{CHILD}wait-with-timeout", 5.0, on="child"
    ),
    "[method]child.join": child(f"{CHILD}join", on="child"),
    "wait-any-child": child("lifecycle#wait-any-child"),
    "wait-any-child-with-timeout": child("lifecycle#wait-any-child-with-timeout", 5.0),
    "[method]child.read-stdout": child(
        f"{CHILD}read-stdout", 100, what="read line; echo $line", on="child"
    ),
    "[method]child.read-stderr": child(
        f"{CHILD}read-stderr", 100, what="read line; echo $line >&2", on="child"
    ),
    "[method]child.write-stdin": feeding,
    "[method]handler.wait-event": child(
        "signals#[method]handler.wait-event", None, on="watch"
    ),
    "graceful-shutdown": child(
        "signals#graceful-shutdown",
        5.0,
        what="trap '' TERM; echo set; read line",
        on="child",
    ),
    "get": storing("get", "k"),
    "set": storing("set", "new", b"1"),
    "delete": storing("delete", "k"),
    "exists": storing("exists", "k"),
    "list-keys": storing("list-keys", None),
    "compare-and-set": storing("compare-and-set", "k", b"v", b"2"),
    "send": telling("send", B, b"x"),
    "request": telling("request", B, b"x", 5000, full=False),
    "send-request": telling("send-request", B, b"x", 5000),
    "broadcast": telling("broadcast", [B, B], b"x"),
    "publish": telling("publish", "t", b"x"),
}
FREE = "needs no grant"
PIECES = "begins again where the grants changed: tests/host/test_pieces.py"
KEEPER = "waits for the answer of the host's own keeper, some microseconds"
AT_ONCE: dict[str, str] = {
    "usage": FREE,
    "granted": PIECES,
    "list-components": PIECES,
    "check-file-read": FREE,
    "check-file-write": FREE,
    "check-file-delete": FREE,
    "check-directory-list": FREE,
    "sleep-millis": FREE,
    "[method]udp-socket.send": "a datagram goes out at once, or is lost",
    "[method]udp-socket.send-to": "a datagram goes out at once, or is lost",
    "spawn": "tests/host/process/test_launch.py",
    "spawn-in-directory": "as spawn",
    "spawn-with-environment": "as spawn",
    "spawn-with-limits": "as spawn",
    "graceful-shutdown-group": "as graceful-shutdown",
    "emergency-kill": "nothing holds up SIGKILL",
    "emergency-kill-group": "nothing holds up SIGKILL",
    "[method]child.get-status": KEEPER,
    "[method]child.get-resource-limits": KEEPER,
    "[method]child.get-resource-usage": KEEPER,
    "[method]child.set-resource-limits": KEEPER,
    "[method]child.terminate": KEEPER,
    "[method]child.kill": KEEPER,
    "send-term": KEEPER,
    "send-kill": KEEPER,
    "send-int": KEEPER,
    "send-stop": KEEPER,
    "send-cont": KEEPER,
    "send-hup": KEEPER,
    "send-signal": KEEPER,
    "send-raw-signal": KEEPER,
    "send-signal-group": KEEPER,
}
"""Operations that are an ``async def``, and why they are not in `WAITING`."""


@asynccontextmanager
async def prepared(prepare: Prepare) -> AsyncIterator[Ready]:
    async with AsyncExitStack() as stack:
        yield await prepare(stack)


@pytest.mark.parametrize("operation", WAITING)
async def test_a_call_that_waits_is_refused_once_its_grant_is_gone(
    operation: str,
) -> None:
    outcome: list[object] = []
    with anyio.fail_after(10):
        async with prepared(WAITING[operation]) as (call, end, standing):

            async def run() -> None:
                try:
                    outcome.append(await call())
                except WitError as error:
                    outcome.append(error.value)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                await anyio.sleep(0.05)
                assert outcome == [], "it does not wait"
                standing.grants = NO_GRANTS
                ended = end()
                if inspect.isawaitable(ended):
                    await ended

    (refused,) = outcome
    if operation == "broadcast":
        assert isinstance(refused, list)
        assert {each.value.case for each in refused if isinstance(each, Err)} == {
            "denied"
        }
        assert len(refused) == 2
        return
    assert isinstance(refused, Variant), refused
    assert refused.case in {"denied", "permission-denied"}, refused


def test_every_operation_that_can_wait_is_known() -> None:
    found = {
        name
        for operations in (
            MessagingOperations,
            StorageOperations,
            HostServices,
            PermissionsOperations,
            CapabilitiesOperations,
            SocketOperations,
            ConnectionOperations,
            LifecycleOperations,
            SignalsOperations,
        )
        for body in vars(operations).values()
        if inspect.iscoroutinefunction(body)
        for name in getattr(body, "__airssys_operation__", ((), None))[0]
    }

    assert found == WAITING.keys() | AT_ONCE.keys()
    assert not WAITING.keys() & AT_ONCE.keys()
