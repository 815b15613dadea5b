"""Tricks with topics and ids: a guest tries to reach whom it may not talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from airssys.actors.registry import Registry
from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import MessagingGrants
from airssys.host.messaging import MESSAGING, messaging
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.witmodel.types import Variant

from ..relay import Relay, relay

pytestmark = pytest.mark.guest

GRANTS = Grants(
    messaging=MessagingGrants(
        send=["acme/c"],
        request=["acme/c"],
        publish=["orders.*", "exact"],
        subscribe=["orders.*", "exact"],
    )
)
PUBLISHED: tuple[str, ...] = (
    # patterns where a topic belongs
    "orders.*",
    "orders.#",
    "#",
    "*",
    # not quite a topic
    "",
    ".",
    "orders.",
    ".orders.new",
    "orders..new",
    "orders.new.",
    "orders.n\0w",
    "orders.new\nbilling",
    "orders." + "x" * 5000,
    # other topics
    "orders",
    "orders.new.paid",
    "ORDERS.new",
    "оrders.new",  # noqa: RUF001 - a Cyrillic letter
    "orders．new",  # noqa: RUF001 - a full-width dot
    "orders/new",
    "billing.new",
    "exact.more",
    "Exact",
)
SUBSCRIBED: tuple[str, ...] = (
    # wider than the grant
    "#",
    "*",
    "*.*",
    "*.new",
    "#.new",
    "orders.#",
    "orders.#.new",
    "orders.*.#",
    "orders.*.*",
    "exact.#",
    "#.exact",
    # no patterns
    "",
    "orders..*",
    "orders.**",
    "orders.n*",
    "{orders,billing}.new",
    "[ob]*.new",
    "orders.\0",
    "orders." + "x" * 5000,
    # other topics
    "billing.new",
    "ORDERS.*",
    "оrders.*",  # noqa: RUF001 - a Cyrillic letter
)


def ident(namespace: str, name: str, instance: str = "") -> dict[str, str]:
    return {"namespace": namespace, "name": name, "instance": instance}


ADDRESSED: tuple[dict[str, str], ...] = (
    ident("acme", "b"),
    ident("", "acme/b"),
    ident("acme/b", ""),
    ident("acme", "*"),
    ident("acme", "{b,c}"),
    ident("acme", "c/../b"),
    ident("acme", "c#1/../b"),
    ident("acme", "c", "1/../b"),
    ident("acme", "C"),
    ident("acme", "с"),  # noqa: RUF001 - a Cyrillic letter
    ident("acme", "c\0"),
    ident("acme", ""),
    ident("", "c"),
    ident("", ""),
)


@asynccontextmanager
async def confined() -> AsyncIterator[tuple[Relay, Registry]]:
    """Run a guest among others; ``spy`` listens to every topic."""
    recorder = Recorder()
    gate = Gate(recorder)
    registry = Registry()
    standing = Standing(GRANTS)
    for actor in ("acme/b", "acme/c", "c", "spy"):
        registry.register(actor)
    registry.register("acme/a", standing=standing)
    registry.subscribe("#", sender="spy")
    async with relay(
        [messaging(registry, gate)],
        grants=standing,
        guard=gate,
        recorder=recorder,
        actor="acme/a",
    ) as guest:
        yield guest, registry


def arrived(registry: Registry) -> dict[str, int]:
    """Return how many messages have arrived, by actor."""
    waiting = {
        actor: registry.entry(actor).mailbox.statistics().queued
        for actor in registry.ids
    }
    return {actor: count for actor, count in waiting.items() if count}


async def refused(guest: Relay, function: str, *arguments: Any) -> None:
    """Have the guest try something that is refused, and audited."""
    with pytest.raises(WitError) as caught:
        await guest(f"messaging#{function}", *arguments)
    assert isinstance(caught.value.value, Variant)
    assert caught.value.value.case in {"denied", "invalid-message"}
    (event,) = guest.denied
    assert event.subject == "acme/a"
    assert event.operation == f"{MESSAGING}#{function}"
    assert len(event.needed) + len(event.reason) < 3000


@pytest.mark.parametrize("topic", PUBLISHED, ids=lambda topic: ascii(topic)[:40])
async def test_nothing_is_published_elsewhere(topic: str) -> None:
    async with confined() as (guest, registry):
        await refused(guest, "publish", topic, b"x")

        assert arrived(registry) == {}


@pytest.mark.parametrize("pattern", SUBSCRIBED, ids=lambda pattern: ascii(pattern)[:40])
async def test_nothing_else_is_heard(pattern: str) -> None:
    async with confined() as (guest, registry):
        await refused(guest, "subscribe", pattern)
        for topic in ("orders.new", "orders.new.paid", "billing.new", "exact"):
            await registry.publish(topic, b"x")

        assert arrived(registry) == {"spy": 4}


@pytest.mark.parametrize("function", ["send", "request", "send-request"])
@pytest.mark.parametrize("target", ADDRESSED, ids=lambda target: ascii(target)[:60])
async def test_nobody_else_is_addressed(function: str, target: dict[str, str]) -> None:
    timeout = () if function == "send" else (1000,)
    async with confined() as (guest, registry):
        await refused(guest, function, target, b"x", *timeout)

        assert arrived(registry) == {}
