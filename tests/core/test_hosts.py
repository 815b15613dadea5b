from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.hosts import HostPattern, PortPattern
from airssys.core.pattern import covers


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("api.example.com:443", "api.example.com:443"),
        ("API.Example.com.:443", "api.example.com:443"),
        ("*.example.org:*", "*.example.org:*"),
        ("10.0.0.0/8:8000-8099", "10.0.0.0/8:8000-8099"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[2001:db8::/32]:443", "[2001:db8::/32]:443"),
        ("[::1]:443", "[::1]:443"),
        ("localhost:1-65535", "localhost:*"),
    ],
)
def test_a_host_pattern_reads_what_it_prints(text: str, shown: str) -> None:
    pattern = HostPattern.parse(text)

    assert str(pattern) == shown
    assert HostPattern.parse(shown) == pattern


def test_a_host_to_resolve_has_no_ports() -> None:
    assert str(HostPattern.parse("*.example.com", ports=False)) == "*.example.com"
    assert str(HostPattern.parse("2001:db8::/32", ports=False)) == "2001:db8::/32"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("example.com", "names no port"),
        ("[::1]", "names no port"),
        (":443", "names no port"),
        ("example.com:0", "port '0' is not allowed"),
        ("example.com:https", "port 'https' is not allowed"),
        ("example.com:9-8", "port '9-8' is not allowed"),
        ("example.com:1-2-3", "is not allowed"),
        ("example.com:65536", "is not allowed"),
        ("example.com:-1", "is not allowed"),
        ("exa mple.com:1", "host 'exa mple.com' is not allowed"),
        ("a.*.com:1", "is not allowed"),
        ("*:1", "is not allowed"),
        ("*.*.com:1", "is not allowed"),
        ("-a.com:1", "is not allowed"),
        (f"{'a.' * 130}com:1", "is not allowed"),
        (
            "10.0.0.1/8:1",
            "network '10.0.0.1/8' is not allowed: 10.0.0.1/8 has host bits",
        ),
        ("1.2.3:1", "neither a name nor an address"),
        ("1.2.3.256:1", "neither a name nor an address"),
    ],
)
def test_what_is_no_host_pattern_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        HostPattern.parse(text)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("a.com:*", "a.com:443"),
        ("a.com:80-90", "a.com:81-89"),
        ("*.a.com:1", "x.a.com:1"),
        ("*.a.com:1", "*.a.com:1"),
        ("10.0.0.0/8:1", "10.1.0.0/16:1"),
        ("10.0.0.0/8:1", "10.1.2.3:1"),
        ("[2001:db8::/32]:1", "[2001:db8::1]:1"),
    ],
)
def test_a_host_pattern_covers_what_is_narrower(wide: str, narrow: str) -> None:
    assert HostPattern.parse(wide).covers(HostPattern.parse(narrow))
    assert covers([HostPattern.parse(wide)], HostPattern.parse(narrow))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.com:443", "a.com:*"),
        ("a.com:80-90", "a.com:81-91"),
        ("*.a.com:1", "a.com:1"),
        ("*.a.com:1", "x.y.a.com:1"),
        ("x.a.com:1", "*.a.com:1"),
        ("10.0.0.0/16:1", "10.0.0.0/8:1"),
        ("0.0.0.0/0:1", "[::1]:1"),
        ("0.0.0.0/0:1", "a.com:1"),
        ("a.com:1", "0.0.0.0/0:1"),
    ],
)
def test_a_host_pattern_does_not_cover_what_is_wider_or_other(
    one: str, other: str
) -> None:
    assert not HostPattern.parse(one).covers(HostPattern.parse(other))


def test_a_host_with_ports_and_one_without_do_not_compare() -> None:
    alone = HostPattern.parse("a.com", ports=False)

    assert not alone.covers(HostPattern.parse("a.com:1"))
    assert not HostPattern.parse("a.com:*").covers(alone)
    assert alone.covers(HostPattern.parse("a.com", ports=False))


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_a_port_pattern_reads_what_it_prints(one: int, other: int) -> None:
    ports = PortPattern(min(one, other), max(one, other))

    assert PortPattern.parse(str(ports)) == ports
    assert covers([PortPattern.parse("*")], ports)
