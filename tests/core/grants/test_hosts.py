from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.grants.hosts import (
    HostPattern,
    PortPattern,
    host_matcher,
    port_matcher,
)
from airssys.core.grants.pattern import covers


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
        ("0x7f.0x1:1", "neither a name nor an address"),
        ("*.0x7f:1", "neither a name nor an address"),
        ("*.1:1", "neither a name nor an address"),
        ("\u212aa.com:1", "is not allowed: use a host name"),
        ("[fe80::1%eth0]:1", "must not name a link"),
        ("[::ffff:10.0.0.1]:1", "name these"),
        ("[64:ff9b::/96]:1", "name these"),
        ("[2002:7f00:1::/48]:1", "name these"),
        ("[::7f00:1]:1", "name these"),
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
        ("0.0.0.0/0:1", "8.0.0.0/8:1"),
        ("[::/0]:1", "[2600::/12]:1"),
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
        ("0.0.0.0/0:1", "127.0.0.1:1"),
        ("0.0.0.0/0:1", "10.0.0.0/8:1"),
        ("[::/0]:1", "[fc00::/7]:1"),
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


# --- matching ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (
            "api.example.com:443",
            "api.example.com:443 API.Example.COM:443 api.example.com.:443",
            (
                "api.example.com:80 api.example.com api.example.com: "
                "example.com:443 evilapi.example.com:443 api.example.com.evil.org:443 "
                "api.example.com:0443 api.example.com:+443 api.example.com..:443 "
                "api.example.com:\u0664\u0664\u0663 api.example.com:443:443"
            ),
        ),
        (
            "*.example.com:*",
            "a.example.com:1 b-1.EXAMPLE.com:65535",
            (
                "example.com:1 a.b.example.com:1 evilexample.com:1 .example.com:1 "
                "*.example.com:1 a/b.example.com:1 -a.example.com:1 a.example.com:0 "
                f"{'a' * 64}.example.com:1 a.example.com:65536 @.example.com:1 "
                "\u212a.example.com:1 a%2e.example.com:1"
            ),
        ),
        (
            "10.0.0.0/8:8000-8099",
            (
                "10.0.0.0:8000 10.255.255.255:8099 [::ffff:10.0.0.1]:8000 "
                "[64:ff9b::a00:1]:8000 [2002:a00:1::]:8000 [::10.0.0.1]:8000"
            ),
            (
                "10.0.0.1:7999 10.0.0.1:8100 11.0.0.1:8000 10.0.0.1 010.0.0.1:8000 "
                "10.1:8000 167772161:8000 0xa000001:8000 [10.0.0.1]:8000 "
                "10.0.0.1.:8000 a.com:8000 :8000 [::a00:1:8000 10.0.0.256:8000"
            ),
        ),
        (
            "0.0.0.0/0:*",
            "8.8.8.8:1 1.1.1.1:65535 [::ffff:8.8.8.8]:1",
            (
                "127.0.0.1:1 10.0.0.1:1 169.254.169.254:1 0.0.0.0:1 224.0.0.1:1 "
                "255.255.255.255:1 [::1]:1 [::ffff:127.0.0.1]:1 [2002:7f00:1::]:1 "
                "[64:ff9b::7f00:1]:1 [2606:4700::1111]:1 8.8.8.8:0"
            ),
        ),
        (
            "[::/0]:443",
            "[2606:4700::1111]:443",
            (
                "[::1]:443 [fe80::1]:443 [fd00::1]:443 [ff02::1]:443 8.8.8.8:443 "
                "[::ffff:8.8.8.8]:443 2606:4700::1111:443 [2606:4700::1111:443"
            ),
        ),
        ("127.0.0.1:8080", "127.0.0.1:8080 [::ffff:7f00:1]:8080", "127.0.0.2:8080"),
        ("[::1]:8080", "[::1]:8080 [0:0::1]:8080 [::]:8080", "[::2]:8080 0.0.0.1:8080"),
        ("[fe80::/10]:1", "[fe80::1]:1 [fe80::1%eth0]:1", "[fec0::1]:1 [fe80::%]x:1"),
        ("localhost:1", "localhost:1 LOCALHOST.:1", "127.0.0.1:1 [::1]:1"),
        ("*.com:1", "a.com:1", "com:1 .com:1"),
    ],
)
def test_hosts_and_ports_match(pattern: str, yes: str, no: str) -> None:
    granted = HostPattern.parse(pattern)

    assert [text for text in yes.split() if not granted.matches(text)] == []
    assert [text for text in no.split() if granted.matches(text)] == []
    assert not granted.matches("")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (
            "*.example.com",
            "a.example.com A.example.com.",
            "example.com a.example.com:1",
        ),
        ("10.0.0.0/8", "10.1.2.3 ::ffff:10.1.2.3", "11.1.2.3 a.com [::1] 10"),
        ("0.0.0.0/0", "8.8.8.8", "127.0.0.1 ::1"),
        ("2001:db8::/32", "2001:db8::1", "2001:db9::1 [2001:db8::1]"),
    ],
)
def test_hosts_to_resolve_match_names_and_addresses(
    pattern: str, yes: str, no: str
) -> None:
    granted = HostPattern.parse(pattern, ports=False)

    assert [text for text in yes.split() if not granted.matches(text)] == []
    assert [text for text in no.split() if granted.matches(text)] == []


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("8080", "8080", "0 80 8081 08080 -1 8080-8080 * \u0668 99999 808000"),
        ("8000-8099", "8000 8050 8099", "0 7999 8100"),
        ("*", "0 1 8080 65535", "65536 70000"),
        ("1-65535", "0 1", "x"),
    ],
)
def test_port_0_takes_all_ports(pattern: str, yes: str, no: str) -> None:
    granted = PortPattern.parse(pattern)

    assert [text for text in yes.split() if not granted.matches(text)] == []
    assert [text for text in no.split() if granted.matches(text)] == []


def test_a_matcher_takes_many_hosts_at_once() -> None:
    texts = ["a.com:1", "a.com:5-6", "*.a.com:2", "10.0.0.0/8:3", "[2001:db8::/32]:4"]
    matches = host_matcher([HostPattern.parse(text) for text in texts])

    assert all(map(matches, ["a.com:1", "a.com:6", "x.a.com:2", "10.1.1.1:3"]))
    assert matches("[2001:db8::5]:4")
    assert not any(map(matches, ["a.com:2", "x.a.com:1", "10.1.1.1:4", "b.com:1"]))
    assert not matches(f"{'a.' * 200}com:1")


def test_forbidden_networks_mean_their_special_addresses_too() -> None:
    everything = host_matcher([HostPattern.parse("0.0.0.0/0:*")], forbidding=True)

    assert everything("127.0.0.1:80")
    assert everything("[::ffff:127.0.0.1]:80")
    assert everything("8.8.8.8:80")
    assert not everything("[::1]:80")


def test_a_forbidden_port_forbids_the_one_the_system_picks() -> None:
    forbidden = port_matcher([PortPattern.parse(22)], forbidding=True)

    assert forbidden("0")
    assert forbidden("22")
    assert not forbidden("23")
    assert not port_matcher([], forbidding=True)("0")


# --- laws -------------------------------------------------------------------------

ports = st.sampled_from(["443", "80-90", "85", "*"])
patterns = st.builds(
    lambda host, port: HostPattern.parse(f"{host}:{port}"),
    st.sampled_from(
        [
            "a.com",
            "*.a.com",
            "x.a.com",
            "0.0.0.0/0",
            "8.0.0.0/6",
            "8.0.0.0/8",
            "8.8.8.8",
            "10.0.0.0/8",
            "10.1.2.3",
            "[::/0]",
            "[2600::/12]",
            "[fc00::/7]",
            "[fd00::1]",
        ]
    ),
    ports,
)
targets = st.builds(
    "{}:{}".format,
    st.sampled_from(
        [
            "a.com",
            "x.a.com",
            "y.a.com",
            "8.8.8.8",
            "9.9.9.9",
            "10.1.2.3",
            "10.9.9.9",
            "[::ffff:8.8.8.8]",
            "[2601::1]",
            "[fd00::1]",
            "[fd00::2]",
        ]
    ),
    st.sampled_from([443, 80, 85, 9]),
)


@given(patterns, patterns, targets)
def test_covering_and_matching_hosts_agree(
    one: HostPattern, two: HostPattern, target: str
) -> None:
    if one.covers(two) and two.matches(target):
        assert one.matches(target)
    if one.matches(target) and two.matches(target):
        assert one.overlaps(two)
        assert two.overlaps(one)


@given(patterns, patterns, targets)
def test_what_contains_a_forbidden_host_forbids_at_least_as_much(
    one: HostPattern, two: HostPattern, target: str
) -> None:
    forbidden = host_matcher([two], forbidding=True)

    if one.contains(two) and forbidden(target):
        assert host_matcher([one], forbidding=True)(target)
    if one.matches(target) and forbidden(target):
        assert two.overlaps(one)


@given(patterns, patterns, patterns)
def test_covering_hosts_is_reflexive_and_transitive(
    one: HostPattern, two: HostPattern, three: HostPattern
) -> None:
    assert one.covers(one)
    if one.covers(two) and two.covers(three):
        assert one.covers(three)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.0.0.0/8:*", "10.1.2.3:80"),
        ("0.0.0.0/0:80", "127.0.0.1:80-90"),
        ("[::/0]:1", "[::1]:1"),
        ("*.a.com:80-90", "x.a.com:85"),
        ("*.a.com:1", "*.a.com:1"),
    ],
)
def test_hosts_that_have_something_in_common_overlap(one: str, other: str) -> None:
    assert HostPattern.parse(one).overlaps(HostPattern.parse(other))
    assert HostPattern.parse(other).overlaps(HostPattern.parse(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.0.0.0/8:1", "11.0.0.0/8:1"),
        ("10.0.0.0/8:1", "10.0.0.0/8:2"),
        ("0.0.0.0/0:1", "[::/0]:1"),
        ("0.0.0.0/0:1", "a.com:1"),
        ("*.a.com:1", "a.com:1"),
        ("*.a.com:1", "*.x.a.com:1"),
    ],
)
def test_hosts_that_have_nothing_in_common_do_not(one: str, other: str) -> None:
    assert not HostPattern.parse(one).overlaps(HostPattern.parse(other))
    assert not HostPattern.parse(other).overlaps(HostPattern.parse(one))


def test_hosts_with_ports_and_without_have_nothing_in_common() -> None:
    alone = HostPattern.parse("a.com", ports=False)

    assert not alone.overlaps(HostPattern.parse("a.com:1"))
    assert alone.overlaps(HostPattern.parse("*.com", ports=False))
    assert not alone.overlaps(HostPattern.parse("10.0.0.0/8", ports=False))


@given(st.integers(1, 100), st.integers(0, 50), st.integers(1, 100), st.integers(0, 50))
def test_covering_and_overlapping_ports_agree_with_matching(
    first: int, more: int, other: int, longer: int
) -> None:
    one, two = PortPattern(first, first + more), PortPattern(other, other + longer)
    common = [
        port
        for port in range(1, 152)
        if one.matches(f"{port}") and two.matches(f"{port}")
    ]

    assert one.overlaps(two) is bool(common)
    assert one.covers(two) is (len(common) == longer + 1)


UNSPECIFIED = ("0.0.0.0:80", "[::ffff:0.0.0.0]:80", "[64:ff9b::]:80")


@pytest.mark.parametrize("text", UNSPECIFIED)
def test_the_unspecified_address_is_loopback(text: str) -> None:
    assert HostPattern.parse("127.0.0.1:80").matches(text)
    assert HostPattern.parse("0.0.0.0:80").matches("127.0.0.1:80")
    assert str(HostPattern.parse("0.0.0.0:80")) == "127.0.0.1:80"
    assert not HostPattern.parse("127.0.0.2:80").matches(text)
    assert not HostPattern.parse("0.0.0.0/8:*").matches(text)
    assert not HostPattern.parse("[::1]:80").matches(text)
    assert HostPattern.parse("[::1]:80").matches("[::]:80")
    assert str(HostPattern.parse("[::]:80")) == "[::1]:80"


@pytest.mark.parametrize(
    "banned", ["127.0.0.1:80", "[::1]:80", "0.0.0.0:80", "[::]:*", "127.0.0.0/8:80"]
)
@pytest.mark.parametrize(
    "text",
    [
        *UNSPECIFIED,
        "[::]:80",
        "127.0.0.1:80",
        "127.1.2.3:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
    ],
)
def test_loopback_is_forbidden_by_all_its_addresses(banned: str, text: str) -> None:
    forbids = host_matcher([HostPattern.parse(banned)], forbidding=True)

    assert forbids(text)
    assert not forbids("10.0.0.1:80")
    assert not forbids("[2600::1]:80")


def test_one_address_of_loopback_that_is_forbidden_is_that_one() -> None:
    forbids = host_matcher([HostPattern.parse("127.0.0.53:53")], forbidding=True)

    assert forbids("127.0.0.53:53")
    assert not forbids("127.0.0.1:53")
    assert not forbids("0.0.0.0:53")
