from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import airssys
from airssys.core.event import DeadLettered, Denied
from airssys.core.grants.sections import MessagingGrants
from airssys.testing import Recorder

from ..components import EVERYTHING, LIFECYCLE_WASM, write_component
from .support import Open, obeys

pytestmark = pytest.mark.guest

HEARING = airssys.Grants(
    messaging=MessagingGrants(subscribe=["orders.#", "news.*"], publish=["#"])
)


def less(system: airssys.System) -> None:
    left = MessagingGrants(subscribe=["orders.paid", "news.*"], publish=["#"])
    system.attenuate("a", airssys.Grants(messaging=left))


def nothing(system: airssys.System) -> None:
    system.revoke("a")


async def spawn(
    system: airssys.System, engine: airssys.Engine, grants: airssys.Grants = HEARING
) -> airssys.ActorRef:
    component = await engine.load(LIFECYCLE_WASM, name="acme/a")
    guest = await system.spawn(component, id="a", grants=grants)
    assert await guest.ask("subscribe orders.#") == b"ok"
    return guest


@pytest.mark.parametrize("take", [less, nothing])
async def test_a_subscription_ends_with_its_grant(
    open_: Open,
    engine: airssys.Engine,
    recorder: Recorder,
    take: Callable[[airssys.System], None],
) -> None:
    async with open_() as system:
        guest = await spawn(system, engine)
        assert await system.publish("orders.new", "1") == 1
        await obeys(guest, "heard", "1 orders.new 1")

        take(system)
        reached = [await system.publish("orders.new", "2") for _ in range(3)]

        assert reached == [0, 0, 0]
        assert await guest.ask("heard") == b"1 orders.new 1"
        (denied,) = recorder.of(Denied)
        assert denied.subject == "a"
        assert denied.operation == "airssys:core/messaging@1.0.0#subscribe"
        assert denied.needed == "subscribe to 'orders.#'"
        assert recorder.of(DeadLettered) == []


async def test_a_subscription_that_is_still_granted_goes_on(
    open_: Open, engine: airssys.Engine, recorder: Recorder
) -> None:
    async with open_() as system:
        guest = await spawn(system, engine)
        assert await guest.ask("subscribe news.*") == b"ok"

        less(system)

        assert await system.publish("orders.new", "no") == 0
        assert await system.publish("news.today", "yes") == 1
        await obeys(guest, "heard", "1 news.today yes")
        assert len(recorder.of(Denied)) == 1


async def test_a_subscription_ends_when_its_grant_expires(
    open_: Open, engine: airssys.Engine, recorder: Recorder
) -> None:
    now = time.time()
    grants = airssys.Grants(
        messaging=HEARING.messaging, expires={"messaging": now + 60}
    )
    async with open_() as system:
        guest = await spawn(system, engine, grants)
        assert await system.publish("orders.new", "1") == 1
        await obeys(guest, "heard", "1 orders.new 1")

        system.registry.office.clock = lambda: now + 60

        assert await system.publish("orders.new", "2") == 0
        (denied,) = recorder.of(Denied)
        assert denied.reason.startswith("the grant expired at ")


async def test_what_waits_in_a_mailbox_is_not_heard_once_its_grant_is_gone(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, capabilities=EVERYTHING)
    async with open_() as system:
        guest = await system.spawn(folder, id="a")
        assert await guest.ask("subscribe orders.#") == b"ok"
        await guest.send("sleep 50")
        assert await system.publish("orders.new late", "1") == 1

        system.attenuate(
            "a", airssys.Grants(messaging=MessagingGrants(subscribe=["news.#"]))
        )

        assert (await guest.ask("heard")).startswith(b"0")
        (letter,) = recorder.of(DeadLettered)
        assert (letter.subject, letter.topic) == ("a", "orders.new late")
        (denied,) = recorder.of(Denied)
        assert denied.needed == "subscribe to 'orders.new late'"
