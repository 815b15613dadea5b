from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.grants.addresses import (
    carried,
    carries,
    is_special,
    lies_in_special,
    within,
)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",  # noqa: S104
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:db8::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_what_iana_lists_is_special(text: str) -> None:
    assert is_special(text)
    assert is_special(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2606:4700::1111",
        "2a00:1450::1",
        "3fff:1000::1",
    ],
)
def test_the_neighbours_of_special_blocks_are_ordinary(text: str) -> None:
    assert not is_special(text)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:808:808", "8.8.8.8"),
        ("::127.0.0.1", "127.0.0.1"),
        ("::2", "0.0.0.2"),
        ("64:ff9b::10.0.0.1", "10.0.0.1"),
        ("64:ff9b::8.8.8.8", "8.8.8.8"),
        ("2002:7f00:1::", "127.0.0.1"),
        ("2002:7f00:1:5:6:7:8:9", "127.0.0.1"),
        ("2002:808:808::1", "8.8.8.8"),
    ],
)
def test_an_address_that_carries_another_is_taken_as_that(
    text: str, inside: str
) -> None:
    assert carried(ip_address(text)) == ip_address(inside)
    assert is_special(text) is is_special(inside)


@pytest.mark.parametrize("text", ["::", "::1", "::1:0:0:1", "2001:db8::1", "127.0.0.1"])
def test_other_addresses_carry_none(text: str) -> None:
    assert carried(ip_address(text)) == ip_address(text)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_special_however_it_is_written(address: IPv4Address) -> None:
    written = (f"::ffff:{address}", f"64:ff9b::{address}")

    assert {is_special(text) for text in written} == {is_special(address)}


@given(st.ip_addresses(v=6))
def test_what_is_outside_of_global_unicast_is_special(address: IPv6Address) -> None:
    plain = carried(address)

    if plain == address and address not in ip_network("2000::/3"):
        assert is_special(address)


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_special(
    address: IPv4Address | IPv6Address,
) -> None:
    # The other way round does not hold, nor does Python look into IPv6 addresses.
    if not carried(address).is_global:
        assert is_special(address)


def test_a_text_that_is_no_address_is_neither() -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6"):
        is_special("localhost")


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8", "10.1.0.0/16", "127.0.0.1", "fc00::/7", "::1"]
)
def test_a_network_is_special_where_it_is_part_of_one_block(text: str) -> None:
    assert lies_in_special(ip_network(text))


@pytest.mark.parametrize(
    "text", ["8.0.0.0/8", "0.0.0.0/0", "8.0.0.0/5", "::/0", "224.0.0.0/3"]
)
def test_a_network_with_ordinary_addresses_is_not_special(text: str) -> None:
    assert not lies_in_special(ip_network(text))


@pytest.mark.parametrize(
    "text",
    ["::ffff:0:0/96", "::ffff:10.0.0.0/104", "2002:a00::/24", "::7f00:1", "::/96"],
)
def test_a_network_carries_where_all_its_addresses_do(text: str) -> None:
    assert carries(ip_network(text))


@pytest.mark.parametrize("text", ["::1", "::/127", "::/0", "10.0.0.0/8"])
def test_other_networks_do_not_carry(text: str) -> None:
    assert not carries(ip_network(text))


def test_networks_of_two_versions_are_apart() -> None:
    assert not within(ip_network("10.0.0.0/8"), ip_network("::/0"))
    assert within(ip_network("10.0.0.0/8"), ip_network("0.0.0.0/0"))
