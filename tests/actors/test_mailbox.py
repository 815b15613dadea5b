from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from airssys.actors.control import Callback, HealthRequest, Stop
from airssys.actors.inbox import Inbox
from airssys.actors.mailbox import Mailbox
from airssys.actors.post_office import PostOffice
from airssys.actors.reference import ActorRef
from airssys.core.errors import (
    ActorStopped,
    AskCycle,
    AskRefused,
    CannotReply,
    MailboxFull,
    QuotaExceeded,
    ReplyTimeout,
    Unhealthy,
)
from airssys.core.event import DeadLettered, Delivered
from airssys.core.message import Message, Overflow
from airssys.testing import Recorder, virtual_time


def in_virtual_time(test: Callable[..., Any]) -> Callable[..., Any]:
    mark = pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
    marked: Callable[..., Any] = mark(test)
    return marked


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def office(recorder: Recorder) -> PostOffice:
    return PostOffice(recorder, lambda: 12.5)


def dead(recorder: Recorder) -> list[tuple[bytes, str]]:
    return [(event.payload, event.reason) for event in recorder.of(DeadLettered)]


async def drain(mailbox: Mailbox, count: int) -> list[bytes]:
    return [(await Inbox(mailbox).__anext__()).payload for _ in range(count)]


# --- sending and receiving --------------------------------------------------------


async def test_messages_come_in_the_order_they_were_sent() -> None:
    mailbox = Mailbox("b", 10)
    ref = ActorRef(mailbox, "a")

    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            for number in range(500):
                await ref.send(str(number))

        tasks.start_soon(send)
        got = await drain(mailbox, 500)

    assert got == [str(number).encode() for number in range(500)]


async def test_a_message_tells_who_sent_it_when_and_on_what(
    office: PostOffice,
) -> None:
    mailbox = Mailbox("b", office=office)
    await ActorRef(mailbox, "a").send("hä", topic="t.u", content_type="text/plain")
    await ActorRef(mailbox).send(b"\x00")

    first = await Inbox(mailbox).__anext__()
    second = await Inbox(mailbox).__anext__()

    assert (first.payload, first.text) == ("hä".encode(), "hä")
    assert (first.sender, first.topic) == ("a", "t.u")
    assert (first.content_type, first.timestamp) == ("text/plain", 12.5)
    assert (second.sender, second.topic, second.payload) == ("host", None, b"\x00")


async def test_payloads_are_copied_where_their_owner_could_change_them() -> None:
    mailbox = Mailbox("b")
    ref: Any = ActorRef(mailbox)
    buffer = bytearray(b"before")

    await ref.send(buffer)
    await ref.send(memoryview(buffer))
    buffer[:] = b"after!"

    assert await drain(mailbox, 2) == [b"before", b"before"]


async def test_a_payload_that_is_neither_bytes_nor_text_is_refused() -> None:
    ref: Any = ActorRef(Mailbox("b"))

    with pytest.raises(TypeError, match="bytes or str, not dict"):
        await ref.send({})


async def test_a_payload_over_the_limit_is_refused_at_the_sender() -> None:
    mailbox = Mailbox("b")
    ref = ActorRef(mailbox, "a", payload=4)
    await ref.send(b"1234")

    with pytest.raises(QuotaExceeded, match=r"5 bytes from actor 'a' .*: 4 bytes\)"):
        await ref.send("1234ä"[1:])
    with pytest.raises(QuotaExceeded):
        ref.send_nowait(b"12345")
    with pytest.raises(QuotaExceeded):
        await ref.ask(b"12345")
    with pytest.raises(QuotaExceeded, match="from the host"):
        await ActorRef(mailbox, payload=4).send(b"12345")

    assert await drain(mailbox, 1) == [b"1234"]
    assert mailbox.statistics().queued == 0


async def test_a_receiver_that_waits_gets_the_next_message() -> None:
    mailbox = Mailbox("b")
    got: list[bytes] = []

    async with anyio.create_task_group() as tasks:

        async def receive() -> None:
            got.extend(await drain(mailbox, 2))

        tasks.start_soon(receive)
        await wait_all_tasks_blocked()
        ActorRef(mailbox).send_nowait(b"1")
        await wait_all_tasks_blocked()
        await ActorRef(mailbox).send(b"2")

    assert got == [b"1", b"2"]


async def test_a_cancelled_receiver_loses_nothing() -> None:
    mailbox = Mailbox("b")
    with anyio.move_on_after(0):
        await Inbox(mailbox).__anext__()

    await ActorRef(mailbox).send(b"1")

    assert await drain(mailbox, 1) == [b"1"]


async def test_sends_without_a_wait_let_others_run_every_so_often() -> None:
    mailbox, turns = Mailbox("b", 100_000), 0

    async with anyio.create_task_group() as tasks:

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await checkpoint()

        tasks.start_soon(other)
        for _ in range(6400):
            await ActorRef(mailbox).send(b"")
        sent = turns
        await drain(mailbox, 6400)
        received = turns - sent
        tasks.cancel_scope.cancel()

    assert sent >= 90
    assert received >= 90


async def test_sends_to_many_mailboxes_of_one_office_let_others_run_too(
    office: PostOffice,
) -> None:
    refs = [ActorRef(Mailbox(f"b{n}", office=office)) for n in range(640)]

    with anyio.CancelScope() as scope:
        scope.cancel()
        for ref in refs:
            await ref.send(b"")

    assert sum(ref.statistics().queued for ref in refs) <= 64


# --- a full mailbox ---------------------------------------------------------------


async def test_wait_lets_senders_in_one_by_one_in_their_order() -> None:
    mailbox = Mailbox("b", 2)
    ref = ActorRef(mailbox, "a")
    for payload in (b"1", b"2"):
        await ref.send(payload)
    async with anyio.create_task_group() as tasks:
        for payload in (b"3", b"4", b"5"):
            tasks.start_soon(ref.send, payload)
            await wait_all_tasks_blocked()
        assert ref.statistics().senders_waiting == 3

        assert await drain(mailbox, 1) == [b"1"]

        assert ref.statistics().senders_waiting == 2
        assert await drain(mailbox, 4) == [b"2", b"3", b"4", b"5"]


async def test_nobody_overtakes_a_sender_that_waits() -> None:
    mailbox = Mailbox("b", 1)
    ref = ActorRef(mailbox, "a")
    await ref.send(b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ref.send, b"2")
        await wait_all_tasks_blocked()

        with pytest.raises(MailboxFull):
            ref.send_nowait(b"3")
        assert await drain(mailbox, 2) == [b"1", b"2"]


async def test_a_sender_that_is_cancelled_while_it_waits_has_sent_nothing() -> None:
    mailbox = Mailbox("b", 1)
    ref = ActorRef(mailbox, "a")
    await ref.send(b"1")

    with anyio.move_on_after(0) as scope:
        await ref.send(b"2")

    assert scope.cancelled_caught
    assert ref.statistics().senders_waiting == 0
    await drain(mailbox, 1)
    assert ref.statistics().queued == 0


async def test_send_nowait_never_waits() -> None:
    ref = ActorRef(Mailbox("b", 1))
    ref.send_nowait(b"1")

    with pytest.raises(MailboxFull, match=r"'b' is full \(capacity: 1\)"):
        ref.send_nowait(b"2")


async def test_refuse_tells_the_sender_and_keeps_what_is_there() -> None:
    mailbox = Mailbox("b", 1, Overflow.REFUSE)
    ref = ActorRef(mailbox)
    await ref.send(b"1")

    with pytest.raises(MailboxFull):
        await ref.send(b"2")
    with pytest.raises(MailboxFull):
        await ref.ask(b"2")

    assert await drain(mailbox, 1) == [b"1"]


async def test_drop_oldest_makes_the_oldest_a_dead_letter(
    office: PostOffice, recorder: Recorder
) -> None:
    mailbox = Mailbox("b", 2, Overflow.DROP_OLDEST, office=office)
    ref = ActorRef(mailbox, "a")

    for number in range(5):
        await ref.send(str(number))

    assert dead(recorder) == [
        (str(n).encode(), "dropped for a newer message") for n in range(3)
    ]
    assert await drain(mailbox, 2) == [b"3", b"4"]
    statistics = ref.statistics()
    assert (statistics.dropped, statistics.taken) == (3, 2)


async def test_an_ask_that_is_dropped_fails_at_once() -> None:
    ref = ActorRef(Mailbox("b", 1, Overflow.DROP_OLDEST), "a")

    async with anyio.create_task_group() as tasks:

        async def push() -> None:
            await wait_all_tasks_blocked()
            await ref.send(b"newer")

        tasks.start_soon(push)
        with pytest.raises(MailboxFull):
            await ref.ask(b"?", timeout=None)


async def test_a_send_to_itself_never_waits_for_itself() -> None:
    ref = ActorRef(Mailbox("a", 1), "a")
    await ref.send(b"1")

    with pytest.raises(MailboxFull):
        await ref.send(b"2")


async def test_two_actors_never_wait_for_room_in_each_others_mailbox(
    office: PostOffice,
) -> None:
    to_a = ActorRef(Mailbox("a", 1, office=office), "b")
    to_b = ActorRef(Mailbox("b", 1, office=office), "a")
    await to_a.send(b"1")
    await to_b.send(b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(to_b.send, b"2")
        await wait_all_tasks_blocked()

        with pytest.raises(MailboxFull):
            await to_a.send(b"2")

        tasks.cancel_scope.cancel()
    assert office.asks.cycle("b", "a") == ()


def test_a_mailbox_holds_at_least_one_message() -> None:
    with pytest.raises(ValueError, match="capacity 0 is not allowed"):
        Mailbox("b", 0)


@given(
    st.lists(st.one_of(st.just("take"), st.integers(0, 9)), max_size=40),
    st.integers(1, 4),
    st.sampled_from([Overflow.REFUSE, Overflow.DROP_OLDEST]),
)
def test_a_mailbox_agrees_with_a_plain_list(
    steps: list[str | int], capacity: int, overflow: Overflow
) -> None:
    async def run() -> None:
        mailbox = Mailbox("b", capacity, overflow)
        plain: list[bytes] = []
        for step in steps:
            if step == "take":
                message = mailbox.take()
                assert (message.payload if message else None) == (
                    plain.pop(0) if plain else None
                )
                continue
            payload = str(step).encode()
            try:
                await mailbox.put(Message(payload))
            except MailboxFull:
                assert overflow is Overflow.REFUSE
                assert len(plain) == capacity
            else:
                plain.append(payload)
                del plain[:-capacity]
        assert mailbox.statistics().queued == len(plain)

    anyio.run(run)


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


# --- control ----------------------------------------------------------------------


async def test_a_stop_overtakes_messages_and_holds_until_the_end() -> None:
    mailbox = Mailbox("b")
    await ActorRef(mailbox).send(b"1")
    mailbox.request_stop()

    assert [message async for message in Inbox(mailbox)] == []
    assert [message async for message in Inbox(mailbox)] == []
    mailbox.end_incarnation("")

    assert await drain(mailbox, 1) == [b"1"]


async def test_a_stopped_actor_that_reads_on_cannot_keep_the_loop() -> None:
    mailbox = Mailbox("b")
    mailbox.request_stop()

    with anyio.move_on_after(0) as scope:
        while True:
            async for _ in Inbox(mailbox):
                pass

    assert scope.cancelled_caught


async def test_a_health_check_overtakes_messages() -> None:
    mailbox = Mailbox("b", 1000)
    for _ in range(1000):
        await ActorRef(mailbox).send(b"")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mailbox.check_health)
        await wait_all_tasks_blocked()

        await Inbox(mailbox).__anext__()
        # Done: the task group ends, though 999 messages still wait.

    assert mailbox.statistics().queued == 999


async def test_a_health_check_tells_what_is_wrong() -> None:
    mailbox = Mailbox("b")
    async with anyio.create_task_group() as tasks:

        async def answer() -> None:
            request = await mailbox.receive()
            assert isinstance(request, HealthRequest)
            request.settle(Unhealthy("b", "no disk"))

        tasks.start_soon(answer)
        with pytest.raises(Unhealthy, match="no disk"):
            await mailbox.check_health()


async def test_a_health_check_that_is_given_up_leaves_no_trace() -> None:
    mailbox = Mailbox("b")

    with anyio.move_on_after(0):
        await mailbox.check_health()

    await ActorRef(mailbox).send(b"1")
    assert isinstance(await mailbox.receive(), Message)


async def test_callbacks_mean_nothing_to_an_inbox() -> None:
    mailbox = Mailbox("b")
    mailbox.tell(Callback("x", b""))
    await ActorRef(mailbox).send(b"1")

    assert await drain(mailbox, 1) == [b"1"]


# --- ends -------------------------------------------------------------------------


async def test_what_a_crash_cut_off_is_lost_and_what_was_queued_is_kept(
    office: PostOffice, recorder: Recorder
) -> None:
    mailbox = Mailbox("b", office=office)
    for payload in (b"done", b"under work", b"queued"):
        await ActorRef(mailbox, "a").send(payload)
    await drain(mailbox, 2)

    mailbox.end_incarnation("ValueError: bad")

    assert dead(recorder) == [(b"under work", "ValueError: bad")]
    assert await drain(mailbox, 1) == [b"queued"]


async def test_an_actor_that_waits_for_messages_loses_none_when_it_is_cut_off(
    office: PostOffice, recorder: Recorder
) -> None:
    mailbox = Mailbox("b", office=office)
    await ActorRef(mailbox).send(b"done")
    with anyio.move_on_after(0):
        await drain(mailbox, 2)

    mailbox.end_incarnation("cut off")

    assert dead(recorder) == []


@pytest.mark.parametrize(
    ("reason", "told"), [("boom", "boom"), ("", "ended without an answer")]
)
async def test_asks_that_were_taken_fail_with_the_actor_and_queued_ones_wait_on(
    reason: str, told: str
) -> None:
    mailbox = Mailbox("b")
    errors: list[str] = []
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            with pytest.raises(ActorStopped) as caught:
                await ActorRef(mailbox, "a").ask(b"?", timeout=None)
            errors.append(caught.value.reason)

        for _ in range(3):
            tasks.start_soon(ask)
        await wait_all_tasks_blocked()
        await drain(mailbox, 2)
        mailbox.end_incarnation(reason)
        await wait_all_tasks_blocked()
        assert errors == [told, told]
        mailbox.close("gone")

    assert errors == [told, told, "gone"]


async def test_an_ask_that_was_given_up_is_not_kept_for_ever() -> None:
    mailbox = Mailbox("b")
    with pytest.raises(ReplyTimeout):
        await ActorRef(mailbox, "a").ask(b"?", timeout=0)

    await drain(mailbox, 1)

    assert not mailbox._unanswered


async def test_a_crash_answers_health_checks_and_forgets_requests(
    office: PostOffice,
) -> None:
    a, b = Mailbox("a", office=office), Mailbox("b", office=office)
    await ActorRef(b, "a").request(b"?", asker=a)
    a.tell(Callback("old", b""))
    async with anyio.create_task_group() as tasks:

        async def check() -> None:
            with pytest.raises(ActorStopped, match="boom"):
                await a.check_health()

        tasks.start_soon(check)
        await wait_all_tasks_blocked()
        a.end_incarnation("boom")

    assert len(a.requests) == 0
    await ActorRef(a).send(b"1")
    assert isinstance(await a.receive(), Message)


async def test_a_closed_mailbox_buries_what_is_left_and_refuses_the_rest(
    office: PostOffice, recorder: Recorder
) -> None:
    mailbox = Mailbox("b", 1, office=office)
    ref = ActorRef(mailbox, "a")
    await ref.send(b"queued")
    async with anyio.create_task_group() as tasks:

        async def wait_for_room() -> None:
            with pytest.raises(ActorStopped, match="gone"):
                await ref.send(b"late")

        tasks.start_soon(wait_for_room)
        await wait_all_tasks_blocked()
        assert not ref.closed
        mailbox.close("gone")
        mailbox.close("again")

    assert ref.closed
    assert ref.statistics().closed == "gone"
    assert dead(recorder) == [(b"queued", "gone")]
    with pytest.raises(ActorStopped, match="'b' cannot answer: gone"):
        await ref.send(b"")
    with pytest.raises(ActorStopped):
        await ref.ask(b"")
    with pytest.raises(ActorStopped):
        await mailbox.check_health()


async def test_a_message_that_was_let_in_and_taken_counts_as_sent() -> None:
    mailbox = Mailbox("b", 1)
    ref = ActorRef(mailbox, "a")
    await ref.send(b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ref.send, b"2")
        await wait_all_tasks_blocked()
        got = await drain(mailbox, 2)
        mailbox.close()

    assert got == [b"1", b"2"]


async def test_an_actor_that_starts_on_a_closed_mailbox_stops_at_once() -> None:
    mailbox = Mailbox("b")
    mailbox.close()
    mailbox.end_incarnation("")

    assert await mailbox.receive() == Stop()


async def test_a_discarded_mailbox_leaves_no_dead_letters(
    office: PostOffice, recorder: Recorder
) -> None:
    mailbox = Mailbox("b", office=office)
    await ActorRef(mailbox).send(b"1")

    mailbox.discard()

    assert recorder.events == []
    assert mailbox.statistics().taken == 0


async def test_deliveries_are_events_only_where_that_is_asked_for(
    office: PostOffice, recorder: Recorder
) -> None:
    mailbox = Mailbox("b", office=office)
    await ActorRef(mailbox, "a").send(b"12", topic="t")
    await ActorRef(mailbox, "a").send(b"123")
    await drain(mailbox, 1)
    office.deliveries = True
    await drain(mailbox, 1)

    (event,) = recorder.of(Delivered)
    assert (event.subject, event.sender, event.size, event.topic) == ("b", "a", 3, None)


async def test_an_inbox_knows_how_much_waits() -> None:
    mailbox = Mailbox("b")
    await ActorRef(mailbox).send(b"")

    assert len(Inbox(mailbox)) == 1
    assert repr(mailbox) == "<Mailbox of 'b': 1 of 1000>"
    assert repr(ActorRef(mailbox)) == "<ActorRef to 'b' for 'host'>"
