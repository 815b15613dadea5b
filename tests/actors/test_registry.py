from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from airssys.actors.control import Callback
from airssys.actors.inbox import Inbox
from airssys.actors.mailbox import Mailbox
from airssys.actors.post_office import PostOffice
from airssys.actors.registry import Registry
from airssys.core.errors import (
    ActorStopped,
    NoSuchActor,
    QuotaExceeded,
)
from airssys.core.event import DeadLettered
from airssys.core.message import Overflow
from airssys.hostcalls.call import Standing
from airssys.testing import Recorder


@pytest.fixture
def registry(recorder: Recorder) -> Registry:
    return Registry(PostOffice(recorder))


async def drain(mailbox: Mailbox) -> list[bytes]:
    queued = mailbox.statistics().queued
    return [(await Inbox(mailbox).__anext__()).payload for _ in range(queued)]


def dead(recorder: Recorder) -> list[tuple[str, bytes]]:
    return [(event.subject, event.payload) for event in recorder.of(DeadLettered)]


# --- actors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "why"),
    [("", "name"), ("A", "name"), ("a/b/c", "namespace"), ("host", "taken")],
)
def test_an_id_that_no_actor_may_have_is_refused(
    registry: Registry, wrong: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        registry.register(wrong)

    assert registry.ids == ()


async def test_an_id_is_taken_until_its_actor_is_removed(registry: Registry) -> None:
    registry.register("acme/a")
    with pytest.raises(ValueError, match="'acme/a' is taken"):
        registry.register("acme/a")

    registry.remove("acme/a")

    assert registry.register("acme/a").id == "acme/a"


def test_an_entry_keeps_what_the_actor_may_do_and_know(registry: Registry) -> None:
    standing = Standing()
    entry = registry.register("a", standing=standing, config={"k": "v"}, payload=10)

    assert registry.entry("a") is entry
    assert registry.standing("a") is standing
    assert entry.config == {"k": "v"}
    assert registry.payload("a") == 10
    assert registry.payload("host") == 2**20


async def test_an_unknown_id_offers_those_that_are_near(registry: Registry) -> None:
    for name in ("counter", "counter-two", "worker"):
        registry.register(name)

    with pytest.raises(NoSuchActor, match=r"'conter' \(there are: 'counter', "):
        await registry.send("conter", b"")
    with pytest.raises(NoSuchActor, match="'counter', 'counter-two', 'worker'"):
        await registry.ask("zzz", b"")
    with pytest.raises(NoSuchActor, match="there are: nothing"):
        Registry().ref("a")


def test_guests_make_nobody_look_for_ids_that_are_near(registry: Registry) -> None:
    registry.register("counter")

    with pytest.raises(NoSuchActor) as caught:
        registry.standing("conter")

    assert caught.value.near == ()


async def test_messages_go_to_the_actor_in_the_name_of_the_sender(
    registry: Registry,
) -> None:
    a, b = registry.register("a", payload=3), registry.register("b")
    await registry.send("b", b"1")
    await registry.send("b", b"12", sender="a")
    with pytest.raises(QuotaExceeded):
        await registry.send("b", b"1234", sender="a")

    first = await Inbox(b.mailbox).__anext__()
    second = await Inbox(b.mailbox).__anext__()

    assert (first.sender, second.sender) == ("host", "a")
    assert registry.taken == 2
    assert a.mailbox.statistics().taken == 0


async def test_an_ask_through_the_registry_gets_its_reply(registry: Registry) -> None:
    b = registry.register("b").mailbox
    async with anyio.create_task_group() as tasks:

        async def reply() -> None:
            await (await Inbox(b).__anext__()).reply("yes")

        tasks.start_soon(reply)

        assert await registry.ask("b", b"?", timeout=None) == b"yes"


async def test_a_request_comes_back_or_is_cancelled(registry: Registry) -> None:
    a, b = registry.register("a").mailbox, registry.register("b").mailbox
    first = await registry.request("b", b"?", sender="a")
    second = await registry.request("b", b"?", sender="a")

    assert registry.cancel_request(first, sender="a")
    assert not registry.cancel_request(first, sender="a")
    await (await Inbox(b).__anext__()).reply(b"!")
    await (await Inbox(b).__anext__()).reply(b"!")

    assert await a.receive() == Callback(second, b"!")


async def test_a_removed_actor_is_gone_by_name_and_by_reference(
    registry: Registry, recorder: Recorder
) -> None:
    mailbox = registry.register("a").mailbox
    registry.subscribe("t", sender="a")
    ref = registry.ref("a")
    await ref.send(b"1")
    await ref.send(b"2")
    await Inbox(mailbox).__anext__()

    registry.remove("a", "gave up")

    assert dead(recorder) == [("a", b"2")]
    assert registry.taken == 1
    assert await registry.publish("t", b"") == 0
    with pytest.raises(ActorStopped, match="gave up"):
        await ref.send(b"3")
    with pytest.raises(NoSuchActor):
        registry.remove("a")


# --- topics -----------------------------------------------------------------------


async def test_a_topic_reaches_each_subscriber_once(registry: Registry) -> None:
    a, b = registry.register("a").mailbox, registry.register("b").mailbox
    registry.subscribe("orders.#", sender="a")
    registry.subscribe("orders.*", sender="a")
    registry.subscribe("orders.created", sender="b")

    assert await registry.publish("orders.created", "x", sender="a") == 2
    assert await registry.publish("orders.a.b", b"y") == 1
    assert await registry.publish("nothing", b"z") == 0

    assert await drain(a) == [b"x", b"y"]
    message = await Inbox(b).__anext__()
    assert (message.topic, message.sender) == ("orders.created", "a")
    assert registry.unsubscribe("orders.created", sender="b")
    assert not registry.unsubscribe("orders.created", sender="b")
    assert await registry.publish("orders.created", b"") == 1


async def test_wrong_topics_patterns_and_payloads_reach_nobody(
    registry: Registry,
) -> None:
    a = registry.register("a", payload=1).mailbox
    registry.subscribe("#", sender="a")

    with pytest.raises(ValueError, match="topic"):
        await registry.publish("a.*", b"")
    with pytest.raises(ValueError, match="pattern"):
        registry.subscribe("", sender="a")
    with pytest.raises(NoSuchActor):
        registry.subscribe("x", sender="nobody")
    with pytest.raises(QuotaExceeded):
        await registry.publish("a", b"12", sender="a")

    assert a.statistics().queued == 0


async def test_a_slow_subscriber_holds_up_the_publisher_and_nobody_else(
    registry: Registry,
) -> None:
    slow = registry.register("slow", capacity=1).mailbox
    quick = registry.register("quick").mailbox
    for name in ("slow", "quick"):
        registry.subscribe("t", sender=name, overflow=Overflow.WAIT)
    await registry.publish("t", b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(registry.publish, "t", b"2")
        await wait_all_tasks_blocked()
        assert await drain(quick) == [b"1", b"2"]

        assert await drain(slow) == [b"1"]

    assert await drain(slow) == [b"2"]


async def test_full_subscribers_refuse_or_drop_as_their_rule_says(
    registry: Registry, recorder: Recorder
) -> None:
    refuses = registry.register("refuses", capacity=1, overflow=Overflow.REFUSE)
    drops = registry.register("drops", capacity=1, overflow=Overflow.DROP_OLDEST)
    for name in ("refuses", "drops"):
        registry.subscribe("t", sender=name)

    assert await registry.publish("t", b"1") == 2
    assert await registry.publish("t", b"2") == 1

    assert dead(recorder) == [("refuses", b"2"), ("drops", b"1")]
    assert await drain(refuses.mailbox) == [b"1"]
    assert await drain(drops.mailbox) == [b"2"]


async def test_a_publisher_never_waits_for_room_in_its_own_mailbox(
    registry: Registry, recorder: Recorder
) -> None:
    registry.register("a", capacity=1)
    registry.subscribe("t", sender="a", overflow=Overflow.WAIT)
    await registry.publish("t", b"1", sender="a")

    assert await registry.publish("t", b"2", sender="a") == 0

    assert dead(recorder) == [("a", b"2")]


async def test_a_subscriber_that_ends_lets_the_publisher_go_on(
    registry: Registry, recorder: Recorder
) -> None:
    registry.register("a", capacity=1)
    registry.subscribe("t", sender="a", overflow=Overflow.WAIT)
    await registry.publish("t", b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(registry.publish, "t", b"2")
        await wait_all_tasks_blocked()
        registry.remove("a")

    assert dead(recorder) == [("a", b"1"), ("a", b"2")]


async def test_publishing_in_a_loop_can_be_cancelled(registry: Registry) -> None:
    with anyio.move_on_after(0) as scope:
        while True:
            await registry.publish("t", b"")

    assert scope.cancelled_caught


# --- the host listens -------------------------------------------------------------


async def test_the_host_listens_to_a_topic_while_it_wants_to(
    registry: Registry, recorder: Recorder
) -> None:
    async with registry.listen("orders.#") as messages:
        assert await registry.publish("orders.created", b"1") == 1
        await registry.publish("other", b"2")
        await registry.publish("orders", b"3")
        message = await messages.__anext__()
        assert (message.topic, message.payload) == ("orders.created", b"1")

    assert await registry.publish("orders", b"4") == 0
    assert recorder.events == []


async def test_a_listener_that_does_not_read_holds_up_nobody(
    registry: Registry, recorder: Recorder
) -> None:
    async with registry.listen("#", capacity=2) as messages:
        for number in range(5):
            await registry.publish("t", str(number))

        got = [(await messages.__anext__()).payload for _ in range(2)]

    assert got == [b"3", b"4"]
    assert [payload for _, payload in dead(recorder)] == [b"0", b"1", b"2"]


async def test_a_listener_that_waits_holds_up_the_publisher_until_it_leaves(
    registry: Registry,
) -> None:
    counts: list[int] = []

    async def publish() -> None:
        counts.append(await registry.publish("t", b"2"))

    async with (
        anyio.create_task_group() as tasks,
        registry.listen("#", capacity=1, overflow=Overflow.WAIT),
    ):
        await registry.publish("t", b"1")
        tasks.start_soon(publish)
        await wait_all_tasks_blocked()
        assert counts == []

    assert counts == [0]


async def test_a_wrong_pattern_leaves_no_listener(registry: Registry) -> None:
    with pytest.raises(ValueError, match="pattern"):
        await registry.listen("a..b").__aenter__()

    assert await registry.publish("a", b"") == 0
