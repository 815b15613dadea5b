"""Laws of grants, over all sections and whatever may be put together of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.errors import ManifestError
from airssys.core.grants.capabilities import (
    Capability,
    Custom,
    Filesystem,
    Messaging,
    Network,
    Process,
    Storage,
)
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import (
    SECTIONS,
    CustomGrant,
    FilesystemGrants,
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    Sections,
    StorageGrants,
)
from airssys.core.steps import to_the_end
from airssys.core.toml.schema import read

PATHS: Final = ["/a", "/a/*", "/a/**", "/**", "/a/{b,c}", "/a/b", "/*/b"]
NAMES: Final = ["a/x", "a/*", "**", "a/{x,y}", "a/x#1", "*/x"]
TOPICS: Final = ["t", "t.a", "t.*", "t.#", "#", "*.*", "#.b"]
KEYS: Final = ["k", "k/*", "k/**", "{k,l}", "?", "**"]
HOSTS: Final = [
    "a.com",
    "*.a.com",
    "x.a.com",
    "0.0.0.0/0",
    "8.8.0.0/16",
    "8.8.8.8",
    "10.0.0.0/8",
    "10.1.2.3",
]
PORTS: Final = ["1-65535", "80-90", "85"]
OUTBOUND: Final = [f"{host}:{port}" for host in HOSTS for port in PORTS]
ADDRESSES: Final = ["a.com", "x.a.com", "8.8.8.8", "8.1.1.1", "10.1.2.3", "10.9.9.9"]

PATTERNS: Final[Mapping[tuple[type, str, type], list[str]]] = {
    **{
        (FilesystemGrants, action, Filesystem): PATHS
        for action in ("read", "write", "delete", "list")
    },
    (NetworkGrants, "outbound", Network): OUTBOUND,
    (NetworkGrants, "inbound", Network): PORTS,
    (NetworkGrants, "resolve", Network): HOSTS,
    **{
        (StorageGrants, action, Storage): KEYS for action in ("read", "write", "delete")
    },
    **{
        (MessagingGrants, action, Messaging): NAMES
        for action in ("send", "request", "receive")
    },
    (MessagingGrants, "publish", Messaging): TOPICS,
    (MessagingGrants, "subscribe", Messaging): TOPICS,
    (ProcessGrants, "spawn", Process): PATHS,
    (ProcessGrants, "signal", Process): ["own"],
}
TARGETS: Final[Mapping[str, list[str]]] = {
    **{
        action: ["a/x", "a/y", "b/x", "a/x#1"]
        for action in ("send", "request", "receive")
    },
    "publish": ["t", "t.a", "t.b", "t.a.b", "u"],
    "subscribe": TOPICS,
    "outbound": [f"{host}:{port}" for host in ADDRESSES for port in (80, 85, 9)],
    "inbound": ["80", "85", "9", "0"],
    "resolve": ADDRESSES,
    "signal": ["own"],
}
CHOSEN: Final[tuple[tuple[type, str, type], ...]] = (
    (FilesystemGrants, "read", Filesystem),
    (NetworkGrants, "outbound", Network),
    (NetworkGrants, "inbound", Network),
    (StorageGrants, "read", Storage),
    (MessagingGrants, "send", Messaging),
    (MessagingGrants, "subscribe", Messaging),
)
"""Actions that differ in how they are compared."""


def _targets(key: tuple[type, str, type]) -> list[str]:
    if key[1] in TARGETS:
        return TARGETS[key[1]]
    return ["k", "k/l", "l"] if key[2] is Storage else ["/a", "/a/b", "/a/b/c", "/d"]


def _section(kind: type) -> st.SearchStrategy[Any]:
    actions = {
        action: st.lists(st.sampled_from(PATTERNS[kind, action, need]), max_size=2)
        for of, action, need in CHOSEN
        if of is kind
    }
    return st.fixed_dictionaries({}, optional=actions).map(lambda given: kind(**given))


INTERFACES: Final = st.sampled_from(["n:p/i", "n:p/j"])
sections: Mapping[str, st.SearchStrategy[Any]] = {
    "filesystem": _section(FilesystemGrants),
    "network": _section(NetworkGrants),
    "storage": _section(StorageGrants),
    "messaging": _section(MessagingGrants),
    "custom": st.dictionaries(
        INTERFACES, st.lists(st.sampled_from(KEYS), max_size=2), max_size=2
    ),
}
plain = st.fixed_dictionaries({}, optional=dict(sections)).map(
    lambda given: Grants(**given)
)
moments = st.dictionaries(
    st.sampled_from(["filesystem", "network", "messaging", "custom"]),
    st.sampled_from([10.0, 20.0]),
    max_size=2,
)
grants = st.builds(
    lambda held, ends, no: evolve(held, expires=ends, forbidden=no),
    plain,
    moments,
    st.none() | plain,
)


def _less(held: Grants) -> st.SearchStrategy[Grants]:
    """Make grants that can only be narrower."""
    return st.one_of(
        st.sampled_from(SECTIONS).map(held.without),
        plain.map(held.forbidding),
        moments.map(lambda ends: _ending(held, ends)),
    )


def _ending(held: Grants, ends: Mapping[str, float]) -> Grants:
    sooner = {
        section: min(end, held.expires.get(section, end))
        for section, end in ends.items()
    }
    return evolve(held, expires={**held.expires, **sooner})


pairs = st.tuples(grants, grants) | grants.flatmap(
    lambda held: st.tuples(st.just(held), _less(held))
)
"""Grants, and others that mostly are narrower."""
needs = st.sampled_from(
    [
        *(key[2](key[1], target) for key in CHOSEN for target in _targets(key)),
        *(
            Custom(name, text)
            for name in ("n:p/i", "n:p/j")
            for text in ("k", "k/l", "l")
        ),
    ]
)
times = st.sampled_from([None, 0.0, 10.0, 15.0, 25.0])


# --- laws -------------------------------------------------------------------------


@given(needs, times)
def test_nothing_is_allowed_by_default(need: Capability, now: float | None) -> None:
    assert Grants().check(need, now) is not None
    assert Grants().forbids(need) is None


@given(grants, grants, needs, times)
def test_attenuation_never_widens(
    held: Grants, other: Grants, need: Capability, now: float | None
) -> None:
    try:
        narrowed = held.attenuate(other)
    except ManifestError:
        assert not held.covers(other)
        return

    assert held.covers(narrowed)
    if narrowed.check(need, now) is None:
        assert held.check(need, now) is None
        assert other.check(need, now) is None


@given(grants, st.data())
def test_parts_of_grants_can_be_attenuated_to(
    held: Grants, data: st.DataObject
) -> None:
    section = data.draw(st.sampled_from(SECTIONS))
    part = held.without(section)
    need, now = data.draw(needs), data.draw(times)

    narrowed = held.attenuate(evolve(part, forbidden=None, expires={}))

    # What they do not say themselves of ends and prohibitions they inherit.
    assert (narrowed.check(need, now) is None) is (part.check(need, now) is None)


@given(pairs, needs, times)
def test_what_covers_says_agrees_with_the_checks(
    pair: tuple[Grants, Grants], need: Capability, now: float | None
) -> None:
    one, two = pair

    if one.covers(two) and two.check(need, now) is None:
        assert one.check(need, now) is None


@given(grants)
def test_covering_is_reflexive(held: Grants) -> None:
    assert held.covers(held)
    assert held.covers(Grants())
    assert held.attenuate(held) == held


@given(grants.flatmap(lambda held: st.tuples(st.just(held), _less(held))))
def test_what_is_only_narrower_is_covered(pair: tuple[Grants, Grants]) -> None:
    held, less = pair

    assert held.covers(less)
    assert held.attenuate(less) == less


@given(pairs.flatmap(lambda pair: st.tuples(st.just(pair), grants | _less(pair[1]))))
def test_covering_is_transitive(family: tuple[tuple[Grants, Grants], Grants]) -> None:
    (one, two), three = family

    if one.covers(two) and two.covers(three):
        assert one.covers(three)


@given(grants, plain, needs, times)
def test_what_is_forbidden_wins_over_every_grant(
    held: Grants, forbidden: Grants, need: Capability, now: float | None
) -> None:
    less = held.forbidding(forbidden)

    if forbidden.check(need) is None:
        assert less.forbids(need) is not None
    if less.forbids(need) is not None:
        denial = less.check(need, now)
        assert denial is not None
        assert denial.reason == "the host forbids it"
    elif held.check(need, now) is None:
        assert less.check(need, now) is None
    if held.check(need, now) is not None:
        assert less.check(need, now) is not None
    assert held.covers(less)


@given(grants, needs, times, st.sampled_from(SECTIONS))
def test_revocation_only_removes(
    held: Grants, need: Capability, now: float | None, section: str
) -> None:
    less = held.without(section)

    assert held.covers(less)
    if need.section == section:
        assert less.check(need, now) is not None
    else:
        assert (less.check(need, now) is None) is (held.check(need, now) is None)


@given(grants, needs, needs, times)
def test_one_action_can_be_revoked(
    held: Grants, need: Capability, other: Capability, now: float | None
) -> None:
    less = held.without(need.section, need.action)

    assert less.check(need, now) is not None
    if (other.section, other.action) != (need.section, need.action):
        assert (less.check(other, now) is None) is (held.check(other, now) is None)


@given(grants, needs, st.sampled_from([0.0, 10.0, 15.0, 25.0]))
def test_what_has_ended_is_not_there_any_more(
    held: Grants, need: Capability, now: float
) -> None:
    left = held.at(now)

    assert (left.check(need, now) is None) is (held.check(need, now) is None)
    assert held.covers(left)
    assert all(now < held.expires.get(section, 30.0) for section, _, _ in left)


# --- all kinds --------------------------------------------------------------------


@pytest.mark.parametrize("key", PATTERNS, ids=lambda key: f"{key[0].__name__}-{key[1]}")
def test_every_action_is_checked_and_forbidden(key: tuple[type, str, type]) -> None:
    kind, action, need = key
    section: str = need.section  # type: ignore[attr-defined]
    for pattern in PATTERNS[key]:
        held = Grants(**{section: kind(**{action: [pattern]})})
        allowed = [
            target
            for target in _targets(key)
            if held.check(need(action, target)) is None
        ]
        assert allowed
        banned = evolve(held, forbidden=held)
        ended = evolve(held, expires={section: 5.0})
        for target in allowed:
            assert Grants().check(need(action, target)) is not None
            assert banned.check(need(action, target)) is not None
            assert ended.check(need(action, target), 4.0) is None
            assert ended.check(need(action, target), 5.0) is not None


# --- ends -------------------------------------------------------------------------

ENDING: Final = Grants(
    network=NetworkGrants(resolve=["a.com"]),
    storage=StorageGrants(read=["k"]),
    custom={"n:p/i": ["k"], "n:p/j": []},
    expires={"network": 1_798_761_600.0, "custom": 20.0},
)
RESOLVE: Final = Network("resolve", "a.com")


def reason(grants: Grants, need: Capability, now: float | None = None) -> str:
    denial = grants.check(need, now)
    assert denial is not None
    return denial.reason


def test_a_host_is_not_reached_once_that_has_ended() -> None:
    held = Grants(network=NetworkGrants(outbound=["a.com:80"]), expires={"network": 10})

    assert held.reaches("a.com", 9)
    assert not held.reaches("a.com", 10)
    assert not held.reaches("a.com")
    assert not held.reaches("b.com", 9)


def test_an_expired_grant_says_so_and_when() -> None:
    assert ENDING.check(RESOLVE, 1_798_761_599.9) is None
    assert reason(ENDING, RESOLVE, 1_798_761_600.0) == (
        "the grant expired at 2027-01-01T00:00:00Z"
    )
    assert ENDING.check(Storage("read", "k"), 2e9) is None


def test_without_the_time_nothing_is_granted_that_expires() -> None:
    assert reason(ENDING, RESOLVE) == (
        "the grant expires at 2027-01-01T00:00:00Z, and the time is not known"
    )
    assert ENDING.check(Storage("read", "k")) is None


def test_what_no_grant_covers_has_not_expired() -> None:
    assert reason(ENDING, Network("resolve", "b.com"), 2e9) == (
        "no grant covers it (granted: resolve 'a.com')"
    )
    assert reason(ENDING, Network("inbound", "80"), 2e9) == (
        "no grant covers it (granted: nothing)"
    )


def test_an_interface_is_offered_until_it_expires() -> None:
    assert ENDING.offers("n:p/j@1.0.0", 19.9)
    assert not ENDING.offers("n:p/j", 20.0)
    assert not ENDING.offers("n:p/j")
    assert ENDING.at(20.0).interfaces == ()


def test_grants_that_end_cannot_be_kept_longer() -> None:
    longer = evolve(ENDING, expires={"network": 1_798_761_601.0, "custom": 20.0})

    assert ENDING.widened_by(longer) == ("use 'network' after 2027-01-01T00:00:00Z",)
    assert ENDING.widened_by(evolve(ENDING, expires={})) == (
        "use 'network' after 2027-01-01T00:00:00Z",
        "use 'custom' after 1970-01-01T00:00:20Z",
    )
    assert longer.covers(ENDING)
    assert ENDING.covers(Grants(storage=ENDING.storage))
    # The end that is not said is inherited.
    assert ENDING.attenuate(Grants(network=ENDING.network)).expires == ENDING.expires


def test_only_sections_expire() -> None:
    with pytest.raises(ValueError, match="'netwrk' is no section of grants"):
        Grants(expires={"netwrk": 1.0})


def test_grants_that_expire_are_values_too() -> None:
    again = evolve(ENDING, expires=dict(ENDING.expires))

    assert again == ENDING
    assert hash(again) == hash(ENDING)
    assert evolve(ENDING, expires={}) != ENDING


# --- prohibitions -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "forbidden", "meets"),
    [
        ("orders.#", "orders.secret", True),
        ("orders.*", "orders.secret", True),
        ("#", "orders.secret", True),
        ("orders.new", "orders.secret", False),
        ("orders.*.new", "orders.secret", False),
        ("*.b", "a.*", True),
    ],
)
def test_a_subscription_that_meets_a_forbidden_topic_is_forbidden(
    wanted: str, forbidden: str, *, meets: bool
) -> None:
    held = Grants(
        messaging=MessagingGrants(subscribe=["#"]),
        forbidden=Grants(messaging=MessagingGrants(subscribe=[forbidden])),
    )

    assert (held.check(Messaging("subscribe", wanted)) is not None) is meets


def test_a_forbidden_network_forbids_addresses_and_a_forbidden_name_the_name() -> None:
    held = Grants(
        network=NetworkGrants(outbound=["*.a.com:*", "8.0.0.0/8:*", "10.0.0.0/8:*"]),
        forbidden=Grants(network=NetworkGrants(outbound=["x.a.com:*", "0.0.0.0/0:22"])),
    )

    for text in ("x.a.com:80", "X.A.com.:80", "8.8.8.8:22", "10.0.0.1:22"):
        assert reason(held, Network("outbound", text)) == "the host forbids it"
    for text in ("y.a.com:22", "8.8.8.8:80", "10.0.0.1:80"):
        assert held.check(Network("outbound", text)) is None
    # Of an address that comes of a name, only this is asked.
    assert held.forbids(Network("outbound", "9.9.9.9:22")) is not None
    assert held.forbids(Network("outbound", "9.9.9.9:80")) is None


def test_a_wider_network_that_is_forbidden_stands_for_the_special_ones_in_it() -> None:
    loopback = Grants(network=NetworkGrants(outbound=["127.0.0.1:*"]))
    everything = Grants(network=NetworkGrants(outbound=["0.0.0.0/0:*"]))
    held = Grants(network=NetworkGrants(outbound=["127.0.0.0/8:*"]))

    assert held.forbidding(loopback).covers(held.forbidding(everything))
    assert not held.forbidding(everything).covers(held.forbidding(loopback))


outbound = st.lists(st.sampled_from(OUTBOUND), max_size=3)


@given(held=outbound, banned=outbound, host=st.sampled_from(ADDRESSES))
def test_a_host_is_reached_where_a_connection_to_some_port_is_granted(
    held: list[str], banned: list[str], host: str
) -> None:
    granted = Grants(network=NetworkGrants(outbound=held))
    forbidden = Grants(network=NetworkGrants(outbound=banned))
    by_port = any(
        granted.check(Network("outbound", f"{host}:{port}")) is None
        for port in (1, 85, 65_535)
    )

    assert granted.reaches(host) is by_port
    # What is forbidden at some ports only may be reached at the others.
    whole = [one for one in banned if one.endswith(":1-65535")]
    closing = Grants(forbidden=Grants(network=NetworkGrants(outbound=whole)))
    closed = closing.forbids(Network("outbound", f"{host}:85")) is not None
    assert granted.forbidding(forbidden).reaches(host) is (by_port and not closed)


def test_where_a_port_is_forbidden_the_system_may_not_pick_one() -> None:
    held = Grants(network=NetworkGrants(inbound=["*"]))
    less = held.forbidding(Grants(network=NetworkGrants(inbound=[22])))

    assert held.check(Network("inbound", "0")) is None
    assert reason(less, Network("inbound", "0")) == "the host forbids it"
    assert less.check(Network("inbound", "23")) is None


def test_an_interface_can_be_forbidden_whole_or_in_part() -> None:
    held = Grants(custom={"n:p/i": ["**"], "n:p/j": ["**"]})
    whole = held.forbidding(Grants(custom={"n:p/i": []}))
    part = held.forbidding(Grants(custom={"n:p/i": ["k/**"]}))

    assert whole.interfaces == ("n:p/j",)
    assert not whole.offers("n:p/i")
    assert reason(whole, Custom("n:p/i", "x")) == "the host forbids it"
    assert part.offers("n:p/i")
    assert part.check(Custom("n:p/i", "x")) is None
    assert reason(part, Custom("n:p/i", "k/x")) == "the host forbids it"
    assert whole.widened_by(part) == ("use 'n:p/i'",)
    assert part.covers(whole)


def test_a_prohibition_that_is_missing_is_wider_where_it_matters() -> None:
    held = Grants(
        filesystem=FilesystemGrants(read=["/a/**"]),
        forbidden=Grants(filesystem=FilesystemGrants(read=["/a/b/*"], write=["/**"])),
    )

    assert held.widened_by(Grants(filesystem=FilesystemGrants(read=["/a/*/c"]))) == (
        "read '/a/b/*', which is forbidden",
    )
    assert held.covers(Grants(filesystem=FilesystemGrants(read=["/a/c/*"])))
    stricter = Grants(filesystem=FilesystemGrants(read=["/**"]))
    assert held.covers(evolve(held, forbidden=stricter))


def test_prohibitions_add_up() -> None:
    one = Grants(filesystem=FilesystemGrants(read=["/a"]), custom={"n:p/i": ["k"]})
    two = Grants(filesystem=FilesystemGrants(read=["/b", "/a"]), custom={"n:p/j": []})

    both = Grants().forbidding(one).forbidding(two).forbidden

    assert both == Grants(
        filesystem=FilesystemGrants(read=["/a", "/b"]),
        custom={"n:p/i": ["k"], "n:p/j": []},
    )
    assert Grants().forbidding(None) == Grants().forbidding(Grants()) == Grants()
    assert Grants().forbidding(one).forbidding(one) == Grants(forbidden=one)


def test_what_is_forbidden_is_without_conditions() -> None:
    for odd in (Grants(expires={"network": 1.0}), Grants(forbidden=Grants())):
        with pytest.raises(ValueError, match="cannot expire, nor forbid in turn"):
            Grants(forbidden=odd)


# --- revocation -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revoke", "words"),
    [
        (lambda held: held.without("netwrk"), "'netwrk' is no section of grants"),
        (
            lambda held: held.without("network", "out"),
            "'out' is no action of 'network'",
        ),
        (lambda held: held.without("expires"), "'expires' is no section of grants"),
    ],
)
def test_only_what_there_is_can_be_revoked(
    revoke: Callable[[Grants], Grants], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        revoke(ENDING)


def test_an_interface_can_be_revoked_by_its_name() -> None:
    assert ENDING.without("custom", "n:p/i@1.0.0").interfaces == ("n:p/j",)
    assert ENDING.without("custom").interfaces == ()


def test_the_end_of_a_grant_is_a_number() -> None:
    with pytest.raises(ValueError, match="when 'network' expires must be a number"):
        Grants(expires={"network": float("nan")})


@pytest.mark.parametrize(
    "make",
    [
        lambda: Grants(custom={"acme:kv/store": "bucket-*"}),
        lambda: NetworkGrants(inbound="8181"),
        lambda: NetworkGrants(outbound="*.org:443"),
    ],
    ids=["custom", "ports", "hosts"],
)
def test_a_string_in_place_of_a_list_does_not_grant_each_of_its_characters(
    make: Callable[[], object],
) -> None:
    with pytest.raises(ValueError, match="must be in a list"):
        make()


def test_patterns_that_are_too_large_together_are_refused() -> None:
    deep = "/**/b" * 5
    plain = [f"/srv/img/{number}" for number in range(5000)]

    FilesystemGrants(read=plain)  # each is only looked up
    with pytest.raises(ValueError, match="too large together"):
        FilesystemGrants(read=[f"/{number}{deep}/*" for number in range(200)])
    with pytest.raises(ManifestError, match="too large together") as refused:
        read_sections([f"/{number}{deep}/*" for number in range(200)])
    assert "@ filesystem" in str(refused.value)


def read_sections(paths: list[str]) -> None:
    read(f"filesystem = {{ read = {paths!r} }}", Sections, source="host.toml")


def test_a_topic_may_be_heard_where_a_grant_matches_it() -> None:
    held = Grants(
        messaging=MessagingGrants(subscribe=["orders.#"]),
        expires={"messaging": 10.0},
        forbidden=Grants(messaging=MessagingGrants(subscribe=["orders.secret"])),
    )

    assert held.hears("orders.new", 9.0) is None
    assert held.hears("orders.with a blank", 9.0) is None
    for topic, now in (("news", 9.0), ("orders.secret", 9.0), ("orders.new", 10.0)):
        denial = held.hears(topic, now)
        assert denial is not None
        assert denial.needed == f"subscribe to {topic!r}"
    assert Grants(messaging=held.messaging).hears("orders.secret") is None


# --- how much there may be --------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda many: FilesystemGrants(read=[f"/{n}" for n in range(many)]), 10_000),
        (lambda many: ProcessGrants(signal=["own"] * many), 10_000),
        (lambda many: NetworkGrants(outbound=["a.b:1"] * many), 10_000),
        (lambda many: NetworkGrants(inbound=[1] * many), 10_000),
        (lambda many: MessagingGrants(subscribe=["a"] * many), 1000),
        (lambda many: MessagingGrants(publish=["a"] * many), 1000),
        (lambda many: CustomGrant("n:p/i", ["a"] * many), 10_000),
    ],
    ids=["paths", "whose", "hosts", "ports", "heard", "told", "keys"],
)
def test_a_list_says_how_many_patterns_it_may_have(
    make: Callable[[int], object], most: int
) -> None:
    make(most)
    with pytest.raises(ValueError, match=rf"too many patterns .*at most {most:_}\)"):
        make(most + 1)


def test_custom_grants_say_how_many_they_may_be_together() -> None:
    Grants(custom={f"n:p/i{number}": ["a"] for number in range(5000)})
    with pytest.raises(ValueError, match=r"too many interfaces .*10_000 together"):
        Grants(custom={f"n:p/i{number}": ["a"] for number in range(5001)})
    with pytest.raises(ValueError, match=r"too many interfaces .*10_000 together"):
        Grants(custom=[CustomGrant("n:p/i")] * 10_001)


def test_patterns_of_one_list_say_how_large_they_may_be_together() -> None:
    with pytest.raises(ValueError, match=r"8_\d\d\d characters .*at most 8_192"):
        StorageGrants(read=[f"*{number}*x*" for number in range(1200)])
    with pytest.raises(ValueError, match=r"alternatives \(at most 4_096\)"):
        StorageGrants(read=[f"{number}/{{a,b,c,d}}*" for number in range(3000)])
    # What they begin with does not count, as it is looked up.
    StorageGrants(read=[f"some/where/below/{number}/**" for number in range(4000)])


def test_a_denial_names_as_many_grants_as_anybody_reads() -> None:
    held = Grants(messaging=MessagingGrants(send=[f"a{n}" for n in range(9000)]))

    denial = held.check(Messaging("send", "b"))

    assert denial is not None
    assert len(denial.granted) < 100
    assert denial.granted[:2] == ("send to 'a0'", "send to 'a1'")
    assert denial.reason.startswith("no grant covers it (granted: send to 'a0', send")
    assert denial.reason.endswith(f", {9000 - len(denial.granted):_} more)")
    assert len(denial.reason) < 2000


def test_what_is_longer_than_anything_granted_says_so() -> None:
    held = Grants(custom={"n:p/i": ["**"]})

    denial = held.check(Custom("n:p/i", "a" * 4097))

    assert held.check(Custom("n:p/i", "a" * 4096)) is None
    assert denial is not None
    assert denial.reason == "it has more than 4_096 characters"
    assert len(denial.target) < 1100
    closed = held.forbidding(Grants(custom={"n:p/i": ["b*"]}))
    assert closed.forbids(Custom("n:p/i", "a" * 4096)) is None
    assert closed.forbids(Custom("n:p/i", "a" * 4097)) is not None


@pytest.mark.parametrize(
    ("start", "reached"),
    [
        *(("", True), ("a/", True), ("a/b", True), ("a/b/c/d", True), ("c", True)),
        *(("lit", True), ("literal", True), ("literals", False), ("b", False)),
        *(("c/x", True), ("c/x/y", False)),
    ],
)
def test_it_is_known_whether_anything_that_begins_so_is_granted(
    start: str, *, reached: bool
) -> None:
    held = Grants(storage=StorageGrants(read=["a/b/**", "literal", "c/*"]))

    for _ in range(2):
        assert held.reach("storage", "read", start) is reached
    assert not held.reach("storage", "write", start)


def test_a_section_holds_until_it_expires() -> None:
    held = Grants(expires={"storage": 10.0})

    assert held.holds("storage", 9.0)
    assert not held.holds("storage", 10.0)
    assert not held.holds("storage")
    assert held.holds("network")


def test_comparing_hard_grants_ends_with_a_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("airssys.core.grants.grants._MOST_STEPS", 20_000)
    hard = [f"{{**a{n},**b{n}}}" + "?" * 12 for n in range(40)]
    wide = Grants(storage=StorageGrants(read=hard))
    wanted = Grants(
        storage=StorageGrants(read=["[ab]" * 60 + str(n) for n in range(9)])
    )
    work = wide.exceeding(wanted)
    steps = list(work)

    assert len(wide.excess(wanted)) == 9
    assert sum(steps) < 21_000
    assert max(steps) < 1000


def test_what_is_the_same_is_covered_without_comparing() -> None:
    many = [f"*{number}*" for number in range(800)]
    held = Grants(messaging=MessagingGrants(send=many, subscribe=["#.a"]))

    assert list(held.exceeding(held)) == []


def test_what_the_host_forbids_as_a_whole_is_not_in_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("airssys.core.grants.grants._MOST_STEPS", 20_000)
    held = Grants(
        storage=StorageGrants(read=["a/*", "b"]),
        custom={"n:p/i": ["k"], "n:p/j": ["k", "l"]},
    )
    forbidden = Grants(
        storage=StorageGrants(read=["a/**"]), custom={"n:p/i": [], "n:p/j": ["l"]}
    )

    assert [
        (section, action, str(pattern))
        for section, action, pattern in to_the_end(
            held.forbidding(forbidden).in_force()
        )
    ] == [("storage", "read", "b"), ("custom", "n:p/j", "k")]
    assert to_the_end(held.in_force()) == tuple(held)
    # What cannot be told in time is shown: it is only shown.
    hard = Grants(storage=StorageGrants(read=["[ab]" * 60 + str(n) for n in range(90)]))
    bans = [f"{{**a{n},**b{n}}}" + "?" * 12 for n in range(40)]
    closed = hard.forbidding(Grants(storage=StorageGrants(read=bans)))
    assert to_the_end(closed.in_force()) == tuple(hard)
