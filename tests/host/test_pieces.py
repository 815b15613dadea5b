"""What takes long on the loop is done in pieces, with turns of others between them.

How long a piece takes is counted in questions asked: what is judged between two turns
of another task.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from attrs import define

from airssys.actors.registry import Registry
from airssys.core.errors import WitError
from airssys.core.grants.grants import NO_GRANTS, Grants
from airssys.core.grants.sections import MessagingGrants, StorageGrants
from airssys.core.grants.spelling import LONGEST_TOPIC
from airssys.host.capabilities import capabilities_interface
from airssys.host.host_services import host_services
from airssys.host.messaging import messaging
from airssys.host.storage import storage_interface
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.storage import MemoryStorage
from airssys.testing import Recorder
from airssys.witmodel.types import Variant

from ..relay import Relay, relay

pytestmark = pytest.mark.guest

ASK = 100
"""Questions at a stretch: 2 ms, and some µs each. All of them at once are 1,000."""


@define(eq=False)
class Questions:
    """The wall clock of a gate: tells how much is asked between two turns."""

    most: int = 0
    asked: int = 0
    since: int = 0
    watched: bool = False
    then: Callable[[], None] | None = None
    """Called once, at the hundredth question."""

    def __call__(self) -> float:
        self.asked += 1
        if self.watched:
            self.since += 1
            self.most = max(self.most, self.since)
        if self.then is not None and self.asked >= 100:
            then, self.then = self.then, None
            then()
        return 1.0

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[None]:
        """Take turns beside the block."""

        async def turns() -> None:
            while True:
                await anyio.lowlevel.checkpoint()
                self.since = 0

        async with anyio.create_task_group() as nursery:
            nursery.start_soon(turns)
            self.watched = True
            yield
            self.watched = False
            nursery.cancel_scope.cancel()


def many(count: int = 3000) -> Iterator[str]:
    # So long that a stretch is not all of them, and hard to tell.
    return (f"{number:05}/" + "ab" * 480 for number in range(count))


HARD = [f"component:self/**a*b{number}**a*b*" for number in range(200)]
KEYS = Grants(storage=StorageGrants(read=[*HARD, "component:self/0**a*b"]))


@asynccontextmanager
async def keeper(
    questions: Questions, standing: Standing
) -> AsyncIterator[tuple[Relay, MemoryStorage]]:
    store, gate = MemoryStorage(), Gate(Recorder(), clock=questions)
    for key in many():
        store._set("acme/a", key, b"")
    interface = storage_interface(store, gate)
    async with relay([interface], grants=standing, guard=gate, name="acme/a") as guest:
        yield guest, store


async def test_keys_are_listed_in_pieces() -> None:
    questions = Questions()
    async with keeper(questions, Standing(KEYS)) as (guest, _), questions.watch():
        listed = await guest("storage#list-keys", None)

    assert listed == list(many())
    assert questions.asked > 3000
    assert 0 < questions.most < ASK


async def test_what_may_not_be_listed_any_more_is_not() -> None:
    questions, standing = Questions(), Standing(KEYS)

    def narrow() -> None:
        standing.grants = Grants(storage=StorageGrants(read=["component:self/0000*"]))

    def revoke() -> None:
        standing.grants = NO_GRANTS

    async with keeper(questions, standing) as (guest, store):
        store._set("acme/a", "00000ab", b"")
        questions.then = narrow
        assert await guest("storage#list-keys", None) == ["00000ab"]
        questions.asked, questions.then = 0, revoke
        standing.grants = KEYS
        with pytest.raises(WitError, match="denied"):
            await guest("storage#list-keys", None)


async def test_a_guest_that_lists_can_be_cancelled() -> None:
    questions = Questions()
    async with keeper(questions, Standing(KEYS)) as (guest, _):
        with anyio.CancelScope() as scope:
            questions.then = scope.cancel
            await guest("storage#list-keys", None)

    assert scope.cancelled_caught
    assert questions.asked < 100 + ASK


@asynccontextmanager
async def actor(
    interface: Callable[[Registry, Gate], HostInterface],
    questions: Questions,
    standing: Standing,
) -> AsyncIterator[tuple[Relay, Registry]]:
    gate = Gate(Recorder(), clock=questions)
    registry = Registry()
    registry.register("a", standing=standing)
    async with relay(
        [interface(registry, gate)],
        grants=standing,
        guard=gate,
        name="acme/a",
        actor="a",
    ) as guest:
        yield guest, registry


def services(questions: Questions) -> Callable[[Registry, Gate], HostInterface]:
    def made(registry: Registry, _: Gate) -> HostInterface:
        return host_services(registry, wall_clock=lambda: int(questions() * 1e9))

    return made


KNOWING = Grants(
    messaging=MessagingGrants(
        send=[f"acme/*-{number}-x*" for number in range(400)],
        request=[f"acme/*-{number}-y*" for number in range(400)],
    )
)


async def test_components_are_listed_in_pieces() -> None:
    questions = Questions()
    async with actor(services(questions), questions, Standing(KNOWING)) as held:
        guest, registry = held
        for number in range(3000):
            registry.register(f"acme/worker-{'a' * 40}-{number}-x")
        async with questions.watch():
            listed = await guest("host-services#list-components")

    assert len(listed) == 401
    assert 0 < questions.most < 1000


async def test_components_that_may_not_be_known_any_more_are_not_listed() -> None:
    questions, standing = Questions(), Standing(KNOWING)

    def revoke() -> None:
        standing.grants = NO_GRANTS

    async with actor(services(questions), questions, standing) as (guest, registry):
        for number in range(400):
            registry.register(f"acme/worker-{number}-x")
        questions.then = revoke
        listed = await guest("host-services#list-components")

    assert [each.name for each in listed] == ["a"]


async def test_grants_are_shown_as_they_are_in_the_end() -> None:
    questions, standing = Questions(), Standing(KNOWING)
    gate = Gate(clock=questions)
    async with relay(
        [capabilities_interface(gate)], grants=standing, guard=gate
    ) as guest:
        assert len(await guest("capabilities#granted")) == 800

        async def narrow() -> None:
            standing.grants = Grants(messaging=MessagingGrants(send=["b"]))

        forbidden = Grants(
            messaging=MessagingGrants(send=[f"acme/*-{n}-xx*" for n in range(20)])
        )
        standing.grants = KNOWING.forbidding(forbidden)
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(narrow)
            shown = await guest("capabilities#granted")

    assert [each.pattern for each in shown] == ["b"]


# --- topics -----------------------------------------------------------------------

HASHES = ".".join(["#", "a"] * 63)
SUBSCRIBING = Grants(messaging=MessagingGrants(subscribe=["#"], publish=["#"]))


async def test_a_subscription_says_how_long_it_may_be() -> None:
    standing = Standing(SUBSCRIBING)
    async with actor(messaging, Questions(), standing) as (guest, _):
        assert len(HASHES) < LONGEST_TOPIC
        await guest("messaging#subscribe", HASHES)
        with pytest.raises(WitError) as refused:
            await guest("messaging#subscribe", ".".join(["#", "a"] * 100))

    assert refused.value.value == Variant(
        "invalid-message",
        "a topic pattern of 399 characters is not allowed: use 1 to 255",
    )


async def test_a_topic_is_held_against_many_subscriptions_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A turn after each piece, so that it does not matter how fast the machine is.
    monkeypatch.setattr("airssys.hostcalls.pieces.STRETCH", 0.0)
    async with actor(messaging, Questions(), Standing(SUBSCRIBING)) as (
        guest,
        registry,
    ):
        for number in range(8):
            name = f"s{number}"
            registry.register(name, standing=Standing(SUBSCRIBING))
            for other in range(200):
                registry.subscribe(f"#.{'a.#.' * 20}x{other}", sender=name)
        registry.subscribe("#.y", sender="s7")
        turns = 0

        async def another() -> None:
            nonlocal turns
            while True:
                await anyio.lowlevel.checkpoint()
                turns += 1

        topic = ".".join("a" * 100 + "y")
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(another)
            await guest("messaging#publish", topic, b"1")
            nursery.cancel_scope.cancel()

        assert turns > 1000
        assert registry.entry("s7").mailbox.statistics().queued == 1
        assert registry.entry("s6").mailbox.statistics().queued == 0


async def test_who_left_while_a_topic_was_looked_up_gets_nothing() -> None:
    async with actor(messaging, Questions(), Standing(SUBSCRIBING)) as (
        guest,
        registry,
    ):
        for name in ("early", "late"):
            registry.register(name, standing=Standing(SUBSCRIBING))
            registry.subscribe("#.y", sender=name)
        registry.register("slow", standing=Standing(SUBSCRIBING))
        for other in range(250):
            registry.subscribe(f"#.{'a.#.' * 20}x{other}", sender="slow")

        async def leave() -> None:
            registry.remove("early")

        async with anyio.create_task_group() as nursery:
            nursery.start_soon(leave)
            await guest("messaging#publish", ".".join("a" * 100 + "y"), b"1")

        assert registry.entry("late").mailbox.statistics().queued == 1
