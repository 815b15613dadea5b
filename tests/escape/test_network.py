from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeAlias

import pytest
from attrs import define, evolve, field, frozen

from airssys.core.errors import WitError
from airssys.core.event import Denied
from airssys.core.grants.grants import Grants
from airssys.core.limits import Quota
from airssys.host.network import Answer
from airssys.witmodel.types import Variant

from ..host.network.guest import (
    LOOPBACK,
    Guest,
    Offered,
    at,
    grants,
    listening,
    named,
    nobody,
    on_network,
    to,
)

pytestmark = pytest.mark.guest

CONNECT: Final = "connection#connect"
TCP: Final = "socket#[method]tcp-socket."
UDP: Final = "socket#[method]udp-socket."
ACQUIRE: Final = "connection#[method]connection-pool.pool-acquire"
Try: TypeAlias = Callable[[Guest, int], Awaitable[Any]]
"""What a guest tries; it gets the port of a server inside that nobody may reach."""


@define(eq=False)
class Names:
    """Answer to every name with addresses inside, and note what was asked."""

    answers: tuple[tuple[str, ...], ...] = ((LOOPBACK,),)
    """One answer after the other; the last one for ever."""
    asked: list[str] = field(factory=list)

    def begin(self, answers: tuple[tuple[str, ...], ...]) -> None:
        self.answers, self.asked = answers, []

    async def lookup(self, name: str, **_: object) -> Answer:
        self.asked.append(name)
        return Answer(self.answers[min(len(self.asked), len(self.answers)) - 1])

    async def reverse(self, address: object, **_: object) -> str:
        self.asked.append(f"reverse {address}")
        return "inside.example.com"


@frozen
class Attempt:
    """Something that a guest must not get away with."""

    what: str
    tries: Try
    granted: Callable[[int], Grants]
    names: tuple[tuple[str, ...], ...] = ((LOOPBACK,),)
    asks: int = 0
    """Names that are looked up for it."""
    quota: Quota | None = None


async def by_name(guest: Guest, port: int, *, name: str) -> None:
    family = "ipv6" if ":" in name else "ipv4"
    await guest(CONNECT, await guest.tcp(family), named(name, port))


async def by_address(guest: Guest, port: int, *, host: str) -> None:
    family = "ipv6" if ":" in host else "ipv4"
    await guest(CONNECT, await guest.tcp(family), to(port, host))


# The address is granted, so only the name stands between the guest and the server.
def one_domain(port: int) -> Grants:
    return grants(outbound=[f"*.example.com:{port}", f"127.0.0.1:{port}"])


# Everything is granted, as far as one can without naming what lies inside.
def everywhere(_: int) -> Grants:
    return grants(outbound=["0.0.0.0/0:*", "::/0:*", "*.example.com:*", "localhost:*"])


NAMES = [
    "evilexample.com",
    "example.com",
    "example.com.",
    "x.y.example.com",
    "example.com.evil.org",
    "api.example.com.evil.org",
    "api.example.com@evil.org",
    "evil.org#.example.com",
    "evil.org?.example.com",
    "evil.org/.example.com",
    "evil.org\\.example.com",
    "evil.org%00.example.com",
    "evil.org\0.example.com",
    "evil.org .example.com",
    "evil.org\t.example.com",
    "evil.org\r\nHost: api.example.com",
    "api.example.com:65536",
    "user:password@api.example.com",
    "api..example.com",
    ".example.com",
    "*.example.com",
    "-.example.com",
    "EVILEXAMPLE.COM.",
    "api.example.com\u3002evil.org",  # ideographic full stop
    "evil\uff0eorg",  # fullwidth full stop
    "api.ex\u0430mple.com",  # Cyrillic a
    "api.example.co\u217f\u2044evil.org",  # a slash that is none
    "api.example.c\u1d0fm",  # small capital o
    "xn--pi-7ya.xn--exmple-4nf.com",
    f"{'a' * 64}.example.com",
    f"{'a.' * 124}example.com",
    "",
    "com",
    "localhost",
]
# What is granted is all the world, so that only what these mean can refuse them.
WRITTEN = [
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0X7F.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.01",
    "127.0.0.1.",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "\uff11\uff12\uff17.0.0.1",  # fullwidth digits
    "127\u30020\u30020\u30021",  # ideographic full stops
    "\u2460\u2461\u2466.0.0.1",  # digits in circles
    "fe80::1%lo",
    "::1%1",
]
INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - it is connected to, which is loopback on Linux
    "0.0.0.1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


def answers(what: str, *found: tuple[str, ...], asks: int = 1) -> Attempt:
    attempt = partial(by_name, name="api.example.com")
    return Attempt(f"answer: {what}", attempt, everywhere, found, asks)


# --- one after the other ----------------------------------------------------------


async def rebinding(guest: Guest, port: int) -> None:
    """The first answer is granted, and nobody is there; the second leads inside."""
    end = await guest.tcp()
    first = await guest.case(CONNECT, end, named("api.example.com", port))
    assert first == "connection-refused"
    await guest(CONNECT, end, named("api.example.com", port))


async def rebinding_by_retry(guest: Guest, port: int) -> None:
    end = named("api.example.com", port)
    await guest("connection#connect-with-retry", await guest.tcp(), end, 5, 0)


async def redirected(guest: Guest, port: int) -> None:
    """Do what a client of HTTP does, which believes its server."""
    with listening() as (server, granted):
        guest.standing.grants = grants(outbound=[f"127.0.0.1:{granted}"])
        end, peer = await guest.connected(server)
        location = f"127.0.0.1:{port}"
        peer.sendall(f"HTTP/1.1 302 Found\r\nLocation: http://{location}/".encode())
        got = await guest(f"{TCP}receive", end, 1000)
        host, _, number = got.data.decode().rpartition("//")[2][:-1].partition(":")
        await guest(CONNECT, await guest.tcp(), named(host, int(number)))


async def next_door(guest: Guest, port: int) -> None:
    guest.standing.grants = grants(
        outbound=[f"127.0.0.1:{port - 1}", f"127.0.0.1:{port + 1}"]
    )
    await by_address(guest, port, host=LOOPBACK)


async def connected_again(guest: Guest, port: int) -> None:
    with listening() as (server, granted):
        guest.standing.grants = grants(outbound=[f"127.0.0.1:{granted}"])
        end, _ = await guest.connected(server)
        await guest(CONNECT, end, to(port))


async def pool_elsewhere(guest: Guest, port: int) -> None:
    with listening() as (_server, granted):
        guest.standing.grants = grants(outbound=[f"127.0.0.1:{granted}"])
        pool = await guest("connection#create-pool", 2, 0)
        kept = await guest(ACQUIRE, pool, to(granted))
        await guest("connection#[method]connection-pool.pool-release", pool, kept)
        await guest(ACQUIRE, pool, to(port))


async def pool_of_another_name(guest: Guest, _port: int) -> None:
    """A kept connection is none for another endpoint."""
    with listening() as (_, granted):
        guest.standing.grants = grants(outbound=[f"127.0.0.1:{granted}"])
        pool = await guest("connection#create-pool", 2, 0)
        kept = await guest(ACQUIRE, pool, to(granted))
        await guest("connection#[method]connection-pool.pool-release", pool, kept)
        await guest(ACQUIRE, pool, named("localhost", granted))


async def other_hostname(guest: Guest, _: int) -> None:
    """Ask a server that many share for a tenant that is not granted."""
    with listening() as (server, granted):
        guest.standing.grants = grants(
            outbound=[f"api.example.com:{granted}", f"127.0.0.1:{granted}"]
        )
        end = await guest.tcp()
        await guest(CONNECT, end, named("api.example.com", granted))
        server.accept()[0].close()
        await guest.secure(end, "evil.org")


async def unchecked(guest: Guest, _: int) -> None:
    with listening() as (server, granted):
        guest.standing.grants = grants(outbound=[f"127.0.0.1:{granted}"])
        end, _peer = await guest.connected(server)
        await guest.secure(end, "127.0.0.1", verify=False)


async def datagram_elsewhere(guest: Guest, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((LOOPBACK, 0))
        granted = peer.getsockname()[1]
        guest.standing.grants = grants(outbound=[f"127.0.0.1:{granted}"])
        end = await guest.udp()
        await guest(f"{UDP}connect", end, to(granted))
        await guest(f"{UDP}send-to", end, b"x", at(port))


async def another_peer(guest: Guest, port: int) -> None:
    guest.standing.grants = grants(outbound=["127.0.0.1:9"])
    end = await guest.udp()
    await guest(f"{UDP}connect", end, to(9))
    await guest(f"{UDP}connect", end, to(port))


async def answered(guest: Guest, _: int) -> None:
    """Send to whoever claims to have sent something, which can be anybody inside."""
    guest.standing.grants = grants(inbound=["*"])
    end = await guest.udp()
    await guest(f"{UDP}bind", end, at(0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((LOOPBACK, 0))
        stranger.sendto(b"x", end.raw.getsockname())
        got = await guest(f"{UDP}receive-from", end, 10)
        await guest(f"{UDP}send-to", end, b"x", got.sender_address)


async def broadcast(guest: Guest, port: int) -> None:
    end = await guest.udp()
    await guest(f"{UDP}send-to", end, b"x", at(port, "255.255.255.255"))


async def bound_elsewhere(guest: Guest, port: int, *, kind: str) -> None:
    guest.standing.grants = grants(inbound=[str(port - 1), str(port + 1)])
    end = await (guest.tcp() if kind == "tcp" else guest.udp())
    await guest(f"socket#[method]{kind}-socket.bind", end, at(port))


async def listening_unbound(guest: Guest, port: int) -> None:
    guest.standing.grants = grants(inbound=[str(port)])
    await guest(f"{TCP}listen", await guest.tcp(), 1)


async def listening_anywhere(guest: Guest, port: int) -> None:
    guest.standing.grants = grants(inbound=["1024-65535"], outbound=["127.0.0.1:1"])
    end = await guest.tcp()
    await guest(f"{TCP}bind", end, at(0))
    await guest(f"{TCP}listen", end, port % 2)


async def datagrams_anywhere(guest: Guest, _: int) -> None:
    guest.standing.grants = grants(inbound=["1024-65535"])
    await guest(f"{UDP}bind", await guest.udp(), at(0))


async def port_taken_along(guest: Guest, port: int) -> None:
    """Share the port of the host's own server, so that some of its clients come."""
    guest.standing.grants = grants(outbound=["127.0.0.1:9"])
    end = await guest.tcp()
    await guest.options(end, reuse_port=True)
    await guest(f"{TCP}bind", end, at(port))


async def accepting_after(guest: Guest, _: int) -> None:
    guest.standing.grants = grants(inbound=["*"])
    end = await guest.tcp()
    await guest(f"{TCP}bind", end, at(0))
    await guest(f"{TCP}listen", end, 1)
    with socket.create_connection(end.raw.getsockname()):
        guest.standing.grants = grants(inbound=["80"])
        await guest(f"{TCP}accept", end)


async def sending_after(guest: Guest, _: int) -> None:
    with listening() as (server, granted):
        guest.standing.grants = grants(outbound=[f"127.0.0.1:{granted}"])
        end, _peer = await guest.connected(server)
        guest.standing.grants = grants(outbound=["127.0.0.1:9"])
        await guest(f"{TCP}send", end, b"x")


async def expired(guest: Guest, port: int) -> None:
    given = grants(outbound=[f"127.0.0.1:{port}"])
    guest.standing.grants = evolve(given, expires={"network": time.time() - 1})
    await by_address(guest, port, host=LOOPBACK)


async def smuggled(guest: Guest, _: int) -> None:
    """Tell a server of names a secret, in a question for its name."""
    guest.standing.grants = grants(resolve=["*.example.com"])
    await guest("connection#resolve-hostname", "secret.evil.org")


async def smuggled_for_one(guest: Guest, port: int) -> None:
    guest.standing.grants = grants(resolve=["*.example.com"])
    single = "connection#resolve-hostname-single"
    await guest(single, "secret.api.example.com", port, "tcp-stream")


async def smuggled_in_a_form(guest: Guest, _: int) -> None:
    guest.standing.grants = grants(resolve=["*.example.com"])
    await guest("connection#resolve-hostname", "evil.org\0.example.com")


async def scanned(guest: Guest, _: int) -> None:
    """Learn what machines inside are called."""
    guest.standing.grants = grants(resolve=["0.0.0.0/0", "*.example.com"])
    await guest("connection#reverse-lookup", at(0, "10.0.0.1").address)


async def flooded(guest: Guest, _: int) -> None:
    for _ in range(9):
        await guest.tcp()


async def flooded_with_pools(guest: Guest, _: int) -> None:
    for _ in range(9):
        await guest("connection#create-pool", 1, 0)


async def split_up(guest: Guest, _: int) -> None:
    """Send through many sockets what is too much for one."""
    guest.standing.grants = grants(outbound=["127.0.0.1:9"])
    for _ in range(9):
        end = await guest.udp()
        await guest.options(end, write_timeout=1)
        await guest(f"{UDP}send-to", end, bytes(100), at(9))


async def nothing_at_all(guest: Guest, _: int) -> None:
    """Send datagrams of no bytes, which are no less work for others."""
    guest.standing.grants = grants(outbound=["127.0.0.1:9"])
    end = await guest.udp()
    await guest.options(end, write_timeout=1)
    for _ in range(90):
        await guest(f"{UDP}send-to", end, b"", at(9))


async def without_a_grant(guest: Guest, _: int) -> None:
    guest.standing.grants = Grants()
    await guest.tcp()


SEQUENCES: dict[str, Try] = {
    "redirect": redirected,
    "port next door": next_door,
    "connected again": connected_again,
    "pool elsewhere": pool_elsewhere,
    "pool by another name": pool_of_another_name,
    "TLS for another tenant": other_hostname,
    "TLS without a check": unchecked,
    "datagram elsewhere": datagram_elsewhere,
    "another peer for datagrams": another_peer,
    "answer to a made up sender": answered,
    "broadcast": broadcast,
    "TCP port not granted": partial(bound_elsewhere, kind="tcp"),
    "UDP port not granted": partial(bound_elsewhere, kind="udp"),
    "listening unbound": listening_unbound,
    "listening on any port": listening_anywhere,
    "datagrams on any port": datagrams_anywhere,
    "port of the host's": port_taken_along,
    "accepting after the grant": accepting_after,
    "sending after the grant": sending_after,
    "expired grant": expired,
    "secret in a name": smuggled,
    "secret in a deeper name": smuggled_for_one,
    "secret before a NUL": smuggled_in_a_form,
    "names inside": scanned,
    "no grant": without_a_grant,
    "port 0": lambda guest, _: by_name(guest, 0, name="api.example.com"),
    "port 0 of an address": lambda guest, _: by_address(guest, 0, host=LOOPBACK),
}
SMALL = Quota(network=200, handles=5)
FLOODS: dict[str, Try] = {
    "sockets": flooded,
    "pools": flooded_with_pools,
    "many small": partial(split_up),
    "many of no bytes": nothing_at_all,
}
ATTEMPTS = [
    *(Attempt(f"name {n!r}", partial(by_name, name=n), one_domain) for n in NAMES),
    *(Attempt(f"text {n!r}", partial(by_name, name=n), everywhere) for n in WRITTEN),
    *(Attempt(f"to {h}", partial(by_address, host=h), everywhere) for h in INSIDE),
    *(Attempt(f"text {h}", partial(by_name, name=h), everywhere) for h in INSIDE),
    *(answers(host, (host,)) for host in INSIDE if "." in host and ":" not in host),
    answers("mixed", ("10.0.0.1", "169.254.169.254", LOOPBACK)),
    answers("both families", ("::1", "fe80::1%lo", LOOPBACK)),
    Attempt(
        "rebinding",
        rebinding,
        lambda port: grants(outbound=["api.example.com:*", f"127.0.0.2:{port}"]),
        (("127.0.0.2",), (LOOPBACK,)),
        asks=2,
    ),
    Attempt(
        "rebinding by retry",
        rebinding_by_retry,
        lambda port: grants(outbound=["api.example.com:*", f"127.0.0.2:{port}"]),
        (("127.0.0.2",), (LOOPBACK,)),
        asks=2,
    ),
    Attempt(
        "localhost", partial(by_name, name="localhost"), everywhere, ((LOOPBACK,),), 1
    ),
    *(Attempt(what, tries, everywhere) for what, tries in SEQUENCES.items()),
    *(
        Attempt(f"flood of {what}", tries, everywhere, quota=SMALL)
        for what, tries in FLOODS.items()
    ),
]


NAMESERVER: Final = Names()
OFFERED: Final = Offered.over(NAMESERVER)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: ascii(attempt.what))
async def test_an_attempt_fails_and_is_in_the_audit(attempt: Attempt) -> None:
    NAMESERVER.begin(attempt.names)
    granted, quota = attempt.granted, attempt.quota
    with listening() as (server, port):
        async with on_network(granted(port), quota=quota, over=OFFERED) as guest:
            with pytest.raises(WitError) as caught:
                await attempt.tries(guest, port)

            assert isinstance(caught.value.value, Variant)
        assert nobody(server)
    records = guest.recorder.of(Denied)
    assert records
    assert records[-1].subject == "acme/guest"
    assert records[-1].reason
    assert all(
        text.isprintable() for text in (records[-1].resource, records[-1].needed)
    )
    if attempt.tries not in (other_hostname, pool_of_another_name):
        assert len(NAMESERVER.asked) == attempt.asks


def test_there_are_attempts_enough() -> None:
    assert len(ATTEMPTS) >= 100


async def test_what_is_granted_is_no_attempt() -> None:
    NAMESERVER.begin(((LOOPBACK,),))
    with listening() as (server, port):
        async with on_network(one_domain(port), over=OFFERED) as guest:
            await by_name(guest, port, name="API.Example.com.")
            server.accept()[0].close()

    assert guest.recorder.events == []
