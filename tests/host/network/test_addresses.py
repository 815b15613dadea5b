from __future__ import annotations

import errno
import socket
import ssl
import tracemalloc
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from airssys.core.errors import WitError
from airssys.host.network.addresses import (
    Named,
    Peer,
    address_of,
    address_value,
    normal_name,
    peer_of,
    peer_value,
    socket_name,
    target_of,
)
from airssys.host.network.errors import as_network_errors
from airssys.witmodel.types import Record, Variant


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("localhost", "localhost"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("example。com", "example.com"),
        ("\uff45xample.com", "example.com"),
        ("1.example", "1.example"),
    ],
)
def test_names_have_a_normal_form(text: str, name: str) -> None:
    assert normal_name(text) == name
    assert normal_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a..b", "-a.example", "a-.example", "a b.example", "a@b.example"),
        *("a#b", "a%00", "a\0b", "a\r\nb", "a/b", "a:80", "[::1]", "*.example.com"),
        *("127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3.4.", "256.0.0.1"),
        *(
            "example.1",
            "example.0x1",
            "x" * 64,
            "a." * 127 + "a",
            "\uff11\uff12\uff17.\uff11",
            "é" * 300,
        ),
        *("\u2026example", "a\u200db.example"),
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host name"):
        normal_name(text)


@pytest.mark.parametrize("text", ["0.0.0.1", "1.2.3.4", "::", "2001:db8::1", "::1"])
def test_addresses_go_to_values_and_back(text: str) -> None:
    address = ip_address(text)
    value = address_value(address)
    record = Record(address=value, port=80)

    assert address_of(value) == address
    assert peer_of(record) == Peer(address, 80)
    assert peer_value(Peer(address, 80)) == {"address": value, "port": 80}


def test_targets_are_written_as_grants_have_them() -> None:
    assert str(Peer(IPv4Address("1.2.3.4"), 5)) == "1.2.3.4:5"
    assert str(Peer(IPv6Address("2001:DB8::1"), 5)) == "[2001:db8::1]:5"
    assert str(Named("a.example", 5)) == "a.example:5"
    assert socket_name(("fe80::1%lo", 5, 0, 1)) == Peer(IPv6Address("fe80::1"), 5)


def test_an_address_in_place_of_a_name_is_an_address() -> None:
    given = Variant("name", ("2001:DB8:0::1", 443))

    assert target_of(given) == Peer(IPv6Address("2001:db8::1"), 443)
    with pytest.raises(ValueError, match="names a link"):
        target_of(Variant("name", ("fe80::1%lo", 443)))


@pytest.mark.parametrize("mark", [".", ":", "a", "ü"])
def test_a_name_of_any_length_costs_little(mark: str) -> None:
    endpoint = Variant("name", (mark * 1_000_000, 443))

    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="no host name") as caught:
            target_of(endpoint)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100_000
    assert len(str(caught.value)) < 2000


def oserror(number: int) -> OSError:
    return OSError(number, "x")


def certificate() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = "it has expired"
    return error


@pytest.mark.parametrize(
    ("error", "case"),
    [
        (oserror(errno.ECONNREFUSED), "connection-refused"),
        (oserror(errno.EPIPE), "connection-reset"),
        (oserror(errno.ETIMEDOUT), "connection-timeout"),
        (TimeoutError(), "connection-timeout"),
        (oserror(errno.EHOSTUNREACH), "host-unreachable"),
        (oserror(errno.ENETUNREACH), "network-unreachable"),
        (oserror(errno.EADDRNOTAVAIL), "invalid-address"),
        (oserror(errno.EADDRINUSE), "address-in-use"),
        (oserror(errno.EACCES), "permission-denied"),
        (oserror(errno.EAGAIN), "would-block"),
        (oserror(errno.EIO), "io-error"),
        (OSError("x"), "io-error"),
        (ValueError("x"), "io-error"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "dns-resolution-failed"),
        (socket.gaierror(), "dns-resolution-failed"),
        (certificate(), "tls-error"),
        (ssl.SSLError(1, "x"), "tls-error"),
        (ssl.SSLEOFError(8, "x"), "connection-reset"),
        (oserror(errno.EPROTO), "protocol-error"),
        (oserror(errno.EMFILE), "resource-exhausted"),
        (oserror(errno.EMSGSIZE), "invalid-argument"),
    ],
)
def test_what_the_system_says_has_a_case(error: Exception, case: str) -> None:
    with pytest.raises(WitError) as caught, as_network_errors("trying"):
        raise error

    assert isinstance(caught.value.value, Variant)
    assert caught.value.value.case == case
    assert str(caught.value.value.value).startswith("trying: ")
