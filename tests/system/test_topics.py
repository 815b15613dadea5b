from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

import airssys
from airssys.core.event import DeadLettered, Denied
from airssys.core.grants.sections import MessagingGrants
from airssys.testing import Recorder

from ..components import EVERYTHING, LIFECYCLE_WASM, write_component
from .support import Open, dead, obeys, stuck, until

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


# --- who is slow ------------------------------------------------------------------


async def slow(
    actor: airssys.Actor, overflow: airssys.Overflow | None, free: anyio.Event
) -> None:
    """Subscribe, and take nothing until it is set free."""
    await actor.subscribe("t", overflow=overflow)
    await stuck(actor, free)


@pytest.mark.parametrize("overflow", [None, airssys.Overflow.DROP_OLDEST])
async def test_nobody_who_publishes_waits_for_a_full_mailbox(
    open_: Open,
    recorder: Recorder,
    tmp_path: Path,
    overflow: airssys.Overflow | None,
) -> None:
    free = anyio.Event()
    async with open_() as system:
        full = await system.spawn(slow, overflow, free, id="full", mailbox=2)
        guest = await system.spawn(write_component(tmp_path))
        with anyio.fail_after(20):
            for number in range(5):
                assert await guest.ask(f"publish t {number}") == b"ok"

        assert dead(recorder) == [("full", b"0"), ("full", b"1"), ("full", b"2")]
        assert full.statistics().dropped == 3
        assert full.statistics().queued == 2
        free.set()


async def test_a_message_of_a_topic_costs_none_that_was_sent_to_the_actor_alone(
    open_: Open, recorder: Recorder
) -> None:
    free = anyio.Event()
    async with open_() as system:
        full = await system.spawn(slow, None, free, id="full", mailbox=2)
        await full.send("mine 1")
        assert await system.publish("t", "old") == 1
        assert await system.publish("t", "new") == 1
        assert dead(recorder) == [("full", b"old")]

        free.set()
        await until(lambda: full.statistics().queued == 0)
        free = anyio.Event()
        await system.stop("full")
        full = await system.spawn(slow, None, free, id="full", mailbox=1)
        await full.send("mine 2")

        assert await system.publish("t", "late") == 0
        assert dead(recorder) == [("full", b"old"), ("full", b"late")]
        assert full.statistics().dropped == 1
        free.set()


async def test_a_subscription_can_have_publishers_wait(
    open_: Open, recorder: Recorder
) -> None:
    free = anyio.Event()
    async with open_() as system:
        full = await system.spawn(
            slow, airssys.Overflow.WAIT, free, id="full", mailbox=1
        )
        assert await system.publish("t", "1") == 1
        with anyio.move_on_after(0.05) as waited:
            await system.publish("t", "2")
        assert waited.cancelled_caught

        free.set()
        with anyio.fail_after(20):
            assert await system.publish("t", "3") == 1
        await until(lambda: full.statistics().taken == 2)
        assert dead(recorder) == []


# --- how much waits ---------------------------------------------------------------


@pytest.mark.parametrize("overflow", list(airssys.Overflow))
async def test_a_mailbox_holds_so_many_bytes(
    open_: Open, recorder: Recorder, tmp_path: Path, overflow: airssys.Overflow
) -> None:
    free, got = anyio.Event(), list[str]()
    async with open_() as system:
        full = await system.spawn(
            stuck, free, id="full", mailbox_bytes=10, overflow=overflow
        )
        guest = await system.spawn(
            write_component(tmp_path, resources='messages = "1000/s"')
        )
        assert await guest.ask(f"send full {'1' * 20}") == b"ok"  # one always may
        assert full.statistics().queued_bytes == 20

        async def send() -> None:
            got.append((await guest.ask("send full 2", timeout=None)).decode())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await anyio.sleep(0.05)
            waiting = full.statistics().senders_waiting
            free.set()

        match overflow:
            case airssys.Overflow.WAIT:
                assert (waiting, got, dead(recorder)) == (1, ["ok"], [])
            case airssys.Overflow.REFUSE:
                words = "mailbox of actor 'full' is full (capacity: 10 bytes)"
                assert (waiting, got) == (0, [f"error mailbox-full: {words}"])
            case airssys.Overflow.DROP_OLDEST:
                assert (waiting, got) == (0, ["ok"])
                assert dead(recorder) == [("full", b"1" * 20)]
        await until(lambda: full.statistics().queued == 0)
        assert full.statistics().queued_bytes == 0


async def test_a_manifest_says_how_many_bytes_a_mailbox_holds(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        usual = await system.spawn(write_component(tmp_path))
        small = await system.spawn(
            write_component(tmp_path, "acme/b", resources='mailbox_bytes = "1KiB"')
        )

        assert usual.statistics().capacity_bytes == 16 * 2**20
        assert small.statistics().capacity_bytes == 1024
