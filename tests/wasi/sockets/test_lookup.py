from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import define, field

from airssys.core.errors import WitError
from airssys.core.grants.grants import NO_GRANTS, Grants
from airssys.core.grants.sections import NetworkGrants
from airssys.host.network import Answer
from airssys.host.network.dealings import MOST_KNOWN, Dealings, Lead
from airssys.witmodel.types import Variant

from ...host.network.guest import listening
from .guest import ALL, LOOKUP, UDP, Guest, at, grants, on_sockets, sent

pytestmark = pytest.mark.guest

STREAM = f"{LOOKUP}#[method]resolve-address-stream"


@define(eq=False)
class Slow:
    """Answers once it is told to, and counts who asks."""

    answer: Answer | Exception = field(factory=lambda: Answer(["192.0.43.8"]))
    told: anyio.Event = field(factory=anyio.Event)
    asked: list[str] = field(factory=list)
    under_way: int = 0

    async def lookup(self, name: str, *, asker: str) -> Answer:
        assert asker == "acme/guest"
        self.asked.append(name)
        self.under_way += 1
        try:
            await self.told.wait()
        finally:
            self.under_way -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def reverse(self, *_: object, asker: str) -> str:
        raise AssertionError(asker)


def ip(text: str) -> Variant:
    found: Variant = at(0, text)
    return Variant(found.case, found.value.address)


# --- what comes of a look-up ----------------------------------------------------------


async def test_the_addresses_of_a_name_come_one_by_one() -> None:
    async with on_sockets() as guest:
        assert await guest.resolved("OUT.example.com.") == [
            ip("192.0.43.8"),
            ip("2606:4700::8"),
        ]
        # Who may look it up may know where it leads; to go there is another matter.
        assert await guest.resolved("both.example.com") == [
            ip("10.0.0.1"),
            ip("192.0.43.8"),
        ]


ADDRESSES = {
    "0.0.0.0": "0.0.0.0",  # noqa: S104
    "127.0.0.1": "127.0.0.1",
    "::": "::",
    "[::]": "::",
    "2001:0db8:0:0:0:0:0:0": "2001:db8::",
    "DEAD:BEEF::0": "dead:beef::",
    "::ffff:192.0.2.7": "192.0.2.7",
}


@pytest.mark.parametrize("text", ADDRESSES)
async def test_an_address_is_what_it_is_and_nobody_is_asked(text: str) -> None:
    slow = Slow()
    async with on_sockets(NO_GRANTS, names=slow) as guest:
        assert await guest.resolved(text) == [ip(ADDRESSES[text])]
        assert slow.asked == guest.denied == []


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "a.b<&>", "a..b", "-a.example.com", "127.1", "0x7f000001"),
        *("fe80::1%1", "a\0b", "x" * 2_000_000, "[example.com]"),
    ],
    ids=lambda text: ascii(text[:12]),
)
async def test_what_is_no_name_is_never_looked_up(text: str) -> None:
    slow = Slow()
    async with on_sockets(names=slow) as guest:
        said = await guest.fails(f"{LOOKUP}#resolve-addresses", guest.network, text)

        assert said == "invalid-argument"
        assert slow.asked == []
        assert len(guest.denied) == 1


async def test_other_alphabets_are_encoded() -> None:
    slow = Slow()
    slow.told.set()
    async with on_sockets(names=slow) as guest:
        assert await guest.resolved("bücher.example.com") == [ip("192.0.43.8")]
        assert slow.asked == ["xn--bcher-kva.example.com"]


async def test_a_look_up_would_block_until_it_is_over() -> None:
    slow = Slow()
    async with on_sockets(names=slow) as guest:
        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "a.example.com"
        )
        pollable = await guest(f"{STREAM}.subscribe", found)
        assert not await guest("poll#[method]pollable.ready", pollable)
        said = await guest.fails(f"{STREAM}.resolve-next-address", found)
        assert said == "would-block"
        slow.told.set()
        assert await guest("poll#poll", [pollable]) == [0]
        assert await guest.next(found) == ip("192.0.43.8")

        assert await guest.next(found) is None
        assert await guest.next(found) is None


async def test_a_look_up_that_was_dropped_is_given_up() -> None:
    slow = Slow()
    async with on_sockets(names=slow) as guest:
        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "a.example.com"
        )
        while not slow.under_way:
            await anyio.lowlevel.checkpoint()
        await guest.relay.drop(found)
        while slow.under_way:
            await anyio.lowlevel.checkpoint()

        assert not found.ready()


FAILURES: dict[str, Callable[[], Exception | Answer]] = {
    "name-unresolvable": lambda: socket.gaierror(socket.EAI_NONAME, "not known"),
    "temporary-resolver-failure": lambda: socket.gaierror(socket.EAI_AGAIN, "later"),
    "permanent-resolver-failure": lambda: socket.gaierror(socket.EAI_FAIL, "never"),
    "out-of-memory": lambda: socket.gaierror(socket.EAI_MEMORY, "no memory"),
    "unknown": lambda: OSError("something else"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_look_up_that_fails_says_why(failure: str) -> None:
    slow = Slow(FAILURES[failure]())
    slow.told.set()
    async with on_sockets(names=slow) as guest:
        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "a.example.com"
        )
        await guest.block(found, STREAM)

        for _ in range(2):
            assert await guest.fails(f"{STREAM}.resolve-next-address", found) == failure


async def test_a_name_without_an_address() -> None:
    slow = Slow(Answer([]))
    slow.told.set()
    async with on_sockets(names=slow) as guest:
        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "a.example.com"
        )
        await guest.block(found, STREAM)

        said = await guest.fails(f"{STREAM}.resolve-next-address", found)
        assert said == "name-unresolvable"


async def test_a_look_up_takes_so_long_at_the_most() -> None:
    slow = Slow(TimeoutError())
    slow.told.set()
    async with on_sockets(names=slow) as guest:
        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "a.example.com"
        )
        await guest.block(found, STREAM)

        said = await guest.fails(f"{STREAM}.resolve-next-address", found)
        assert said == "temporary-resolver-failure"


async def test_a_resolver_that_breaks_breaks_the_guest_alone() -> None:
    slow = Slow(LookupError("a fault of the host's"))
    slow.told.set()
    async with on_sockets(names=slow) as guest:
        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "a.example.com"
        )
        await guest.block(found, STREAM)

        with pytest.raises(LookupError, match="a fault of the host's"):
            await guest.next(found)


async def test_a_guest_has_so_many_look_ups_at_one_time() -> None:
    slow = Slow()
    async with on_sockets(names=slow) as guest:
        look_up = f"{LOOKUP}#resolve-addresses"
        found = [
            await guest(look_up, guest.network, f"a{number}.example.com")
            for number in range(16)
        ]
        said = await guest.fails(look_up, guest.network, "another.example.com")
        assert said == "temporary-resolver-failure"
        assert guest.denied == [
            "look up 'another.example.com' too: 16 at one time are the most"
        ]
        slow.told.set()
        for each in found:
            await guest.block(each, STREAM)

        await guest(look_up, guest.network, "another.example.com")


# --- whoever may connect to a name ----------------------------------------------------


async def connect_fails(guest: Guest, where: Variant) -> Any:
    end = await guest.tcp(where.case)
    return await guest.tcp_fails("start-connect", end, guest.network, where)


async def allowed(guest: Guest, where: Variant) -> bool:
    """Tell whether a connection may be begun. Nothing is sent: it is never finished."""
    end = await guest.tcp(where.case)
    said, before = None, len(guest.denied)
    try:
        await guest.tcp_("start-connect", end, guest.network, where)
    except WitError as error:  # the system may have no way there
        said = error.value
    return said != "access-denied" and len(guest.denied) == before


OUT = grants(outbound=["out.example.com:443"])


async def test_the_grant_of_a_name_holds_for_what_its_look_up_has_told() -> None:
    async with on_sockets(OUT) as guest:
        where = at(443, "192.0.43.8")
        assert await connect_fails(guest, where) == "access-denied"
        assert await guest.resolved("out.example.com") == [
            ip("192.0.43.8"),
            ip("2606:4700::8"),
        ]

        assert await allowed(guest, where)
        assert await allowed(guest, at(443, "2606:4700::8"))
        assert await connect_fails(guest, at(80, "192.0.43.8")) == "access-denied"
        assert await connect_fails(guest, at(443, "192.0.43.9")) == "access-denied"


async def test_it_holds_for_datagrams_too() -> None:
    async with on_sockets(OUT) as guest:
        await guest.resolved("out.example.com")
        client = await guest.bound(await guest.udp(), at(0, "127.0.0.1"))
        _, outgoing = await guest.udp_("stream", client, None)
        send = f"{UDP}#[method]outgoing-datagram-stream"
        for host, denials in (("192.0.43.8", 0), ("192.0.43.9", 1)):
            await guest(f"{send}.check-send", outgoing)
            # From loopback the system sends nothing outside.
            said = await guest.fails(
                f"{send}.send", outgoing, [sent(b"x", at(443, host))]
            )
            assert (said == "access-denied") is bool(denials)
            assert len(guest.denied) == denials


async def test_what_another_guest_was_told_is_no_help() -> None:
    async with on_sockets(OUT) as guest:
        await guest.resolved("out.example.com")
    async with on_sockets(OUT) as guest:
        assert await connect_fails(guest, at(443, "192.0.43.8")) == "access-denied"


async def test_a_name_that_is_granted_by_no_port_is_not_looked_up() -> None:
    slow = Slow()
    async with on_sockets(OUT, names=slow) as guest:
        said = await guest.fails(
            f"{LOOKUP}#resolve-addresses", guest.network, "other.example.com"
        )

        assert said == "access-denied"
        assert guest.denied == [
            "resolve 'other.example.com': no grant covers it (granted: nothing)"
        ]
        assert slow.asked == []


async def test_an_answer_that_leads_inside_is_left_out() -> None:
    granted = grants(outbound=["both.example.com:*", "peer.example.com:*"])
    async with on_sockets(granted) as guest:
        assert await guest.resolved("both.example.com") == [ip("192.0.43.8")]
        assert guest.denied == [
            "resolve '10.0.0.1': no grant covers it (granted: nothing)"
        ]
        assert [event.resource for event in guest.relay.denied] == ["both.example.com"]
        assert await connect_fails(guest, at(443, "10.0.0.1")) == "access-denied"

        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "peer.example.com"
        )
        await guest.block(found, STREAM)
        said = await guest.fails(f"{STREAM}.resolve-next-address", found)
        assert said == "access-denied"


async def test_who_may_look_up_only_may_not_connect() -> None:
    async with on_sockets(grants(resolve=["both.example.com"])) as guest:
        assert len(await guest.resolved("both.example.com")) == 2

        assert await connect_fails(guest, at(443, "192.0.43.8")) == "access-denied"
        assert await connect_fails(guest, at(443, "10.0.0.1")) == "access-denied"


async def test_an_answer_that_leads_inside_takes_a_grant_of_the_address() -> None:
    with listening() as (server, port):
        granted = grants(
            outbound=[f"peer.example.com:{port}"], resolve=["*.example.com"]
        )
        async with on_sockets(granted) as guest:
            assert await guest.resolved("peer.example.com") == [ip("127.0.0.1")]
            assert await connect_fails(guest, at(port)) == "access-denied"
            guest.standing.grants = grants(
                outbound=[f"peer.example.com:{port}", f"127.0.0.1:{port}"]
            )
            assert await guest.resolved("peer.example.com") == [ip("127.0.0.1")]

            _, peer = await guest.outside(server)
            peer.close()


async def test_what_the_host_forbids_is_forbidden_by_any_name() -> None:
    banned = Grants(
        network=NetworkGrants(
            outbound=["hidden.example.com:*", "192.0.43.9:*", "closed.example.com:80"],
            resolve=["secret.example.com"],
        )
    )
    names = {
        "a.example.com": Answer(["192.0.43.8"], canonical="hidden.example.com"),
        "b.example.com": Answer(["192.0.43.9"]),
        "secret.example.com": ["192.0.43.10"],
        "hidden.example.com": ["192.0.43.11"],
        "closed.example.com": ["192.0.43.12"],
    }
    open_ = grants(outbound=["*.example.com:*"])
    async with on_sockets(open_.forbidding(banned), names=names) as guest:
        look_up = f"{LOOKUP}#resolve-addresses"
        for name, host in (("a", "192.0.43.8"), ("b", "192.0.43.9")):
            assert await guest.resolved(f"{name}.example.com") == [ip(host)]
            assert await connect_fails(guest, at(443, host)) == "access-denied"
        for name in ("secret.example.com", "hidden.example.com"):
            said = await guest.fails(look_up, guest.network, name)
            assert said == "access-denied"

        # What is forbidden at a port may be looked up for the others.
        assert await guest.resolved("closed.example.com") == [ip("192.0.43.12")]
        assert await allowed(guest, at(443, "192.0.43.12"))
        assert await connect_fails(guest, at(80, "192.0.43.12")) == "access-denied"


async def test_a_grant_that_went_during_a_look_up() -> None:
    slow = Slow()
    async with on_sockets(OUT, names=slow) as guest:
        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "out.example.com"
        )
        guest.standing.grants = NO_GRANTS
        slow.told.set()
        await guest.block(found, STREAM)

        said = await guest.fails(f"{STREAM}.resolve-next-address", found)
        assert said == "access-denied"
        assert guest.operations == [f"{STREAM}.resolve-next-address"]


async def test_a_look_up_is_asked_once() -> None:
    slow = Slow()
    slow.told.set()
    async with on_sockets(OUT, names=slow) as guest:
        await guest.resolved("out.example.com")
        assert await allowed(guest, at(443, "192.0.43.8"))
        slow.answer = Answer(["10.0.0.1"])
        assert await allowed(guest, at(443, "192.0.43.8"))

        assert slow.asked == ["out.example.com"]


async def test_what_was_granted_is_an_event_where_that_is_wanted() -> None:
    async with on_sockets(ALL) as guest:
        guest.gate.grants = True
        await guest.resolved("out.example.com")
        await guest.listening()
        said = {type(event).__name__ for event in guest.relay.recorder.events}

        assert said == {"Granted"}


def test_what_is_known_of_addresses_is_bounded() -> None:
    dealings = Dealings()
    first = ip_address("10.0.0.0")
    for number in range(MOST_KNOWN + 1):
        dealings.learn(Lead("many.example.com"), [first + number])
    assert dealings.leads(first) == ()
    assert dealings.leads(first + 1) == (Lead("many.example.com"),)
    for number in range(20):
        dealings.learn(Lead(f"a{number}.example.com"), [first + 1])
    dealings.learn(Lead("a15.example.com"), [first + 1])
    names = [lead.name for lead in dealings.leads(first + 1)]

    assert names[:3] == ["a15.example.com", "a19.example.com", "a18.example.com"]
    assert len(names) == 8
