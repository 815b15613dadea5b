from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from airssys.actors.control import Callback, HealthRequest, Stop
from airssys.actors.inbox import Inbox
from airssys.actors.mailbox import Mailbox
from airssys.actors.post_office import PostOffice
from airssys.actors.reference import ActorRef
from airssys.core.errors import (
    ActorStopped,
    QuotaExceeded,
    ReplyTimeout,
    Unhealthy,
)
from airssys.core.event import Delivered
from airssys.core.message import Message
from airssys.testing import Recorder

from .support import (
    drain,
    lost,
)

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
    mailbox.put_ahead(Callback("x", b""))
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

    assert lost(recorder) == [(b"under work", "ValueError: bad")]
    assert await drain(mailbox, 1) == [b"queued"]


async def test_an_actor_that_waits_for_messages_loses_none_when_it_is_cut_off(
    office: PostOffice, recorder: Recorder
) -> None:
    mailbox = Mailbox("b", office=office)
    await ActorRef(mailbox).send(b"done")
    with anyio.move_on_after(0):
        await drain(mailbox, 2)

    mailbox.end_incarnation("cut off")

    assert lost(recorder) == []


@pytest.mark.parametrize(
    ("reason", "text"), [("boom", "boom"), ("", "ended without an answer")]
)
async def test_asks_that_were_taken_fail_with_the_actor_and_queued_ones_wait_on(
    reason: str, text: str
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
        assert errors == [text, text]
        mailbox.close("gone")

    assert errors == [text, text, "gone"]


async def test_an_ask_that_was_given_up_is_not_kept_for_ever() -> None:
    mailbox = Mailbox("b")
    with pytest.raises(ReplyTimeout):
        await ActorRef(mailbox, "a").ask(b"?", timeout=0)

    await drain(mailbox, 1)

    assert not mailbox.taken.unanswered


async def test_a_crash_answers_health_checks_and_forgets_requests(
    office: PostOffice,
) -> None:
    a, b = Mailbox("a", office=office), Mailbox("b", office=office)
    await ActorRef(b, "a").request(b"?", asker=a)
    a.put_ahead(Callback("old", b""))
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
    assert lost(recorder) == [(b"queued", "gone")]
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
