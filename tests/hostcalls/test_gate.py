from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve

from airssys.core.budget import Budget
from airssys.core.errors import CapabilityDenied, WitError
from airssys.core.event import Denied, Granted
from airssys.core.grants.capabilities import Custom, Messaging
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import MessagingGrants
from airssys.core.limits import Quota, SharedQuota
from airssys.engine.component import Engine
from airssys.hostcalls.call import Call, Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.testing import Recorder, virtual_time

NEEDS = lambda key: Custom("acme:kv/store", key) if key else None  # noqa: E731
BUCKETS = Grants(custom={"acme:kv/store": ["bucket-*"]})
GUEST = """(component
  (import "acme:kv/store@1.0.0" (instance $kv
    (export "drop" (func (param "key" u32) (result (result (error string)))))))
  (core module $memory (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))
  (core func $drop (canon lower (func $kv "drop") (memory $mem) (realloc $realloc)))
  (core module $code
    (import "kv" "drop" (func $drop (param i32 i32)))
    (func (export "run") (param i32) (result i32)
      (call $drop (local.get 0) (i32.const 16)) (i32.const 16)))
  (core instance $c (instantiate $code
    (with "kv" (instance (export "drop" (func $drop))))))
  (func (export "run") (param "key" u32) (result (result (error string)))
    (canon lift (core func $c "run") (memory $mem) (realloc $realloc))))"""


@pytest.fixture
def kv() -> HostInterface:
    return HostInterface("acme:kv/store@1.0.0")


def call(standing: Standing | Grants) -> Call:
    return Call("acme/a", "acme/a#1", "acme:kv/store@1.0.0#drop", standing)


async def test_a_granted_call_reaches_the_body(
    kv: HostInterface, recorder: Recorder
) -> None:
    @kv.function(needs=NEEDS)
    def drop(call: Call, key: str) -> str:
        return f"{call.actor} dropped {key}"

    @kv.function
    async def get(_: Call, key: str) -> str:
        return key

    gate = Gate(recorder)

    dropped = gate(kv.functions["drop"], call(BUCKETS), ["bucket-a"])
    assert dropped == "acme/a#1 dropped bucket-a"
    assert gate(kv.functions["drop"], call(Grants()), [""]) == "acme/a#1 dropped "
    waiting: Any = gate(kv.functions["get"], call(Grants()), ["x"])
    assert await waiting == "x"
    assert recorder.events == []


async def test_a_denial_is_an_event_and_ends_the_caller_of_an_extension(
    kv: HostInterface, recorder: Recorder
) -> None:
    @kv.function(needs=NEEDS)
    def drop(_: Call, __: str) -> None:
        pytest.fail("must not be reached")

    standing = Standing(BUCKETS, correlation="request 7")
    with pytest.raises(CapabilityDenied) as denied:
        Gate(recorder)(kv.functions["drop"], call(standing), ["b"])
    with pytest.raises(CapabilityDenied, match="component 'acme/a' may not"):
        Gate()(kv.functions["drop"], Call("acme/a"), ["b"])

    assert str(denied.value) == (
        "component 'acme/a#1' may not use 'acme:kv/store' on 'b': "
        "no grant covers it (granted: use 'acme:kv/store' on 'bucket-*')"
    )
    (event,) = recorder.of(Denied)
    assert (event.subject, event.operation) == (
        *("acme/a#1", "acme:kv/store@1.0.0#drop"),
    )
    assert event.needed == "use 'acme:kv/store' on 'b'"
    assert event.reason.startswith("no grant covers it")
    assert event.correlation == "request 7"


async def test_a_denial_reaches_the_guest_where_the_function_says_how(
    recorder: Recorder,
) -> None:
    kv = HostInterface("acme:kv/store@1.0.0")
    dropped = []

    @kv.function(
        needs=lambda key: Custom("acme:kv/store", f"bucket-{key}"), denied=str.upper
    )
    def drop(_: Call, key: int) -> None:
        dropped.append(key)

    component = await Engine(cache=False).compile(GUEST, name="acme/a")
    standing = Standing(Grants(custom={"acme:kv/store": ["bucket-1*"]}))
    with await component.instantiate(
        [kv], grants=standing, guard=Gate(recorder)
    ) as instance:
        await instance.call("run", 12)
        with pytest.raises(WitError) as refused:
            await instance.call("run", 3)
        assert str(refused.value.value).startswith(
            "MAY NOT USE 'ACME:KV/STORE' ON 'BUCKET-3': NO GRANT COVERS IT"
        )
        # The guest lives on, and what is revoked is gone at once.
        await instance.call("run", 13)
        standing.grants = Grants()
        with pytest.raises(WitError, match="GRANTED: NOTHING"):
            await instance.call("run", 12)

    assert dropped == [12, 13]
    needed = [event.needed for event in recorder.of(Denied)]
    assert needed == [f"use 'acme:kv/store' on 'bucket-{n}'" for n in (3, 12)]


async def test_grants_are_events_where_somebody_asked_for_them(
    kv: HostInterface, recorder: Recorder
) -> None:
    @kv.function(needs=NEEDS)
    def drop(_: Call, __: str) -> None: ...

    gate = Gate(recorder, grants=True)
    gate(kv.functions["drop"], call(Standing(BUCKETS, correlation="r")), ["bucket-a"])
    gate(kv.functions["drop"], call(BUCKETS), [""])
    Gate(grants=True)(kv.functions["drop"], call(BUCKETS), ["bucket-a"])

    (event,) = recorder.of(Granted)
    assert event.needed == "use 'acme:kv/store' on 'bucket-a'"
    assert (event.subject, event.correlation) == ("acme/a#1", "r")


async def test_a_body_can_check_several_things_one_by_one(recorder: Recorder) -> None:
    asked = call(Grants(messaging=MessagingGrants(send=["b"])))
    gate = Gate(recorder, grants=True)

    assert gate.allowed(asked, Messaging("send", "b")) == ""
    assert gate.allowed(asked, Messaging("send", "c")) == (
        "may not send to 'c': no grant covers it (granted: send to 'b')"
    )
    assert gate.judge(asked, Messaging("send", "b")) is None
    assert gate.judge(asked, Messaging("send", "d")) is not None
    gate.refused(asked, "send another message", "too many", "a")

    refused = recorder.of(Denied)
    assert [event.needed for event in refused] == [
        "send to 'c'",
        "send another message",
    ]
    assert [event.needed for event in recorder.of(Granted)] == ["send to 'b'"]
    assert (refused[1].reason, refused[1].resource) == ("too many", "a")


async def test_a_guest_is_not_told_more_than_it_asked(recorder: Recorder) -> None:
    asked = call(Grants(messaging=MessagingGrants(send=["b"])))

    words = Gate(recorder).allowed(asked, Messaging("send", "secret"), "link")

    assert "secret" not in words
    assert words.startswith("may not send to 'link': no grant covers it")
    (event,) = recorder.of(Denied)
    assert (event.needed, event.resource) == ("send to 'secret'", "link")


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_over_its_quota_of_host_calls_a_caller_waits(kv: HostInterface) -> None:
    times: list[float] = []

    @kv.function
    def note(_: Call) -> None:
        times.append(anyio.current_time())

    @kv.function
    async def rest(_: Call) -> str:
        times.append(anyio.current_time())
        return "rested"

    start = anyio.current_time()
    busy = call(Standing(budget=Budget("acme/a#1", Quota(host_calls=2))))
    gate = Gate()
    for name in ("note", "note", "note"):
        outcome: Any = gate(kv.functions[name], busy, [])
        assert outcome is None or await outcome is None

    resting: Any = gate(kv.functions["rest"], busy, [])
    assert await resting == "rested"
    assert [time - start for time in times] == pytest.approx([0, 0, 0.5, 1.0])


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_what_is_denied_counts_as_well(
    kv: HostInterface, recorder: Recorder
) -> None:
    @kv.function(needs=NEEDS, denied=str)
    def drop(_: Call, __: str) -> None: ...

    @kv.function(needs=_malformed)
    def put(_: Call, __: str) -> None: ...

    start = anyio.current_time()
    trying = call(Standing(budget=Budget("acme/a#1", Quota(host_calls=2))))
    gate = Gate(recorder)
    for name in ("drop", "put", "drop", "put"):
        with pytest.raises(WitError):
            outcome: Any = gate(kv.functions[name], trying, ["b"])
            await outcome

    assert anyio.current_time() - start == pytest.approx(1.0)
    times = [event.at - start for event in recorder.of(Denied)]
    assert times == pytest.approx([0, 0, 0.5, 1.0])
    assert "no key at all" in recorder.of(Denied)[1].reason


def _malformed(_: str) -> Custom:
    raise WitError("no key at all")


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_who_share_a_quota_of_host_calls_wait_in_line(kv: HostInterface) -> None:
    went: list[tuple[str, float]] = []
    start = anyio.current_time()

    @kv.function
    def note(call: Call) -> None:
        went.append((call.actor, anyio.current_time() - start))

    shared = Budget("root", SharedQuota(host_calls=1))
    gate = Gate()

    async def use(actor: str, after: float) -> None:
        await anyio.sleep(after)
        standing = Standing(budget=Budget(actor, Quota(), shared))
        who = Call("acme/a", actor, "acme:kv/store@1.0.0#note", standing)
        for _ in range(2):
            waiting: Any = gate(kv.functions["note"], who, [])
            if waiting is not None:
                await waiting

    async with anyio.create_task_group() as nursery:
        for number in range(4):
            nursery.start_soon(use, f"a#{number}", number / 100)

    # The first takes what is there and stands in line again before the others come.
    order = [0, 0, 1, 2, 3, 1, 2, 3]
    assert [actor for actor, _ in went] == [f"a#{number}" for number in order]
    assert [time for _, time in went] == pytest.approx(list(range(8)))


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_who_is_cut_off_while_it_waits_leaves_no_debt_to_the_others(
    kv: HostInterface,
) -> None:
    @kv.function
    def note(_: Call) -> None: ...

    gate, shared = Gate(), Standing(budget=Budget("root", SharedQuota(host_calls=1)))
    start = anyio.current_time()
    gate(kv.functions["note"], call(shared), [])
    for _ in range(20):
        with anyio.move_on_after(0.01):
            await gate(kv.functions["note"], call(shared), [])  # type: ignore[misc]

    waiting: Any = gate(kv.functions["note"], call(shared), [])
    await waiting
    assert anyio.current_time() - start == pytest.approx(1.0)


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
@pytest.mark.parametrize("needs", [NEEDS, None], ids=["needs", "handed"])
async def test_what_comes_of_a_wait_is_not_handed_over_once_the_grant_is_gone(
    kv: HostInterface, recorder: Recorder, needs: Any
) -> None:
    standing = Standing(BUCKETS)
    ended: list[str] = []

    @kv.function(needs=needs)
    async def drop(_: Call, key: str) -> str:
        if key == "bucket-b":
            standing.grants = Grants()
        await anyio.lowlevel.checkpoint()
        ended.append(key)
        return key

    gate = Gate(recorder, handed=True)
    first: Any = gate(kv.functions["drop"], call(standing), ["bucket-a"])
    assert await first == "bucket-a"

    second: Any = gate(kv.functions["drop"], call(standing), ["bucket-b"])
    with pytest.raises(CapabilityDenied, match="acme:kv/store"):
        await second

    assert ended == ["bucket-a", "bucket-b"]
    assert len(recorder.of(Denied)) == 1


async def test_what_comes_of_a_wait_is_not_handed_over_once_the_grant_has_expired(
    kv: HostInterface,
) -> None:
    now = 10.0

    @kv.function(needs=NEEDS, denied=str)
    async def drop(_: Call, key: str) -> str:
        nonlocal now
        await anyio.lowlevel.checkpoint()
        now += 1
        return key

    ending = evolve(BUCKETS, expires={"custom": 12.0})
    gate = Gate(clock=lambda: now)
    first: Any = gate(kv.functions["drop"], call(ending), ["bucket-a"])
    assert await first == "bucket-a"

    second: Any = gate(kv.functions["drop"], call(ending), ["bucket-a"])
    with pytest.raises(WitError, match="expired"):
        await second


async def test_what_is_revoked_while_a_caller_waits_is_denied(
    kv: HostInterface,
) -> None:
    @kv.function(needs=NEEDS)
    def drop(_: Call, key: str) -> str:
        return key

    standing = Standing(BUCKETS, Budget("acme/a#1", Quota(host_calls=1)))
    gate = Gate()
    assert gate(kv.functions["drop"], call(standing), ["bucket-a"]) == "bucket-a"
    waiting: Any = gate(kv.functions["drop"], call(standing), ["bucket-a"])
    standing.grants = Grants()

    with pytest.raises(CapabilityDenied):
        await waiting
