from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trustme

from airssys.core.limits import Quota
from airssys.host.network import Tls

from ...operations import operation
from .guest import CONNECTION, grants, listening, named, on_network, to

TCP = "socket#[method]tcp-socket."
CONNECT = "connection#connect"
POOL = "connection#[method]connection-pool."


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def secret(authority: trustme.CA) -> ssl.SSLContext:
    """What a server for two names and loopback has."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    names = ("peer.example.com", "127.0.0.1")
    authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> Tls:
    # Not ssl.create_default_context(), which reads all authorities of the system.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return Tls(context)


def echo(secured: ssl.SSLSocket) -> None:
    while got := secured.recv(2**16):
        secured.sendall(got)
    with contextlib.suppress(OSError):
        secured.unwrap()


@asynccontextmanager
async def serving(
    context: ssl.SSLContext, serve: Callable[[ssl.SSLSocket], object] = echo
) -> AsyncIterator[int]:
    """Speak TLS with whoever connects, one after the other."""
    with listening() as (server, port):

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    raw, _ = server.accept()
                    raw.settimeout(2)
                    with (
                        contextlib.suppress(OSError),
                        raw,
                        context.wrap_socket(raw, server_side=True) as secured,
                    ):
                        serve(secured)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, run)
            try:
                yield port
            finally:
                server.shutdown(socket.SHUT_RDWR)


@operation(f"{CONNECTION}#upgrade-to-tls", f"{CONNECTION}#get-tls-info", allowed=True)
@pytest.mark.parametrize("host", ["peer.example.com", "127.0.0.1"])
async def test_what_is_said_is_encrypted_for_the_peer_that_was_meant(
    trusting: Tls, secret: ssl.SSLContext, host: str
) -> None:
    whole = bytes(range(256)) * 256
    async with serving(secret) as port, on_network(tls=trusting) as guest:
        end = await guest.tcp()
        await guest(CONNECT, end, named(host, port))
        assert await guest.case("connection#get-tls-info", end) == "invalid-argument"

        await guest.secure(end, host)
        await guest.secure(end, host)  # which is nothing new
        await guest(f"{TCP}send", end, b"hello")
        first = await guest(f"{TCP}receive", end, 100)
        await guest(f"{TCP}send-all", end, whole)
        rest = await guest(f"{TCP}receive-all", end, len(whole))
        agreed = await guest("connection#get-tls-info", end)
        info = await guest("connection#get-connection-info", end)
        assert await guest("connection#is-connected", end)
        await guest(f"{TCP}shutdown", end, "write")
        last = await guest(f"{TCP}receive", end, 10)

    assert (first.data, rest.data, last.data) == (b"hello", whole, b"")
    assert (agreed.version, agreed.hostname, agreed.verified) == ("tls1-3", host, True)
    assert agreed.certificate
    assert agreed.key_bits >= 128
    assert (info.bytes_sent, info.bytes_received) == (5 + 2**16, 5 + 2**16)


async def test_the_certificate_is_checked_against_the_name(
    trusting: Tls, secret: ssl.SSLContext
) -> None:
    names = {"other.example.com": ["127.0.0.1"], "peer.example.com": ["127.0.0.1"]}
    async with serving(secret) as port, on_network(names=names, tls=trusting) as guest:
        end = await guest.tcp()
        await guest(CONNECT, end, named("other.example.com", port))
        error = await guest.insecure(end, "other.example.com")

        assert error.case == "tls-error"
        assert "hostname mismatch" in str(error.value).lower()
        assert end.closed
        unknown = await guest.tcp()
        await guest(CONNECT, unknown, to(port))
        # Another name that is granted as well can be the certificate's.
        await guest.secure(unknown, "peer.example.com")


async def test_an_authority_that_is_not_trusted_is_refused(
    secret: ssl.SSLContext,
) -> None:
    async with serving(secret) as port, on_network() as guest:
        end = await guest.tcp()
        await guest(CONNECT, end, named("peer.example.com", port))

        assert (await guest.insecure(end, "peer.example.com")).case == "tls-error"


async def test_only_the_host_can_allow_to_do_without_a_check(
    secret: ssl.SSLContext,
) -> None:
    async with serving(secret) as port:
        async with on_network() as guest:
            end = await guest.tcp()
            await guest(CONNECT, end, to(port))
            error = await guest.insecure(end, "127.0.0.1", verify=False)
            assert error.case == "permission-denied"
            assert "without a check" in guest.denied[0]
        async with on_network(tls=Tls(unverified=True)) as guest:
            for _ in range(2):
                end = await guest.tcp()
                await guest(CONNECT, end, to(port))
                await guest.secure(end, "127.0.0.1", verify=False)
                agreed = await guest("connection#get-tls-info", end)
                # Whoever wants it checked after all does not get that.
                case = (await guest.insecure(end, "127.0.0.1")).case

                assert (agreed.verified, case) == (False, "invalid-argument")
                await guest.relay.drop(end)


async def test_a_peer_that_does_not_speak_tls_is_told() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)
            peer.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

            assert (await guest.insecure(end, "127.0.0.1")).case == "tls-error"
            assert end.closed


async def test_a_handshake_that_takes_too_long_ends() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, _ = await guest.connected(server)
            await guest.options(end, connect_timeout=20, non_blocking=True)

            case = (await guest.insecure(end, "127.0.0.1")).case

    assert (case, end.closed) == ("connection-timeout", True)


def long_numbers(path: Path, bits: int) -> Path:
    """Write numbers for DHE that take long to compute with: they need not be prime."""

    def tagged(tag: int, content: bytes) -> bytes:
        return bytes((tag, 0x82)) + len(content).to_bytes(2, "big") + content

    modulus = (2 ** (bits - 1) + 1).to_bytes(bits // 8 + 1, "big")
    numbers = tagged(0x30, tagged(2, modulus) + tagged(2, b"\2"))
    kind = "DH PARAMETERS"
    text = f"-----BEGIN {kind}-----\n{base64.encodebytes(numbers).decode()}"
    path.write_text(f"{text}-----END {kind}-----\n", encoding="ascii")
    return path


async def test_a_peer_that_makes_a_handshake_long_keeps_nobody_waiting(
    authority: trustme.CA, tmp_path: Path
) -> None:
    secret = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name = "peer.example.com"
    authority.issue_cert(name, key_type=trustme.KeyType.RSA).configure_cert(secret)
    secret.maximum_version = ssl.TLSVersion.TLSv1_2
    secret.load_dh_params(str(long_numbers(tmp_path / "dh.pem", 4096)))
    secret.set_ciphers("DHE")
    threads = set()

    class Noting(ssl.SSLSocket):
        def do_handshake(self, *args: Any) -> None:
            threads.add(threading.get_ident())
            super().do_handshake(*args)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.sslsocket_class = Noting
    async with serving(secret) as port, on_network(tls=Tls(context)) as guest:
        end = await guest.tcp()
        await guest(CONNECT, end, named(name, port))
        await guest.secure(end, name)
        agreed = await guest("connection#get-tls-info", end)
    assert agreed.cipher.startswith("DHE-")
    assert threads
    # To compute with these numbers may take a second: not on the event loop.
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("verify", [True, False])
async def test_a_context_of_our_own_lets_no_peer_make_it_long(*, verify: bool) -> None:
    context = await Tls(unverified=True).client(verify=verify)

    names = [each["name"] for each in context.get_ciphers()]
    assert names
    assert not any(name.startswith("DHE-") for name in names)
    assert context.options & ssl.OP_NO_RENEGOTIATION


async def test_tls_needs_a_connection() -> None:
    async with on_network() as guest:
        end = await guest.tcp()

        assert (await guest.insecure(end, "127.0.0.1")).case == "invalid-argument"


async def test_a_stream_that_breaks_off_is_no_stream_that_ended(
    trusting: Tls, secret: ssl.SSLContext
) -> None:
    def cut(secured: ssl.SSLSocket) -> None:
        secured.sendall(b"half of")
        raw = socket.socket(fileno=secured.detach())
        raw.close()

    async with serving(secret, cut) as port, on_network(tls=trusting) as guest:
        end = await guest.tcp()
        await guest(CONNECT, end, to(port))
        await guest.secure(end, "127.0.0.1")

        case = await guest.case(f"{TCP}receive-all", end, 100)

    assert case == "connection-reset"


async def test_what_is_not_received_in_time_ends_no_connection_and_sending_does(
    trusting: Tls, secret: ssl.SSLContext
) -> None:
    def deaf(secured: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError):
            socket.socket.recv(secured, 0)
            done.wait(2)

    done = threading.Event()
    async with on_network(tls=trusting) as guest, serving(secret, deaf) as port:
        end = await guest.tcp()
        await guest(CONNECT, end, to(port))
        await guest.secure(end, "127.0.0.1")
        await guest.options(end, read_timeout=10, write_timeout=20)

        late = await guest.case(f"{TCP}receive", end, 10)
        assert (late, end.closed) == ("connection-timeout", False)
        late = await guest.case(f"{TCP}send-all", end, bytes(2**23))
        assert (late, end.closed) == ("connection-timeout", True)
        done.set()


async def test_a_pool_keeps_a_connection_with_its_tls(
    trusting: Tls, secret: ssl.SSLContext
) -> None:
    async with serving(secret) as port, on_network(tls=trusting) as guest:
        pool = await guest("connection#create-pool", 1, 0)
        endpoint = named("peer.example.com", port)
        first = await guest(f"{POOL}pool-acquire", pool, endpoint)
        await guest.secure(first, "peer.example.com")
        await guest(f"{TCP}send", first, b"one")
        await guest(f"{TCP}receive", first, 100)
        await guest(f"{POOL}pool-release", pool, first)

        again = await guest(f"{POOL}pool-acquire", pool, endpoint)
        await guest.secure(again, "peer.example.com")
        await guest(f"{TCP}send", again, b"two")
        got = await guest(f"{TCP}receive", again, 100)
        await guest(f"{POOL}pool-release", pool, again)

    assert (first is again, got.data) == (True, b"two")


async def test_a_handshake_counts_as_bytes(
    trusting: Tls, secret: ssl.SSLContext
) -> None:
    quota = Quota(network=100_000)
    async with serving(secret) as port, on_network(tls=trusting, quota=quota) as guest:
        end = await guest.tcp()
        await guest(CONNECT, end, to(port))
        await guest.secure(end, "127.0.0.1")

        budget = guest.standing.budget
        assert budget is not None
        assert budget.rates["network"][0].tokens < 100_000 - 4096


def unsafe(**settings: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for name, value in settings.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize(
    "settings",
    [
        {"check_hostname": False},
        {"check_hostname": False, "verify_mode": ssl.CERT_NONE},
        {"minimum_version": ssl.TLSVersion.MINIMUM_SUPPORTED},
    ],
)
def test_a_host_does_not_give_its_guests_a_context_that_checks_nothing(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match="check certificates"):
        Tls(unsafe(**settings))


async def test_a_granted_name_is_not_enough_to_speak_as_another(
    trusting: Tls, secret: ssl.SSLContext
) -> None:
    async with serving(secret) as port:
        given = grants(outbound=[f"127.0.0.1:{port}"])
        async with on_network(given, tls=trusting) as guest:
            end = await guest.tcp()
            await guest(CONNECT, end, to(port))
            case = (await guest.insecure(end, "peer.example.com")).case

            assert (case, end.closed) == ("permission-denied", False)
