from __future__ import annotations

import tracemalloc

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from airssys.actors.control import Callback
from airssys.actors.inbox import Inbox
from airssys.actors.mailbox import Mailbox
from airssys.actors.post_office import PostOffice
from airssys.actors.reference import ActorRef
from airssys.actors.registry import Registry
from airssys.core.errors import (
    ActorStopped,
    AskCycle,
    AskRefused,
    CannotReply,
    MailboxFull,
    QuotaExceeded,
    ReplyTimeout,
)
from airssys.core.event import DeadLettered
from airssys.core.message import Overflow
from airssys.testing import Recorder

from ..virtual import in_virtual_time

# --- asks -------------------------------------------------------------------------


async def echo(mailbox: Mailbox) -> None:
    async for message in Inbox(mailbox):
        await message.reply(message.payload)


async def test_an_ask_gets_its_own_reply() -> None:
    mailbox = Mailbox("b")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(echo, mailbox)

        got = [await ActorRef(mailbox, "a").ask(str(n)) for n in range(3)]
        got.append(await ActorRef(mailbox).ask(b"host", timeout=None))
        mailbox.request_stop()

    assert got == [b"0", b"1", b"2", b"host"]


@in_virtual_time
async def test_an_ask_without_a_reply_ends_at_its_timeout() -> None:
    ref = ActorRef(Mailbox("b"), "a")

    began = anyio.current_time()
    with pytest.raises(ReplyTimeout, match=r"'b' did not reply within 2.5 s"):
        await ref.ask(b"?", timeout=2.5)

    assert anyio.current_time() == began + 2.5


async def test_the_timeout_of_an_ask_covers_the_wait_for_room() -> None:
    ref = ActorRef(Mailbox("b", 1), "a")
    await ref.send(b"1")

    with pytest.raises(ReplyTimeout):
        await ref.ask(b"?", timeout=0)

    assert ref.statistics().senders_waiting == 0


async def test_a_reply_that_nobody_waits_for_becomes_a_dead_letter(
    office: PostOffice, recorder: Recorder
) -> None:
    mailbox = Mailbox("b", office=office)
    with pytest.raises(ReplyTimeout):
        await ActorRef(mailbox, "a").ask(b"?", timeout=0)

    message = await Inbox(mailbox).__anext__()
    await message.reply(b"late")

    (event,) = recorder.of(DeadLettered)
    assert (event.subject, event.sender, event.payload) == ("a", "b", b"late")
    with pytest.raises(CannotReply, match="answered already"):
        await message.reply(b"again")


async def test_a_second_reply_is_a_mistake_and_the_first_one_stays() -> None:
    mailbox = Mailbox("b")
    replies: list[bytes] = []
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            replies.append(await ActorRef(mailbox, "a").ask(b"?"))

        tasks.start_soon(ask)
        message = await Inbox(mailbox).__anext__()
        await message.reply("first")
        with pytest.raises(CannotReply, match=r"from 'a' .* answered already"):
            await message.reply("second")
        assert message.answer is not None
        message.answer.refuse(RuntimeError())

    assert replies == [b"first"]


async def test_a_reply_over_the_limit_leaves_the_ask_open() -> None:
    mailbox = Mailbox("b", payload=4)
    replies: list[bytes] = []
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            replies.append(await ActorRef(mailbox, "a").ask(b"?"))

        tasks.start_soon(ask)
        message = await Inbox(mailbox).__anext__()
        with pytest.raises(QuotaExceeded, match="from actor 'b'"):
            await message.reply("12345")
        await message.reply("1234")

    assert replies == [b"1234"]


async def test_many_replies_let_others_run() -> None:
    mailbox = Mailbox("b", 1000)
    ref = ActorRef(mailbox, "a")
    async with anyio.create_task_group() as tasks:
        for _ in range(300):
            tasks.start_soon(ref.ask, b"?")
        await wait_all_tasks_blocked()
        messages = [await Inbox(mailbox).__anext__() for _ in range(300)]
        with anyio.CancelScope() as scope:
            scope.cancel()
            for message in messages:
                await message.reply(b"")
        assert scope.cancelled_caught
        tasks.cancel_scope.cancel()


async def test_an_ask_can_be_refused_with_a_reason() -> None:
    mailbox = Mailbox("b")
    async with anyio.create_task_group() as tasks:

        async def refuse() -> None:
            message = await Inbox(mailbox).__anext__()
            assert message.answer is not None
            message.answer.refuse(AskRefused("b", "no"))

        tasks.start_soon(refuse)
        with pytest.raises(AskRefused, match="'b' refused: no"):
            await ActorRef(mailbox, "a").ask(b"?")


async def test_a_cycle_of_asks_fails_at_once_and_names_it(office: PostOffice) -> None:
    a, b, c = (Mailbox(name, office=office) for name in "abc")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ActorRef(b, "a").ask, b"?")
        tasks.start_soon(ActorRef(c, "b").ask, b"?")
        await wait_all_tasks_blocked()

        with pytest.raises(AskCycle, match="c -> a -> b -> c"):
            await ActorRef(a, "c").ask(b"?")
        with pytest.raises(AskCycle, match="c -> c"):
            await ActorRef(c, "c").ask(b"?")

        tasks.cancel_scope.cancel()
    assert office.asks.cycle("b", "a") == ()


async def test_an_ask_is_over_for_the_graph_when_the_reply_is_sent(
    office: PostOffice,
) -> None:
    a, b = Mailbox("a", office=office), Mailbox("b", office=office)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ActorRef(b, "a").ask, b"?")
        message = await Inbox(b).__anext__()
        await message.reply(b"!")

        # The asker has not run yet.
        tasks.start_soon(echo, a)
        assert await ActorRef(a, "b").ask(b"back") == b"back"
        a.request_stop()


# --- one task that keeps the time -------------------------------------------------


@in_virtual_time
async def test_asks_time_out_in_time_while_one_task_keeps_it(
    office: PostOffice,
) -> None:
    ref = ActorRef(Mailbox("b", office=office), "a")
    ended: list[tuple[float, float]] = []

    async with anyio.create_task_group() as tasks:
        await tasks.start(office.keep_time)
        began = anyio.current_time()

        async def ask(timeout: float) -> None:  # noqa: ASYNC109
            with pytest.raises(ReplyTimeout):
                await ref.ask(b"?", timeout=timeout)
            ended.append((timeout, anyio.current_time() - began))

        async with anyio.create_task_group() as asks:
            for timeout in (3.0, 1.0, 2.0, 0.0):
                asks.start_soon(ask, timeout)
        tasks.cancel_scope.cancel()

    assert [timeout for timeout, _ in ended] == [0.0, 1.0, 2.0, 3.0]
    assert all(took == pytest.approx(timeout) for timeout, took in ended)


@in_virtual_time
async def test_deadlines_of_answered_asks_do_not_pile_up(office: PostOffice) -> None:
    mailbox = Mailbox("b", office=office)
    async with anyio.create_task_group() as tasks:
        await tasks.start(office.keep_time)
        tasks.start_soon(echo, mailbox)

        for _ in range(2000):
            await ActorRef(mailbox, "a").ask(b"?", timeout=3600)
        kept = len(office._due)
        await anyio.sleep(4000)

        assert kept < 1000
        assert not office._due
        tasks.cancel_scope.cancel()


async def test_replies_are_not_kept_until_their_deadlines(office: PostOffice) -> None:
    mailbox = Mailbox("b", office=office)

    async def answer() -> None:
        async for message in Inbox(mailbox):
            await message.reply(b"x" * 2**20)

    async with anyio.create_task_group() as tasks:
        await tasks.start(office.keep_time)
        tasks.start_soon(answer)
        tracemalloc.start()
        try:
            for _ in range(50):
                await ActorRef(mailbox, "a").ask(b"?", timeout=3600)
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        tasks.cancel_scope.cancel()

    assert kept < 5 * 2**20


async def test_open_asks_fail_when_nobody_keeps_the_time_any_more(
    office: PostOffice,
) -> None:
    ref = ActorRef(Mailbox("b", office=office), "a")
    errors: list[str] = []

    async def ask() -> None:
        with pytest.raises(ActorStopped) as caught:
            await ref.ask(b"?", timeout=60)
        errors.append(str(caught.value))

    async def keep_time_for_a_while() -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(office.keep_time)
            asks.start_soon(ask)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as asks:
        asks.start_soon(keep_time_for_a_while)

    assert errors == ["actor 'b' cannot answer: the system ended"]


# --- requests that are not waited for ---------------------------------------------


async def test_the_reply_to_a_request_comes_ahead_of_the_messages(
    office: PostOffice,
) -> None:
    a, b = Mailbox("a", office=office), Mailbox("b", office=office)
    request_id = await ActorRef(b, "a").request(b"?", asker=a, timeout=1)
    await ActorRef(a).send(b"waiting")

    message = await Inbox(b).__anext__()
    assert message.request_id == request_id
    await message.reply(b"!")

    assert await a.receive() == Callback(request_id, b"!")
    assert len(a.requests) == 0


async def test_a_request_whose_receiver_ends_comes_back_as_its_error(
    office: PostOffice,
) -> None:
    a, b = Mailbox("a", office=office), Mailbox("b", office=office)
    await ActorRef(b, "a").request(b"?", asker=a)

    b.close("gone")

    received = await a.receive()
    assert isinstance(received, Callback)
    assert str(received.outcome) == "actor 'b' cannot answer: gone"


async def test_the_reply_to_a_request_that_was_given_up_is_a_dead_letter(
    office: PostOffice, recorder: Recorder
) -> None:
    a, b = Mailbox("a", office=office), Mailbox("b", office=office)
    request_id = await ActorRef(b, "a").request(b"?", asker=a)
    a.requests.close(request_id)

    await (await Inbox(b).__anext__()).reply(b"late")

    assert [event.subject for event in recorder.of(DeadLettered)] == ["a"]


async def test_a_request_that_cannot_be_sent_is_forgotten(office: PostOffice) -> None:
    a = Mailbox("a", office=office)
    b = Mailbox("b", 1, Overflow.REFUSE, office=office)
    await ActorRef(b, "a").request(b"1", asker=a)

    with pytest.raises(MailboxFull):
        await ActorRef(b, "a").request(b"2", asker=a)

    assert len(a.requests) == 1


async def test_answers_that_wait_take_no_more_room_than_messages(
    registry: Registry, recorder: Recorder
) -> None:
    asker = registry.register("acme/a", size=100).mailbox
    b = Inbox(registry.register("b").mailbox)
    for _ in range(3):
        await registry.request("b", b"?", sender="acme/a")
        await (await b.__anext__()).reply(b"x" * 60)

    got = [await asker.receive() for _ in range(3)]

    first, *others = (one.outcome for one in got if isinstance(one, Callback))
    assert first == b"x" * 60
    assert [str(one) for one in others] == [
        "mailbox of actor 'acme/a' is full (capacity: 100 bytes)"
    ] * 2
    lost = recorder.of(DeadLettered)
    assert [one.size for one in lost] == [60, 60]
    await registry.request("b", b"?", sender="acme/a")
    await (await b.__anext__()).reply(b"y" * 200)
    last = await asker.receive()
    assert isinstance(last, Callback)
    assert last.outcome == b"y" * 200
