from __future__ import annotations

from typing import Any

import pytest

from airssys.abc import Call, HostInterface
from airssys.core.capability import Custom, Grants, Messaging, MessagingGrants
from airssys.core.errors import CapabilityDenied, WitError
from airssys.core.event import Denied
from airssys.host.guard import Free, allowed, guard_for, offer
from airssys.testing import Recorder

CALL = Call("acme/a", "acme/a#1", "acme:kv/store@1.0.0#drop")
DROP = "func(key: string) -> string"


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def kv() -> HostInterface:
    return HostInterface("acme:kv/store@1.0.0")


def test_a_function_of_our_own_must_say_what_it_needs(kv: HostInterface) -> None:
    unfinished: Any = offer

    with pytest.raises(TypeError, match="needs"):
        unfinished(kv)
    with pytest.raises(ValueError, match="say why"):
        offer(kv, needs=Free("  "), wit="func()")


def test_what_a_function_needs_or_why_nothing_is_kept(kv: HostInterface) -> None:
    @offer(kv, needs=Free("it only adds"), wit="func(one: u8, two: u8) -> u8")
    def add_up(_: Call, one: int, two: int) -> int:
        return one + two

    @offer(
        kv, needs=lambda key: Custom("acme:kv/store", key), denied=str.upper, wit=DROP
    )
    def drop(_: Call, key: str) -> str:
        return key

    @offer(kv, needs=Free("it is renamed"), wit="func()", name="other-name")
    def name(_: Call) -> None: ...

    assert set(kv.functions) == {"add-up", "drop", "other-name"}
    assert kv.functions["add-up"].free == "it only adds"
    assert kv.functions["add-up"].needs is None
    needs = kv.functions["drop"].needs
    assert needs is not None
    assert needs("k") == Custom("acme:kv/store", "k")
    assert kv.functions["drop"].free == ""


async def test_a_granted_call_reaches_the_body(
    kv: HostInterface, recorder: Recorder
) -> None:
    @kv.function(needs=lambda key: Custom("acme:kv/store", key))
    def drop(call: Call, key: str) -> str:
        return f"{call.actor} dropped {key}"

    @kv.function
    async def get(_: Call, key: str) -> str:
        return key

    @kv.function(needs=lambda _: None)
    def look(_: Call, key: str) -> str:
        return key

    guard = guard_for(recorder)
    grants = Grants(custom={"acme:kv/store": ["bucket-a"]})
    call = Call("acme/a", "acme/a#1", "", grants)

    assert guard(kv.functions["drop"], call, ["bucket-a"]) == (
        "acme/a#1 dropped bucket-a"
    )
    waiting: Any = guard(kv.functions["get"], CALL, ["x"])
    assert await waiting == "x"
    assert guard(kv.functions["look"], CALL, ["x"]) == "x"
    assert recorder.events == []


async def test_a_denial_is_an_event_and_ends_the_caller_of_an_extension(
    kv: HostInterface, recorder: Recorder
) -> None:
    @kv.function(needs=lambda key: Custom("acme:kv/store", key))
    def drop(_: Call, __: str) -> None:
        pytest.fail("must not be reached")

    with pytest.raises(CapabilityDenied, match=r"'acme/a#1' may not .*'bucket-b'"):
        guard_for(recorder)(kv.functions["drop"], CALL, ["bucket-b"])
    with pytest.raises(CapabilityDenied, match="component 'acme/a' may not"):
        guard_for()(kv.functions["drop"], Call("acme/a"), ["bucket-b"])

    (event,) = recorder.of(Denied)
    assert (event.component, event.operation) == ("acme/a#1", CALL.function)
    assert "bucket-b" in event.needed
    assert event.reason == "no grant covers it (granted: nothing)"


async def test_a_denial_reaches_the_guest_where_the_function_says_how(
    kv: HostInterface, recorder: Recorder
) -> None:
    @offer(
        kv, needs=lambda key: Custom("acme:kv/store", key), denied=str.upper, wit=DROP
    )
    def drop(_: Call, __: str) -> None:
        pytest.fail("must not be reached")

    with pytest.raises(WitError) as caught:
        guard_for(recorder)(kv.functions["drop"], CALL, ["b"])

    assert str(caught.value.value).startswith("MAY NOT ")
    assert len(recorder.of(Denied)) == 1


async def test_a_body_can_check_several_things_one_by_one(recorder: Recorder) -> None:
    call = Call("a", "a", "f", Grants(messaging=MessagingGrants(send=["b"])))

    assert allowed(call, Messaging("send", "b"), recorder) == ""
    assert allowed(call, Messaging("send", "c"), recorder) == (
        "may not send to 'c': no grant covers it (granted: send to 'b')"
    )

    assert [event.needed for event in recorder.of(Denied)] == ["send to 'c'"]
