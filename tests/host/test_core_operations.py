"""Messaging and host services as a real guest uses them, allowed and refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from airssys.actors.inbox import Inbox
from airssys.actors.registry import Registry
from airssys.core.errors import WitError
from airssys.core.event import Logged
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import MessagingGrants
from airssys.host.guest_log import GuestLog
from airssys.host.host_services import HOST_SERVICES, host_services
from airssys.host.messaging import MESSAGING, messaging
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.witmodel.records import component_id
from airssys.witmodel.types import Err, Ok, Variant

from ..operations import operation
from ..relay import Relay, relay

pytestmark = pytest.mark.guest

ALL = Grants(
    messaging=MessagingGrants(
        send=["**"], request=["**"], publish=["#"], subscribe=["#"], receive=["**"]
    )
)
B = component_id("acme/b")


def said(*functions: str) -> list[str]:
    return [f"{MESSAGING}#{function}" for function in functions]


def served(*functions: str) -> list[str]:
    return [f"{HOST_SERVICES}#{function}" for function in functions]


@asynccontextmanager
async def among_actors(
    grants: Grants = ALL,
) -> AsyncIterator[tuple[Relay, Registry]]:
    """Run a guest that is the actor ``acme/a``; ``acme/b`` is a Python actor."""
    recorder = Recorder()
    gate = Gate(recorder)
    registry = Registry()
    standing = Standing(grants)
    registry.register("acme/a", standing=standing, config={"step": "2"})
    registry.register("acme/b")
    offered = [
        messaging(registry, gate),
        host_services(registry, guest_log=GuestLog(gate.emitter)),
    ]
    async with relay(
        offered, grants=standing, guard=gate, recorder=recorder, actor="acme/a"
    ) as guest:
        yield guest, registry


async def error(guest: Relay, function: str, *args: Any) -> Variant:
    with pytest.raises(WitError) as caught:
        await guest(function, *args)
    value = caught.value.value
    assert isinstance(value, Variant)
    return value


# --- messaging --------------------------------------------------------------------


@operation(*said("self-id", "send", "broadcast", "publish"), allowed=True)
async def test_a_guest_sends_and_publishes() -> None:
    async with among_actors() as (guest, registry):
        b = registry.entry("acme/b").mailbox
        registry.subscribe("orders.*", sender="acme/b")
        me = await guest("messaging#self-id")
        await guest("messaging#send", B, b"1")
        nobody = component_id("acme/c")
        first, second = await guest("messaging#broadcast", [B, nobody], b"2")
        await guest("messaging#publish", "orders.new", b"3")
        messages = [await Inbox(b).__anext__() for _ in range(3)]

    assert (me.namespace, me.name, me.instance) == ("acme", "a", "")
    assert [message.payload for message in messages] == [b"1", b"2", b"3"]
    assert {message.sender for message in messages} == {"acme/a"}
    assert first == Ok()
    assert isinstance(second, Err)
    assert second.value.case == "component-not-found"


@operation(*said("request", "send-request", "cancel-request"), allowed=True)
async def test_a_guest_asks_and_gives_up() -> None:
    async with among_actors() as (guest, registry):
        b = registry.entry("acme/b").mailbox

        async def answer() -> None:
            message = await Inbox(b).__anext__()
            await message.reply(message.payload * 2)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            assert await guest("messaging#request", B, b"1", 5000) == b"11"
        open_ = await guest("messaging#send-request", B, b"1", 5000)
        assert await guest("messaging#cancel-request", open_) is True
        assert await guest("messaging#cancel-request", open_) is False


@operation(*said("subscribe", "unsubscribe"), allowed=True)
async def test_a_guest_subscribes_until_it_does_not_want_to() -> None:
    async with among_actors() as (guest, registry):
        await guest("messaging#subscribe", "orders.#")
        assert await registry.publish("orders.new", b"1") == 1
        await guest("messaging#unsubscribe", "orders.#")
        assert await registry.publish("orders.new", b"1") == 0


NOT_WITHOUT_A_GRANT: dict[str, tuple[Any, ...]] = {
    "send": (B, b"1"),
    "request": (B, b"1", 5000),
    "send-request": (B, b"1", 5000),
    "publish": ("orders.new", b"1"),
    "subscribe": ("orders.#",),
}


@operation(*said(*NOT_WITHOUT_A_GRANT), allowed=False)
@pytest.mark.parametrize("operation", said(*NOT_WITHOUT_A_GRANT))
async def test_without_a_grant_nothing_is_sent(operation: str) -> None:
    function = operation.partition("#")[2]
    async with among_actors(Grants()) as (guest, registry):
        registry.subscribe("orders.*", sender="acme/b")
        arguments = NOT_WITHOUT_A_GRANT[function]
        refused = await error(guest, f"messaging#{function}", *arguments)

        assert refused.case == "denied"
        assert registry.entry("acme/b").mailbox.statistics().queued == 0
        assert await registry.publish("orders.new", b"1") == 1


@operation(*said("broadcast"), allowed=False)
async def test_a_broadcast_reaches_only_whom_a_grant_names() -> None:
    grants = Grants(messaging=MessagingGrants(send=["acme/c"]))
    async with among_actors(grants) as (guest, registry):
        c = registry.register("acme/c").mailbox
        targets = [B, component_id("acme/c")]
        refused, sent = await guest("messaging#broadcast", targets, b"1")

        assert refused.value.case == "denied"
        assert sent == Ok()
        assert (await Inbox(c).__anext__()).payload == b"1"
        assert registry.entry("acme/b").mailbox.statistics().queued == 0


# --- host services ----------------------------------------------------------------


@operation(
    *served("log", "current-time", "current-time-millis", "sleep-millis"),
    *served("random-bytes", "get-config"),
    allowed=True,
)
async def test_a_guest_logs_reads_clocks_waits_and_rolls_dice() -> None:
    async with among_actors(Grants()) as (guest, _):
        await guest("host-services#log", "info", "hello", [("key", "value")])
        before = await guest("host-services#current-time-millis")
        await guest("host-services#sleep-millis", 1)
        now = await guest("host-services#current-time")
        assert now.seconds * 1000 + now.nanoseconds // 1_000_000 >= before
        assert len(await guest("host-services#random-bytes", 16)) == 16
        assert await guest("host-services#get-config", "step") == "2"
        assert await guest("host-services#get-config", "other") is None
        (line,) = guest.recorder.of(Logged)

    assert (line.subject, line.message) == ("acme/a", "hello")


@operation(*served("list-components", "get-component-metadata"), allowed=True)
async def test_a_guest_sees_whom_it_may_send_to() -> None:
    listing = "host-services#list-components"
    about = "host-services#get-component-metadata"
    async with among_actors() as (guest, _):
        assert [one.name for one in await guest(listing)] == ["a", "b"]
        assert (await guest(about, B)).health.case == "unknown"
    async with among_actors(Grants()) as (guest, _):
        assert [one.name for one in await guest(listing)] == ["a"]
        assert (await error(guest, about, B)).case == "not-found"
