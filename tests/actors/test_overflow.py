from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from hypothesis import given
from hypothesis import strategies as st

from airssys.actors.mailbox import Mailbox
from airssys.actors.post_office import PostOffice
from airssys.actors.reference import ActorRef
from airssys.core.errors import (
    MailboxFull,
)
from airssys.core.message import Message, Overflow
from airssys.testing import Recorder

from .support import (
    drain,
    lost,
)


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

    assert lost(recorder) == [
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
    st.sampled_from([rule for rule in Overflow if not rule.holds_up_senders]),
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
