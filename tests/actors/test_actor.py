from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from airssys.actors.actor import Actor, run_actor
from airssys.actors.registry import Registry
from airssys.core.errors import (
    ActorStopped,
    AskCycle,
    NoSuchActor,
)
from airssys.core.event import Logged
from airssys.testing import Recorder

from .support import (
    dead,
    echo,
)


async def test_a_python_actor_answers_until_it_is_asked_to_stop(
    registry: Registry,
) -> None:
    entry = registry.register("echo")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, echo, entry, registry, "!")

        assert await registry.ask("echo", "hi") == b"hi!"
        entry.mailbox.request_stop()


async def test_actors_send_ask_publish_and_subscribe_by_id_or_reference(
    registry: Registry,
) -> None:
    got: list[tuple[str, str, str | None, str | None]] = []

    async def front(actor: Actor) -> None:
        ref = actor.ref("echo")
        assert await actor.ask("echo", "1") == b"1"
        assert await actor.ask(ref, "2", timeout=None) == b"2"
        await actor.subscribe("t.*")
        assert await actor.publish("t.x", "3") == 1
        assert await actor.unsubscribe("t.*")
        assert not await actor.unsubscribe("t.*")
        await actor.send(actor.id, "4", content_type="text/plain")
        with pytest.raises(NoSuchActor):
            await actor.send("nobody", b"")
        for _ in range(2):
            message = await actor.inbox.__anext__()
            sent = (message.sender, message.text, message.topic, message.content_type)
            got.append(sent)

    other = registry.register("echo")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, echo, other, registry)
        await run_actor(front, registry.register("acme/front"), registry)
        other.mailbox.request_stop()

    assert got == [
        ("acme/front", "3", "t.x", None),
        ("acme/front", "4", None, "text/plain"),
    ]


async def test_a_reference_is_looked_up_again_when_its_actor_was_replaced(
    registry: Registry,
) -> None:
    async def front(actor: Actor) -> None:
        await actor.send("b", b"1")
        registry.remove("b")
        registry.register("b")
        await actor.send("b", b"2")

    registry.register("b")
    await run_actor(front, registry.register("a"), registry)

    assert registry.entry("b").mailbox.statistics().queued == 1


async def test_a_python_actor_writes_log_lines(
    registry: Registry, recorder: Recorder
) -> None:
    async def talk(actor: Actor) -> None:
        await actor.subscribe("x")
        actor.log("info", "hello", count=3)

    await run_actor(talk, registry.register("a"), registry)

    (event,) = recorder.of(Logged)
    assert (event.subject, event.level, event.message) == ("a", "info", "hello")
    assert event.fields == (("count", "3"),)


async def test_a_crash_loses_the_message_under_work_and_no_other(
    registry: Registry, recorder: Recorder
) -> None:
    async def fragile(actor: Actor) -> None:
        async for message in actor.inbox:
            if message.payload == b"bad":
                raise ValueError("cannot")
            await message.reply(b"ok")

    entry = registry.register("a")
    async with anyio.create_task_group() as tasks:

        async def ask(payload: bytes) -> None:
            with pytest.raises(ActorStopped, match="ValueError: cannot"):
                await registry.ask("a", payload)

        tasks.start_soon(ask, b"bad")
        await wait_all_tasks_blocked()
        with pytest.raises(ValueError, match="cannot"):
            await run_actor(fragile, entry, registry)

    assert dead(recorder) == [("a", b"bad", "ValueError: cannot")]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, fragile, entry, registry)
        assert await registry.ask("a", b"good") == b"ok"
        entry.mailbox.request_stop()


async def test_an_actor_that_is_cut_off_loses_what_it_worked_on(
    registry: Registry, recorder: Recorder
) -> None:
    async def stuck(actor: Actor) -> None:
        async for _ in actor.inbox:
            await anyio.sleep_forever()

    await registry.send(registry.register("a").id, b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, stuck, registry.entry("a"), registry)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert dead(recorder) == [("a", b"1", "cut off")]


async def test_actors_that_ask_in_a_circle_are_told_at_once(
    registry: Registry,
) -> None:
    async def relay(actor: Actor, target: str) -> None:
        async for message in actor.inbox:
            try:
                await message.reply(await actor.ask(target, b"?", timeout=None))
            except AskCycle as error:
                await message.reply(" ".join(error.cycle))

    async with anyio.create_task_group() as tasks:
        for name, target in (("a", "b"), ("b", "c"), ("c", "a")):
            entry = registry.register(name)
            tasks.start_soon(run_actor, relay, entry, registry, target)

        assert await registry.ask("a", b"go", timeout=None) == b"c a b c"
        tasks.cancel_scope.cancel()
