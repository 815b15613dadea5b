from __future__ import annotations

from pathlib import Path

import anyio
import pytest

import airssys
from airssys.core.child import Crashed
from airssys.core.errors import (
    ActorStopped,
    AskCycle,
    AskRefused,
    GuestTrapped,
    MailboxFull,
    QuotaExceeded,
    ReplyTimeout,
)
from airssys.core.event import (
    CallCut,
    Denied,
)
from airssys.core.message import Overflow
from airssys.testing import Recorder

from ..components import write_component
from .support import (
    Open,
    collect,
    crashes,
    dead,
    echo,
    obeys,
    silent,
    stuck,
    until,
)

pytestmark = pytest.mark.guest


async def test_a_guests_error_refuses_the_ask_and_the_guest_lives_on(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        actor = await system.spawn(write_component(tmp_path))
        with pytest.raises(AskRefused, match=r"internal-error: no$") as refused:
            await actor.ask("err no")
        with pytest.raises(AskRefused, match="gave no reply"):
            await actor.ask("quiet")

        assert refused.value.target == "acme/a"
        assert await actor.ask("count") == b"2"
        assert system.tally.crashes == 0


async def test_an_actor_that_answers_everything_survives_who_only_sends(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        other = await system.spawn(echo, "!")
        guest = await system.spawn(write_component(tmp_path))
        assert await guest.ask("send echo hi") == b"ok"
        await other.send("hi")
        await system.publish("t", "hi")

        assert await other.ask("hi") == b"hi!"
        assert system.tally.crashes == 0


async def test_a_trap_loses_one_message_and_the_actor_comes_back(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    async with open_() as system:
        actor = await system.spawn(write_component(tmp_path))
        await actor.send("note lost with the instance")
        async with anyio.create_task_group() as tasks:

            async def ask_trap() -> None:
                with pytest.raises(ActorStopped, match="unreachable") as stopped:
                    await actor.ask("trap")
                assert "GuestTrapped" in stopped.value.reason

            taken = actor.statistics().taken
            tasks.start_soon(ask_trap)
            await until(lambda: actor.statistics().taken > taken)
            await actor.send("note kept")

        assert await actor.ask("notes") == b"kept\n"
        assert dead(recorder) == [("acme/a", b"trap")]
        (child,) = system.children
        assert child.restarts == 1
        assert isinstance(child.last_exit, Crashed)
        assert isinstance(child.last_exit.error, GuestTrapped)
        assert [event.why for event in recorder.of(CallCut)] == ["trap"]


async def test_a_fresh_instance_goes_through_init_again(
    open_: Open, tmp_path: Path
) -> None:
    last_words: list[str] = []
    config = {"farewell": "friend"}  # init reads it, shutdown needs it
    async with open_() as system:
        await system.spawn(collect, last_words, id="friend")
        actor = await system.spawn(write_component(tmp_path, config=config))
        with pytest.raises(ActorStopped):
            await actor.ask("trap")
        assert await actor.ask("count") == b"0"
        await system.stop("acme/a")
        await until(lambda: last_words == ["note farewell"])


@pytest.mark.parametrize(
    ("resources", "why", "error"),
    [
        ('timeout = "150ms"', "time", "Overtime"),
        ("fuel = 100_000_000", "fuel", "OutOfFuel"),
    ],
)
async def test_a_guest_that_spins_is_cut_off_and_nobody_else_notices(
    open_: Open,
    tmp_path: Path,
    recorder: Recorder,
    resources: str,
    why: str,
    error: str,
) -> None:
    async with open_() as system:
        other = await system.spawn(echo)
        patient = 'start = "15s"'  # for a busy machine: else it is twice the timeout
        actor = await system.spawn(
            write_component(tmp_path, resources=resources, supervision=patient)
        )
        answers: list[bytes] = []
        async with anyio.create_task_group() as tasks:

            async def ask_spin() -> None:
                with pytest.raises(ActorStopped, match=error):
                    await actor.ask("spin")
                tasks.cancel_scope.cancel()

            tasks.start_soon(ask_spin)
            while True:
                await anyio.sleep(0.001)
                answers.append(await other.ask("hi"))

        assert len(answers) >= 2
        assert await actor.ask("count") == b"0"
        assert [event.why for event in recorder.of(CallCut)] == [why]
        assert crashes(recorder)[0][1].startswith(error)


async def test_asks_in_a_circle_of_guests_fail_at_once_and_name_it(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        one = await system.spawn(write_component(tmp_path, "acme/one"))
        await system.spawn(write_component(tmp_path, "acme/two"))
        answer = (await one.ask("ask acme/two ask acme/one echo hi")).decode()

        # At once: a timeout would say so.
        assert answer == (
            "error cycle: ask would wait for itself: acme/two -> acme/one -> acme/two"
        )
        # Nobody fell, and the way back is open.
        assert await one.ask("ask acme/two echo fine") == b"fine"
        assert system.tally.crashes == 0


async def test_a_guest_and_a_function_that_ask_each_other_are_told(
    open_: Open, tmp_path: Path
) -> None:
    cycles: list[tuple[str, ...]] = []

    async def asks_back(actor: airssys.Actor) -> None:
        async for message in actor.inbox:
            try:
                await actor.ask(message.sender, "echo hi")
            except AskCycle as error:
                cycles.append(error.cycle)
            await message.reply("done")

    async with open_() as system:
        await system.spawn(asks_back, id="back")
        guest = await system.spawn(write_component(tmp_path))

        assert await guest.ask("ask back x") == b"done"
    assert cycles == [("back", "acme/a", "back")]


async def test_the_reply_to_a_request_comes_by_callback_and_so_does_its_timeout(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        await system.spawn(echo, "!")
        await system.spawn(silent)
        guest = await system.spawn(write_component(tmp_path, config={"ask-ms": "50"}))

        request = (await guest.ask("later echo hi")).decode()
        await obeys(guest, "got", f"{request} ok hi!")
        request = (await guest.ask("later silent hi")).decode()
        expected = f"{request} err {ReplyTimeout('silent', 0.05)}"
        await obeys(guest, "got", expected)
        request = (await guest.ask("later silent hi")).decode()
        assert await guest.ask(f"cancel {request}") == b"true"
        assert await guest.ask(f"cancel {request}") == b"false"
        await anyio.sleep(0.06)
        assert (await guest.ask("got")).decode() == expected


async def test_a_guest_that_is_asked_and_not_answered_gives_up_in_time(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        await system.spawn(silent)
        guest = await system.spawn(write_component(tmp_path, config={"ask-ms": "50"}))
        assert await guest.ask("ask silent x") == b"error timeout"
        answer = (await guest.ask("ask nobody x")).decode()
        assert answer.startswith("error component-not-found: "), answer
        assert "silent" not in answer, "whom it may not know of"
        with pytest.raises(ReplyTimeout):
            await system.actor("silent").ask("x", timeout=0.02)


async def test_topics_lead_from_guest_to_guest_and_to_the_host(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system, system.subscribe("orders.#") as messages:
        one = await system.spawn(write_component(tmp_path, "acme/one"))
        two = await system.spawn(
            write_component(tmp_path, "acme/two", config={"subscribe": "orders.*"})
        )

        assert await one.ask("publish orders.new apples") == b"ok"
        assert await one.ask("publish other.new nothing") == b"ok"
        await obeys(two, "heard", "1 orders.new apples")
        message = await anext(messages)
        assert (message.topic, message.payload) == ("orders.new", b"apples")
        assert message.sender == "acme/one"

        # A subscription outlives the instance that made it.
        with pytest.raises(ActorStopped):
            await two.ask("trap")
        assert await system.publish("orders.more", "pears") == 2
        await obeys(two, "heard", "1 orders.more pears")
        assert await two.ask("unsubscribe orders.*") == b"ok"
        assert await system.publish("orders.more", "plums") == 1


async def test_a_guest_without_grants_is_denied_and_everybody_can_know(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    got: list[str] = []
    async with open_() as system:
        await system.spawn(collect, got, id="friend")
        guest = await system.spawn(write_component(tmp_path, capabilities=""))
        for order, needed in (
            ("send friend x", "send to 'friend'"),
            ("ask friend x", "request from 'friend'"),
            ("later friend x", "request from 'friend'"),
            ("broadcast friend x", "send to 'friend'"),
            ("publish some.topic x", "publish to 'some.topic'"),
            ("subscribe some.*", "subscribe to 'some.*'"),
        ):
            answer = (await guest.ask(order)).decode()
            assert answer.startswith(f"error denied: may not {needed}: no grant"), order
            assert recorder.of(Denied)[-1].needed == needed
            assert recorder.of(Denied)[-1].subject == "acme/a"
        assert await guest.ask("list") == b"acme/a\n"
        assert system.tally.denials == 6
    assert got == []


async def test_a_receiver_must_be_willing_too(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    some = 'messaging = { receive = ["acme/friend"] }'
    async with open_() as system:
        chooser = await system.spawn(
            write_component(tmp_path, "acme/chooser", capabilities=some)
        )
        friend = await system.spawn(write_component(tmp_path, "acme/friend"))
        stranger = await system.spawn(write_component(tmp_path, "acme/stranger"))

        assert await friend.ask("send acme/chooser note hello") == b"ok"
        answer = (await stranger.ask("send acme/chooser note hello")).decode()
        assert answer.startswith(
            "error denied: 'acme/chooser' may not receive from 'acme/stranger'"
        )
        (denied,) = recorder.of(Denied)
        assert denied.subject == "acme/chooser"
        assert await chooser.ask("notes") == b"hello\n"
        assert await chooser.ask("who") == b"host"


async def test_a_full_mailbox_that_refuses_tells_the_sender(
    open_: Open, tmp_path: Path
) -> None:
    free = anyio.Event()
    async with open_() as system:
        full = await system.spawn(
            stuck, free, id="full", mailbox=2, overflow=Overflow.REFUSE
        )
        guest = await system.spawn(write_component(tmp_path))
        await full.send("1")
        assert await guest.ask("send full 2") == b"ok"

        with pytest.raises(MailboxFull, match=r"'full' is full \(capacity: 2\)"):
            await full.send("3")
        assert (await guest.ask("send full 3")).startswith(b"error mailbox-full: ")
        free.set()
        await until(lambda: not full.statistics().queued)
        assert await full.ask("4") == b"4"


async def test_a_full_mailbox_that_drops_loses_the_oldest(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(
        tmp_path, resources='mailbox = 2\noverflow = "drop-oldest"'
    )
    async with open_() as system:
        guest = await system.spawn(folder)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest.ask, "sleep 100")
            await anyio.sleep(0.02)
            for number in range(4):
                await guest.send(f"note {number}")
        assert guest.statistics().dropped == 2
        await anyio.sleep(0.02)
        assert await guest.ask("notes") == b"2\n3\n"
    assert dead(recorder) == [("acme/a", b"note 0"), ("acme/a", b"note 1")]


async def test_a_full_mailbox_that_waits_holds_the_sender(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        guest = await system.spawn(write_component(tmp_path, resources="mailbox = 1"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest.ask, "sleep 100")
            await anyio.sleep(0.02)
            start = anyio.current_time()
            await guest.send("note 1")
            with pytest.raises(MailboxFull):
                guest.send_nowait("note refused")
            await guest.send("note 2")
            assert anyio.current_time() - start > 0.05
        assert await guest.ask("notes") == b"1\n2\n"


async def test_a_payload_over_the_quota_is_refused_whoever_sends_it(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        other = await system.spawn(echo, "")
        guest = await system.spawn(
            write_component(tmp_path, resources='payload = "1KiB"')
        )
        with pytest.raises(QuotaExceeded, match="1_048_577 bytes from the host"):
            await guest.send(bytes(2**20 + 1))
        answer = (await guest.ask(f"send echo {'x' * 1025}")).decode()
        assert answer.startswith("error invalid-message: message of 1_025 bytes")
        with pytest.raises(AskRefused, match="payload quota"):
            await guest.ask(f"echo {'x' * 1025}")

        assert await guest.ask(f"echo {'x' * 1024}") == b"x" * 1024
        assert await other.ask("still there") == b"still there"
