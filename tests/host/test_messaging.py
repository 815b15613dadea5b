from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from airssys.actors.control import Callback
from airssys.actors.inbox import Inbox
from airssys.actors.post_office import PostOffice
from airssys.actors.registry import Registry
from airssys.core import errors
from airssys.core.budget import Budget
from airssys.core.errors import AskRefused, DeliveryError, WitError
from airssys.core.event import Denied
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import MessagingGrants
from airssys.core.limits import Quota
from airssys.core.message import Overflow
from airssys.core.routes import MOST_SUBSCRIPTIONS
from airssys.host.messaging import (
    MESSAGING,
    MOST_TARGETS,
    UNDELIVERED,
    messaging,
)
from airssys.hostcalls.call import Call, Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.testing import Recorder, virtual_time
from airssys.witmodel.records import actor_id, component_id
from airssys.witmodel.types import Err, Ok, Record, Variant

ALL = Grants(
    messaging=MessagingGrants(
        send=["**"], request=["**"], publish=["#"], subscribe=["#"], receive=["**"]
    )
)


class Guest:
    """A guest's view of the interface: calls go through the guard, as the engine's."""

    def __init__(self, grants: Grants = ALL, messages: int | None = None) -> None:
        self.recorder = Recorder()
        self.registry = Registry(PostOffice(self.recorder))
        self.gate = Gate(self.recorder)
        self.interface: HostInterface = messaging(self.registry, self.gate)
        quota = None if messages is None else Quota(messages=messages)
        budget = None if quota is None else Budget("acme/a", quota)
        self.standing = Standing(grants, budget)
        self.mailbox = self.registry.register("acme/a", standing=self.standing).mailbox

    async def call(self, name: str, *args: object) -> Any:
        call = Call("acme/a", "acme/a", f"{MESSAGING}#{name}", self.standing)
        value = self.gate(self.interface.functions[name], call, args)
        return await value if isinstance(value, Awaitable) else value

    async def error(self, name: str, *args: object) -> Variant:
        with pytest.raises(WitError) as caught:
            await self.call(name, *args)
        return cast("Variant", caught.value.value)


def ident(text: str) -> Record:
    return Record(**component_id(text))


@pytest.mark.parametrize("text", ["a", "ns/a", "a#1", "ns/a#1"])
def test_ids_go_to_records_and_back(text: str) -> None:
    assert actor_id(ident(text)) == text


def test_the_interface_has_all_functions_and_each_says_what_it_needs() -> None:
    functions = messaging(Registry(), Gate()).functions

    assert set(functions) == {
        *("self-id", "send", "request", "send-request", "cancel-request"),
        *("broadcast", "publish", "subscribe", "unsubscribe"),
    }
    for function in functions.values():
        assert function.needed.startswith(("messaging.", "nothing: "))
        assert (function.needs is None) == (function.denied is None)


def test_every_delivery_error_has_a_case_for_guests() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, DeliveryError)
    }

    assert kinds - {DeliveryError} <= set(UNDELIVERED)


async def test_a_guest_learns_its_own_id() -> None:
    assert await Guest().call("self-id") == {
        "namespace": "acme",
        "name": "a",
        "instance": "",
    }


async def test_a_guest_sends_in_its_own_name() -> None:
    guest = Guest()
    b = guest.registry.register("b").mailbox

    await guest.call("send", ident("b"), b"1")

    message = await Inbox(b).__anext__()
    assert (message.sender, message.payload) == ("acme/a", b"1")


async def test_a_guest_waits_for_an_answer_in_place() -> None:
    guest = Guest()
    b = guest.registry.register("b").mailbox
    async with anyio.create_task_group() as tasks:

        async def answer() -> None:
            await (await Inbox(b).__anext__()).reply(b"2")
            message = await Inbox(b).__anext__()
            assert message.answer is not None
            message.answer.refuse(AskRefused("b", "no"))

        tasks.start_soon(answer)
        assert await guest.call("request", ident("b"), b"1", 1000) == b"2"
        error = await guest.error("request", ident("b"), b"1", 1000)

    assert error == Variant("failed", "actor 'b' refused: no")


async def test_a_guest_sends_a_request_and_takes_the_answer_later() -> None:
    guest = Guest()
    b = guest.registry.register("b").mailbox

    kept = await guest.call("send-request", ident("b"), b"1", 1000)
    given_up = await guest.call("send-request", ident("b"), b"1", 1000)
    assert await guest.call("cancel-request", given_up) is True
    assert await guest.call("cancel-request", given_up) is False
    await (await Inbox(b).__anext__()).reply(b"2")

    assert await guest.mailbox.receive() == Callback(kept, b"2")


async def test_a_guest_publishes_and_subscribes() -> None:
    guest = Guest()

    await guest.call("subscribe", "t.#")
    await guest.call("publish", "t.x", b"1")
    await guest.call("unsubscribe", "t.#")
    await guest.call("publish", "t.x", b"2")

    assert (await Inbox(guest.mailbox).__anext__()).payload == b"1"
    assert guest.mailbox.statistics().queued == 0


async def test_a_broadcast_tells_how_each_send_went() -> None:
    guest = Guest(Grants(messaging=MessagingGrants(send=["b", "c", "closed"])))
    b = guest.registry.register("b").mailbox
    guest.registry.register("closed", standing=Standing())
    guest.registry.register("d")

    outcomes = await guest.call("broadcast", list(map(ident, "bcd")), b"1")
    closed = await guest.call("broadcast", [ident("closed")], b"1")

    assert outcomes[0] == Ok()
    assert [type(outcome) for outcome in outcomes[1:]] == [Err, Err]
    assert [outcome.value.case for outcome in outcomes[1:]] == [
        *("component-not-found", "denied")
    ]
    assert closed[0].value.case == "denied"
    assert b.statistics().queued == 1


@pytest.mark.parametrize(
    ("name", "args", "needed"),
    [
        ("send", (ident("ns/b"), b""), "send to 'ns/b'"),
        ("request", (ident("ns/b"), b"", 10), "request from 'ns/b'"),
        ("send-request", (ident("ns/b"), b"", 10), "request from 'ns/b'"),
        ("publish", ("t", b""), "publish to 't'"),
        ("subscribe", ("t",), "subscribe to 't'"),
    ],
)
async def test_without_grants_a_guest_is_denied_and_nothing_is_sent(
    name: str, args: tuple[object, ...], needed: str
) -> None:
    guest = Guest(Grants())
    b = guest.registry.register("ns/b").mailbox
    guest.registry.subscribe("t", sender="ns/b")

    error = await guest.error(name, *args)

    assert error.case == "denied"
    assert error.value.startswith(f"may not {needed}: no grant covers it")
    (event,) = guest.recorder.of(Denied)
    assert (event.subject, event.needed) == ("acme/a", needed)
    assert event.operation == f"{MESSAGING}#{name}"
    assert b.statistics().queued == 0


async def test_a_component_gets_only_what_it_may_receive() -> None:
    guest = Guest()
    deaf = guest.registry.register("deaf", standing=Standing()).mailbox
    guest.registry.register("open", standing=Standing(ALL))

    await guest.call("send", ident("open"), b"")
    for name, args in (("send", ()), ("request", (10,)), ("send-request", (10,))):
        error = await guest.error(name, ident("deaf"), b"", *args)
        assert error.case == "denied"
        assert "'deaf' may not receive from 'acme/a'" in error.value

    assert [event.subject for event in guest.recorder.of(Denied)] == ["deaf"] * 3
    assert deaf.statistics().queued == 0


async def test_a_guest_learns_of_no_actor_and_of_no_grants_of_others() -> None:
    guest = Guest()
    guest.registry.register("secret-a")
    some = Grants(messaging=MessagingGrants(receive=["acme/friend"]))
    guest.registry.register("deaf", standing=Standing(some))

    nobody = await guest.error("send", ident("secret-b"), b"")
    asked = await guest.error("request", ident("secret-b"), b"", 10)
    deaf = await guest.error("send", ident("deaf"), b"")

    assert nobody.value == asked.value == "there is no actor 'secret-b'"
    assert deaf.value == "'deaf' may not receive from 'acme/a'"
    (event,) = guest.recorder.of(Denied)
    assert "receive from 'acme/friend'" in event.reason


async def test_an_id_of_any_length_is_nobodys() -> None:
    guest = Guest()

    error = await guest.error("send", ident("a" * 1_000_000), b"")

    assert error.case == "component-not-found"
    assert len(str(error.value)) < 300


async def test_a_broadcast_has_so_many_targets_and_no_more() -> None:
    guest = Guest(Grants())
    targets = [ident("b")] * (MOST_TARGETS + 2)

    results = await guest.call("broadcast", targets, b"")

    cases = [error.value.case for error in results]
    assert cases == ["denied"] * MOST_TARGETS + ["invalid-message"] * 2
    last = guest.recorder.of(Denied)[-1]
    assert (len(guest.recorder.of(Denied)), last.needed) == (
        MOST_TARGETS + 1,
        f"send to {MOST_TARGETS + 2:_} targets",
    )


async def test_a_broadcast_leaves_others_their_turn() -> None:
    guest = Guest(Grants())
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await guest.call("broadcast", [ident("b")] * 100, b"")
        tasks.cancel_scope.cancel()

    assert turns >= 50


async def test_a_guest_has_so_many_subscriptions_and_no_more() -> None:
    guest = Guest()
    for number in range(MOST_SUBSCRIPTIONS):
        await guest.call("subscribe", f"orders.{number}")

    error = await guest.error("subscribe", "orders.more")
    await guest.call("subscribe", "orders.1")
    await guest.call("unsubscribe", "orders.2")
    await guest.call("subscribe", "orders.more")

    assert error.case == "denied"
    (event,) = guest.recorder.of(Denied)
    assert event.needed == "subscribe to another pattern"


async def test_a_subscription_of_nobody_is_an_error_of_the_guests() -> None:
    guest = Guest()
    guest.registry.remove("acme/a")

    assert (await guest.error("subscribe", "orders")).case == "component-not-found"


async def test_why_a_message_went_nowhere_is_told_by_its_case() -> None:
    guest = Guest()
    full = guest.registry.register("full", capacity=1, overflow=Overflow.REFUSE)
    await guest.call("send", ident("full"), b"")
    guest.registry.register("gone").mailbox.close("gone")
    guest.registry.register("slow")
    guest.mailbox.payload = 2

    async def case(name: str, *args: object) -> str:
        return str((await guest.error(name, *args)).case)

    assert await case("send", ident("nobody"), b"") == "component-not-found"
    assert await case("send", ident("full"), b"") == "mailbox-full"
    assert await case("send", ident("gone"), b"") == "stopped"
    assert await case("send", ident("slow"), b"123") == "invalid-message"
    assert await case("request", ident("slow"), b"", 0) == "timeout"
    assert await case("request", ident("acme/a"), b"", 10) == "cycle"
    assert await case("publish", "a.*", b"") == "invalid-message"
    assert await case("subscribe", "a..b") == "invalid-message"
    assert full.mailbox.statistics().queued == 1


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_over_its_quota_a_guest_is_refused_until_time_has_passed() -> None:
    guest = Guest(messages=5)
    b = guest.registry.register("b").mailbox
    c = guest.registry.register("c", standing=Standing()).mailbox
    guest.registry.subscribe("t", sender="b")

    await guest.call("send", ident("b"), b"")
    await guest.call("publish", "t", b"")
    await guest.call("send-request", ident("b"), b"", 1000)
    assert (await guest.error("request", ident("b"), b"", 0)).case == "timeout"
    results = await guest.call("broadcast", [ident("b"), ident("b"), ident("c")], b"")
    text = "actor 'acme/a' is over its quota of messages (limit: 5 a second; "
    refused = [
        await guest.error("send", ident("b"), b""),
        await guest.error("request", ident("b"), b"", 0),
        await guest.error("send-request", ident("b"), b"", 0),
        await guest.error("publish", "t", b""),
    ]

    over = Variant("denied", f"{text}the next may go in 0.2 s)")
    assert results == [Ok(), Err(over), Err(over)]
    assert refused == [over] * 4
    assert (b.statistics().queued, c.statistics().queued) == (5, 0)
    names = [event.operation.partition("#")[2] for event in guest.recorder.of(Denied)]
    assert names == ["broadcast"] * 2 + ["send", "request", "send-request", "publish"]
    assert {(event.subject, event.needed) for event in guest.recorder.of(Denied)} == {
        ("acme/a", "send another message")
    }

    await anyio.sleep(0.21)
    await guest.call("send", ident("b"), b"")
    assert await guest.error("send", ident("b"), b"") != over
    assert b.statistics().queued == 6


async def test_without_an_instrument_the_quota_holds_all_the_same() -> None:
    guest = Guest(messages=1)
    guest.gate = Gate()
    guest.interface = messaging(guest.registry, guest.gate)
    guest.registry.register("b")

    await guest.call("send", ident("b"), b"")

    assert (await guest.error("send", ident("b"), b"")).case == "denied"
