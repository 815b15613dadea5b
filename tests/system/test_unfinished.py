"""Whatever a Python actor took is finished, answered or a dead letter.

Messages are orders: ``wait…`` is worked on until the test lets go, ``crash`` raises,
anything else is done at once. Asks are answered when they are done.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked

import airssys
from airssys.core.errors import ActorStopped, AskCycle, AskRefused, ReplyTimeout
from airssys.core.event import DeadLettered
from airssys.testing import Recorder

from .support import Open, until


class Desk:
    """What the actors of a test did, and what they wait for."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.done: list[str] = []
        self.go = anyio.Event()

    async def work(self, message: airssys.Message) -> None:
        self.began.append(message.text)
        if message.text.startswith("wait"):
            await self.go.wait()
        if message.text.startswith("crash"):
            raise ValueError(message.text)
        await message.reply(message.payload)
        self.done.append(message.text)


async def readers(actor: airssys.Actor, desk: Desk, tasks: int = 4) -> None:
    """Read in several tasks, each of which works on what it took."""

    async def read() -> None:
        async for message in actor.inbox:
            await desk.work(message)

    async with anyio.create_task_group() as nursery:
        for _ in range(tasks):
            nursery.start_soon(read)


async def dispatcher(actor: airssys.Actor, desk: Desk) -> None:
    """Read in one task, and work on each message in a task of its own."""
    async with anyio.create_task_group() as nursery:
        async for message in actor.inbox:
            nursery.start_soon(desk.work, message)


async def pipeline(actor: airssys.Actor, desk: Desk) -> None:
    """Read in one task, hand over through a channel, work in others."""
    give, take = anyio.create_memory_object_stream[airssys.Message](100)

    async def work() -> None:
        async for message in take:
            await desk.work(message)
            # The variable still has it, until the next one comes.
            actor.inbox.settle(message)

    with take, give:
        async with anyio.create_task_group() as nursery:
            for _ in range(4):
                nursery.start_soon(work)
            async for message in actor.inbox:
                await give.send(message)
            give.close()


async def one_each(actor: airssys.Actor, desk: Desk) -> None:
    """Take each message in a task that ends when it is done with it."""
    async with anyio.create_task_group() as nursery:

        async def take_one() -> None:
            async for message in actor.inbox:
                nursery.start_soon(take_one)
                await desk.work(message)
                return

        nursery.start_soon(take_one)


SEVERAL = pytest.mark.parametrize(
    "function",
    [readers, dispatcher, pipeline, one_each],
    ids=lambda each: each.__name__,
)
Function = Callable[[airssys.Actor, Desk], Awaitable[None]]
NEVER = airssys.Restart.TEMPORARY


def dead(recorder: Recorder) -> list[tuple[str, str, str]]:
    return sorted(
        (event.subject, event.payload.decode(), event.reason)
        for event in recorder.of(DeadLettered)
    )


def errors_of(
    asks: anyio.abc.TaskGroup, ref: airssys.ActorRef, *orders: str
) -> dict[str, str]:
    """Ask in tasks of their own; the error of each comes into what this returns."""
    errors: dict[str, str] = {}

    async def ask(order: str) -> None:
        try:
            await ref.ask(order, timeout=None)
        except ActorStopped as error:
            errors[order] = error.reason

    for order in orders:
        asks.start_soon(ask, order)
    return errors


# --- how an actor of several tasks falls ------------------------------------------


@SEVERAL
async def test_a_crash_buries_what_the_other_tasks_worked_on(
    open_: Open, recorder: Recorder, function: Function
) -> None:
    desk = Desk()
    async with open_() as system:
        ref = await system.spawn(function, desk, id="a", restart=NEVER)
        for order in ("done 1", "wait 1", "done 2", "wait 2"):
            await ref.send(order)
        await until(lambda: len(desk.done) == 2 and len(desk.began) == 4)
        await ref.send("crash")
        await until(lambda: ref.closed)

    assert dead(recorder) == [
        ("a", "crash", "ValueError: crash"),
        ("a", "wait 1", "ValueError: crash"),
        ("a", "wait 2", "ValueError: crash"),
    ]
    assert sorted(desk.done) == ["done 1", "done 2"]


@SEVERAL
async def test_asks_of_an_actor_that_falls_fail_at_once_with_its_reason(
    open_: Open, recorder: Recorder, function: Function
) -> None:
    desk = Desk()
    async with open_() as system, anyio.create_task_group() as asks:
        ref = await system.spawn(function, desk, id="a", restart=NEVER)
        assert await ref.ask("first") == b"first"
        errors = errors_of(asks, ref, "wait 1", "wait 2")
        await until(lambda: len(desk.began) == 3)
        with anyio.fail_after(20):
            with pytest.raises(ActorStopped, match="ValueError: crash"):
                await ref.ask("crash", timeout=None)
            await until(lambda: len(errors) == 2)

    why = "ValueError: crash"
    assert errors == {"wait 1": why, "wait 2": why}
    assert dead(recorder) == [
        ("a", each, why) for each in ("crash", "wait 1", "wait 2")
    ]


@SEVERAL
async def test_a_restarted_actor_goes_on_with_what_nobody_took(
    open_: Open, recorder: Recorder, function: Function
) -> None:
    desk = Desk()
    async with open_() as system:
        ref = await system.spawn(function, desk, id="a")
        for order in ("wait 1", "wait 2"):
            await ref.send(order)
        await until(lambda: len(desk.began) == 2)
        await ref.send("crash")
        await until(lambda: system.tally.restarts == 1)
        desk.go.set()
        await ref.send("wait 3")

        assert await ref.ask("after", timeout=5) == b"after"
        await until(lambda: "wait 3" in desk.done)

    assert [order for _, order, _ in dead(recorder)] == ["crash", "wait 1", "wait 2"]
    assert sorted(desk.done) == ["after", "wait 3"]


@SEVERAL
async def test_a_stop_lets_every_task_finish_what_it_took(
    open_: Open, recorder: Recorder, function: Function
) -> None:
    desk = Desk()
    answers: list[bytes] = []
    async with open_() as system, anyio.create_task_group() as tasks:
        ref = await system.spawn(function, desk, id="a", shutdown=5)

        async def ask() -> None:
            answers.append(await ref.ask("wait 1", timeout=None))

        tasks.start_soon(ask)
        await until(lambda: len(desk.began) == 1)
        await ref.send("wait 2")
        await until(lambda: len(desk.began) == 2)
        tasks.start_soon(system.stop, "a")
        await wait_all_tasks_blocked()
        desk.go.set()

    assert answers == [b"wait 1"]
    assert sorted(desk.done) == ["wait 1", "wait 2"]
    assert dead(recorder) == []


@SEVERAL
@pytest.mark.parametrize("way", ["stop", "restart", "leave"])
async def test_what_a_stop_cuts_off_is_buried(
    open_: Open, recorder: Recorder, function: Function, way: str
) -> None:
    desk = Desk()
    async with open_() as system, anyio.create_task_group() as asks:
        ref = await system.spawn(function, desk, id="a", shutdown=0.05)
        errors = errors_of(asks, ref, "wait 1")
        await until(lambda: len(desk.began) == 1)
        for order in ("wait 2", "done"):
            await ref.send(order)
        await until(lambda: len(desk.began) == 3)
        # Sure to be finished: the actor took another one since.
        await ref.send("wait 3")
        await until(lambda: len(desk.began) == 4)
        if way == "stop":
            await system.stop("a")
        elif way == "restart":
            await system.supervisor.restart("a")
        else:
            asks.start_soon(until, lambda: bool(errors))
            await system.supervisor.stop("a")

    assert errors == {"wait 1": "cut off"}
    assert dead(recorder) == [("a", f"wait {n}", "cut off") for n in (1, 2, 3)]


@SEVERAL
async def test_what_the_end_of_a_system_cuts_off_is_buried(
    open_: Open, recorder: Recorder, function: Function
) -> None:
    desk = Desk()
    with anyio.CancelScope() as scope:
        async with open_() as system:
            ref = await system.spawn(function, desk, id="a", shutdown=0.05)
            for order in ("wait 1", "wait 2"):
                await ref.send(order)
            await until(lambda: len(desk.began) == 2)
            scope.cancel()

    assert dead(recorder) == [("a", f"wait {n}", "cut off") for n in (1, 2)]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_is_cancelled_natively_takes_no_message_with_it(
    open_: Open, recorder: Recorder
) -> None:
    desk = Desk()

    async def group(actor: airssys.Actor) -> None:
        async def read() -> None:
            async for message in actor.inbox:
                await desk.work(message)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(read())
            await asyncio.shield(desk_future)

    desk_future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with open_() as system:
        ref = await system.spawn(group, id="a", restart=NEVER)
        for order in ("wait 1", "wait 2"):
            await ref.send(order)
        await until(lambda: len(desk.began) == 2)
        # The others are cancelled natively, by their group.
        desk_future.set_exception(ValueError("sibling"))
        await until(lambda: ref.closed)

    assert [(order, why) for _, order, why in dead(recorder)] == [
        ("wait 1", "ValueError: sibling"),
        ("wait 2", "ValueError: sibling"),
    ]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_actor_whose_own_task_is_cancelled_natively_buries_all(
    open_: Open, recorder: Recorder
) -> None:
    desk = Desk()
    own: list[asyncio.Task[object] | None] = []

    async def noted(actor: airssys.Actor) -> None:
        own.append(asyncio.current_task())
        await readers(actor, desk)

    async with open_() as system:
        ref = await system.spawn(noted, id="a", restart=NEVER)
        for order in ("wait 1", "wait 2"):
            await ref.send(order)
        await until(lambda: len(desk.began) == 2)
        (task,) = own
        assert task is not None
        task.cancel()
        await until(lambda: ref.closed)

    assert [(order, why) for _, order, why in dead(recorder)] == [
        ("wait 1", "cut off"),
        ("wait 2", "cut off"),
    ]


# --- what is finished -------------------------------------------------------------


async def test_an_answered_ask_is_finished_though_its_task_goes_on(
    open_: Open, recorder: Recorder
) -> None:
    async def early(actor: airssys.Actor) -> None:
        async for message in actor.inbox:
            await message.reply(b"taken down")
            raise ValueError("after that")

    async with open_() as system:
        ref = await system.spawn(early, id="a", restart=NEVER)

        assert await ref.ask("x") == b"taken down"
        await until(lambda: ref.closed)

    assert dead(recorder) == []


@SEVERAL
async def test_work_that_its_asker_gave_up_is_still_work(
    open_: Open, recorder: Recorder, function: Function
) -> None:
    desk = Desk()
    async with open_() as system:
        ref = await system.spawn(function, desk, id="a", restart=NEVER)
        with pytest.raises(ReplyTimeout):
            await ref.ask("wait", timeout=0.05)
        await ref.send("crash")
        await until(lambda: ref.closed)

    assert [order for _, order, _ in dead(recorder)] == ["crash", "wait"]


async def test_a_task_finishes_a_message_when_it_takes_its_next(
    open_: Open, recorder: Recorder
) -> None:
    async def careful(actor: airssys.Actor) -> None:
        first = await anext(actor.inbox)
        seconds = []
        async for second in actor.inbox:
            seconds.append(second.text)
            break
        third = await anext(actor.inbox)
        raise ValueError(first.text + seconds[0] + third.text)

    async with open_() as system:
        ref = await system.spawn(careful, id="a", restart=NEVER)
        for order in ("1", "2", "3"):
            await ref.send(order)
        await until(lambda: ref.closed)

    assert dead(recorder) == [("a", "3", "ValueError: 123")]


async def test_a_sender_that_still_has_a_message_does_not_keep_it_under_work(
    open_: Open, recorder: Recorder
) -> None:
    async def burst(actor: airssys.Actor) -> None:
        await actor.subscribe("t", overflow=airssys.Overflow.WAIT)
        async for message in actor.inbox:
            if message.text == "begin":
                await wait_all_tasks_blocked()
            if message.text == "crash":
                raise ValueError

    async with open_() as system, anyio.create_task_group() as senders:
        ref = await system.spawn(burst, id="a", restart=NEVER, mailbox=1)
        await ref.send("begin")
        # All of these wait for room, and are taken in one go.
        for order in ("1", "2", "3"):
            senders.start_soon(ref.send, order)
            await anyio.lowlevel.checkpoint()
        senders.start_soon(system.publish, "t", "4")
        await wait_all_tasks_blocked()
        with suppress(ActorStopped):
            await ref.send("crash")
        await until(lambda: ref.closed)

    assert [order for _, order, _ in dead(recorder)] == ["crash"]


async def test_what_was_put_aside_is_not_finished(
    open_: Open, recorder: Recorder
) -> None:
    async def batches(actor: airssys.Actor) -> None:
        batch: list[airssys.Message] = []
        async for message in actor.inbox:
            batch.append(message)
            if message.text == "flush":
                batch.clear()
            if message.text == "crash":
                raise ValueError

    async with open_() as system:
        ref = await system.spawn(batches, id="a", restart=NEVER)
        for order in ("1", "2", "flush", "3", "4", "crash"):
            await ref.send(order)
        await until(lambda: ref.closed)

    assert [order for _, order, _ in dead(recorder)] == ["3", "4", "crash"]


async def test_an_actor_may_say_that_a_message_is_finished_which_it_keeps(
    open_: Open, recorder: Recorder
) -> None:
    async def history(actor: airssys.Actor) -> None:
        seen: list[airssys.Message] = []
        async for message in actor.inbox:
            seen.append(message)
            if message.text == "crash":
                raise ValueError
            actor.inbox.settle(message)

    async with open_() as system:
        ref = await system.spawn(history, id="a", restart=NEVER)
        await ref.send("1")
        with pytest.raises(AskRefused, match="it gave no reply"):
            await ref.ask("2", timeout=None)
        await ref.send("crash")
        await until(lambda: ref.closed)

    assert [order for _, order, _ in dead(recorder)] == ["crash"]


async def test_a_task_that_settles_what_it_was_handed_is_exact(
    open_: Open, recorder: Recorder
) -> None:
    done: list[str] = []
    fall = anyio.Event()

    async def exact(actor: airssys.Actor) -> None:
        async def work(message: airssys.Message) -> None:
            if message.text == "wait":
                await fall.wait()
                raise ValueError
            done.append(message.text)
            actor.inbox.settle(message)

        async with anyio.create_task_group() as nursery:
            async for message in actor.inbox:
                nursery.start_soon(work, message)

    async with open_() as system:
        ref = await system.spawn(exact, id="a", restart=NEVER)
        for order in ("wait", "1", "2", "3"):
            await ref.send(order)
        await until(lambda: len(done) == 3)
        fall.set()
        await until(lambda: ref.closed)

    assert [order for _, order, _ in dead(recorder)] == ["wait"]


async def test_an_ask_that_nobody_answers_is_buried_with_its_actor(
    open_: Open, recorder: Recorder
) -> None:
    async def forgetful(actor: airssys.Actor) -> None:
        async for _ in actor.inbox:
            pass

    async with open_() as system, anyio.create_task_group() as asks:
        ref = await system.spawn(forgetful, id="a")
        errors = errors_of(asks, ref, "1", "2")
        await wait_all_tasks_blocked()
        await system.stop("a")

    why = "ended without an answer"
    assert errors == {"1": why, "2": why}
    assert dead(recorder) == [("a", "1", why), ("a", "2", why)]


# --- actors that wait for each other ----------------------------------------------


async def forward(actor: airssys.Actor, target: str) -> None:
    """Answer each ask with what another actor answers, in a task of its own."""
    async with anyio.create_task_group() as nursery:

        async def on(message: airssys.Message) -> None:
            if message.text == "crash":
                raise ValueError
            try:
                answer = await actor.ask(target, message.payload, timeout=None)
            except (AskCycle, ActorStopped) as error:
                answer = type(error).__name__.encode()
            await message.reply(answer)

        async for message in actor.inbox:
            nursery.start_soon(on, message)


async def test_an_ask_that_was_forwarded_fails_with_whoever_forwarded_it(
    open_: Open, recorder: Recorder
) -> None:
    desk = Desk()
    async with open_() as system, anyio.create_task_group() as asks:
        await system.spawn(readers, desk, id="back")
        front = await system.spawn(forward, "back", id="front", restart=NEVER)
        errors = errors_of(asks, front, "wait 1", "wait 2")
        await until(lambda: len(desk.began) == 2)
        await front.send("crash")
        await until(lambda: len(errors) == 2)
        desk.go.set()
        await until(lambda: len(recorder.of(DeadLettered)) == 5)

    why = "ValueError"
    late = "a reply that nobody waits for any more"
    assert errors == {"wait 1": why, "wait 2": why}
    assert dead(recorder) == [
        ("front", "crash", why),
        ("front", "wait 1", why),
        ("front", "wait 1", late),
        ("front", "wait 2", why),
        ("front", "wait 2", late),
    ]


async def test_an_ask_that_was_forwarded_to_one_that_falls_is_answered(
    open_: Open, recorder: Recorder
) -> None:
    desk = Desk()
    async with open_() as system:
        back = await system.spawn(dispatcher, desk, id="back", restart=NEVER)
        front = await system.spawn(forward, "back", id="front")
        got: list[bytes] = []

        async def ask() -> None:
            got.append(await front.ask("wait", timeout=None))

        async with anyio.create_task_group() as asks:
            asks.start_soon(ask)
            await until(lambda: len(desk.began) == 1)
            await back.send("crash")

    assert got == [b"ActorStopped"]
    assert [(who, order) for who, order, _ in dead(recorder)] == [
        ("back", "crash"),
        ("back", "wait"),
    ]


async def test_a_cycle_of_asks_leaves_nothing_under_work(
    open_: Open, recorder: Recorder
) -> None:
    async with open_() as system:
        a = await system.spawn(forward, "b", id="a")
        await system.spawn(forward, "a", id="b")

        assert await a.ask("x", timeout=5) == b"AskCycle"

    assert dead(recorder) == []


# --- all at once ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
@SEVERAL
async def test_each_message_is_done_or_buried_or_still_there(
    open_: Open, recorder: Recorder, function: Function, seed: int
) -> None:
    chance = random.Random(seed)
    desk, answered, failed = Desk(), set[str](), set[str]()
    sent = [f"{chance.choice(('send', 'wait', 'ask'))} {n}" for n in range(30)]
    sent.insert(chance.randrange(10, 30), "crash 0")

    async def ask(ref: airssys.ActorRef, order: str) -> None:
        with suppress(ActorStopped):
            await ref.ask(order, timeout=None)
            answered.add(order)
            return
        failed.add(order)

    async with open_() as system, anyio.create_task_group() as asks:
        ref = await system.spawn(
            partial(function), desk, id="a", restart=NEVER, mailbox=100, shutdown=0.05
        )
        for order in sent:
            if order.startswith("ask"):
                asks.start_soon(ask, ref, order)
            else:
                with suppress(ActorStopped):
                    await ref.send(order)
            if chance.random() < 0.5:
                await anyio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        if not ref.closed:
            await system.stop("a")

    buried = {order for _, order, _ in dead(recorder)}
    missing = set(sent) - set(desk.done) - buried
    # What came after the end was refused to whoever sent it.
    assert not {order for order in missing if order in desk.began}
    assert not buried & answered
    assert failed == {order for order in sent if order.startswith("ask")} - answered
    if function is readers:
        assert not buried & set(desk.done)
