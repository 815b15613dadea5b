from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import anyio
import pytest

from airssys.actors.registry import Registry
from airssys.core.budget import Budget
from airssys.core.errors import QuotaExceeded, WitError
from airssys.core.event import Logged
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import MessagingGrants
from airssys.core.limits import Quota, SharedQuota
from airssys.host.guest_log import GuestLog
from airssys.host.host_services import HOST_SERVICES, host_services
from airssys.hostcalls.call import Call, Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder, virtual_time
from airssys.witmodel.records import component_id
from airssys.witmodel.types import Record, Variant

NOW = 1_700_000_000_123_456_789


class Guest:
    def __init__(self, grants: Grants | None = None, actor: str = "a") -> None:
        self.recorder = Recorder()
        self.registry = Registry()
        self.registry.register("a", standing=Standing(), config={"step": "2"})
        self.interface = host_services(
            self.registry,
            guest_log=GuestLog(Gate(self.recorder).emitter),
            wall_clock=lambda: NOW,
            random_source=lambda count: b"r" * count,
        )
        self.who = Call("acme/a", actor, "", grants or Grants())

    async def call(self, name: str, *args: object) -> Any:
        value = Gate()(self.interface.functions[name], self.who, args)
        return await value if isinstance(value, Awaitable) else value


def test_the_interface_has_all_functions_and_says_why_they_need_nothing() -> None:
    interface = host_services(Registry())

    assert interface.name == HOST_SERVICES
    assert set(interface.functions) == {
        *("log", "current-time", "current-time-millis", "sleep-millis"),
        *("random-bytes", "get-config", "list-components", "get-component-metadata"),
    }
    for function in interface.functions.values():
        assert function.needed.startswith("nothing: ")


async def test_a_log_line_carries_the_name_of_the_guest() -> None:
    guest, outside = Guest(), Guest(actor="")

    await guest.call("log", "warn", "careful", [("k", "v")])
    await outside.call("log", "info", "hello", [])

    (event,) = guest.recorder.of(Logged)
    assert (event.subject, event.level, event.message) == ("a", "warn", "careful")
    assert event.fields == (("k", "v"),)
    assert outside.recorder.of(Logged)[0].subject == "acme/a"


async def test_what_a_guest_logs_is_cut_where_it_is_too_long() -> None:
    guest = Guest()

    await guest.call("log", "info", "m" * 20_000, [("k" * 2000, "v" * 2000)] * 100)

    (event,) = guest.recorder.of(Logged)
    assert event.message == f"{'m' * 16_384}... (and 3_616 characters)"
    assert len(event.fields) == 64
    assert event.fields[0][0] == f"{'k' * 1024}... (and 976 characters)"
    assert len(event.fields[0][1]) == len(event.fields[0][0])


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_lines_beyond_the_quota_are_left_out_and_counted() -> None:
    guest = Guest()
    budget = Budget("a", Quota(log=1000))
    guest.who = Call("acme/a", "a", "", Standing(budget=budget))
    for number in range(200):
        await guest.call("log", "info", "x" * 60, [("n", f"{number:03}")])
    let_through = [each.fields[0][1] for each in guest.recorder.of(Logged)]
    await anyio.sleep(1.0)
    await guest.call("log", "info", "after", [])
    await guest.call("log", "info", "m" * 5000, [])
    await anyio.sleep(1.0)
    await guest.call("log", "info", "lost", [])
    await anyio.sleep(5.0)
    await guest.call("log", "info", "last", [])

    # A second's worth, of 104 bytes each, and the one that was begun within it.
    assert let_through == [f"{number:03}" for number in range(10)]
    assert [
        (each.level, each.message[:30]) for each in guest.recorder.of(Logged)[10:]
    ] == [
        ("warn", "190 lines were left out: more "),
        ("info", "after"),
        ("info", "m" * 30),
        ("warn", "1 line was left out: more than"),
        ("info", "last"),
    ]


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_lines_that_several_share_a_quota_for_are_counted_for_each() -> None:
    shared = Budget("root", SharedQuota(log=100))
    guests = [Guest(), Guest()]
    for guest in guests:
        budget = Budget("a", Quota(), shared)
        guest.who = Call("acme/a", "a", "", Standing(budget=budget))
    await guests[0].call("log", "info", "x" * 100, [])
    for guest in guests:
        await guest.call("log", "info", "lost", [])
    await anyio.sleep(3.0)
    for guest in guests:
        await guest.call("log", "info", "y", [])

    assert [
        [each.message for each in guest.recorder.of(Logged)] for guest in guests
    ] == [
        ["x" * 100, "1 line was left out: more than 100B/s", "y"],
        ["1 line was left out: more than 100B/s", "y"],
    ]


async def test_a_log_line_that_nobody_wants_is_dropped() -> None:
    interface = host_services(Registry())

    interface.functions["log"].body(Call("a"), "info", "x", [])


async def test_a_guest_reads_the_wall_clock() -> None:
    guest = Guest()

    assert await guest.call("current-time") == {
        "seconds": 1_700_000_000,
        "nanoseconds": 123_456_789,
    }
    assert await guest.call("current-time-millis") == 1_700_000_000_123


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_a_guest_sleeps_on_the_event_loops_clock() -> None:
    began = anyio.current_time()

    await Guest().call("sleep-millis", 90_000)

    assert anyio.current_time() == began + 90


async def test_random_bytes_are_bounded() -> None:
    guest = Guest()

    assert await guest.call("random-bytes", 3) == b"rrr"
    assert await guest.call("random-bytes", 0) == b""
    with pytest.raises(QuotaExceeded, match=r"limit: 65_536 a call"):
        await guest.call("random-bytes", 65_537)


def test_random_bytes_differ_unless_a_test_says_otherwise() -> None:
    body: Any = host_services(Registry()).functions["random-bytes"].body

    assert len(body(Call("a"), 16)) == 16
    assert body(Call("a"), 16) != body(Call("a"), 16)


async def test_a_guest_finds_its_own_configuration() -> None:
    guest = Guest()

    assert await guest.call("get-config", "step") == "2"
    assert await guest.call("get-config", "other") is None
    assert await Guest(actor="").call("get-config", "step") is None


async def test_a_guest_sees_itself_and_whom_it_may_reach() -> None:
    grants = Grants(messaging=MessagingGrants(send=["b"], request=["c"]))
    guest = Guest(grants)
    for name in "bcd":
        guest.registry.register(name)

    assert await guest.call("list-components") == list(map(component_id, "abc"))
    assert await Guest().call("list-components") == [component_id("a")]


async def test_a_guest_sees_whom_it_may_reach_until_its_grants_expire() -> None:
    sending = MessagingGrants(send=["b"])
    now = NOW / 1e9
    early, late = (
        Guest(Grants(messaging=sending, expires={"messaging": end}))
        for end in (now + 1, now)
    )
    for guest in (early, late):
        guest.registry.register("b")
    wanted = Record(**component_id("b"))

    assert await early.call("list-components") == list(map(component_id, "ab"))
    assert (await early.call("get-component-metadata", wanted))["metadata"] is None
    assert await late.call("list-components") == [component_id("a")]
    with pytest.raises(WitError, match="none for the caller"):
        await late.call("get-component-metadata", wanted)


async def test_a_guest_reads_about_an_actor_it_may_reach() -> None:
    guest = Guest(Grants(messaging=MessagingGrants(send=["b", "nobody"])))
    entry = guest.registry.register("b")
    guest.registry.register("secret")
    wanted = Record(**component_id("b"))

    assert await guest.call("get-component-metadata", wanted) == {
        "id": component_id("b"),
        "metadata": None,
        "health": Variant("unknown", "not checked yet"),
    }
    entry.about.metadata, entry.health = Record(name="b"), Variant("healthy")
    found = await guest.call("get-component-metadata", wanted)
    assert (found["metadata"], found["health"]) == (entry.metadata, entry.health)
    for hidden in ("secret", "nobody"):
        with pytest.raises(WitError) as caught:
            await guest.call("get-component-metadata", Record(**component_id(hidden)))
        assert caught.value.value == Variant(
            "not-found", f"there is no {hidden!r}, or none for the caller"
        )
