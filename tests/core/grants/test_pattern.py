from __future__ import annotations

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.grants.hosts import HostPattern, PortPattern
from airssys.core.grants.pattern import (
    AnyPattern,
    Pattern,
    contains,
    covers,
    matcher,
    overlaps,
)
from airssys.core.grants.spelling import Kind


def topic(text: str) -> Pattern:
    return Pattern.parse(text, Kind.TOPIC)


def key(text: str) -> Pattern:
    return Pattern.parse(text, Kind.KEY)


def name(text: str) -> Pattern:
    return Pattern.parse(text, Kind.NAME)


def path(text: str) -> Pattern:
    return Pattern.parse(text, Kind.PATH)


# --- matching ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("orders", "orders", "order orders.new"),
        ("orders.*", "orders.new orders.x", "orders orders.a.b"),
        ("orders.#", "orders orders.a orders.a.b.c", "order"),
        ("#", "a a.b", ""),
        ("#.new", "new a.new a.b.new", "new.a"),
        ("*.*", "a.b", "a a.b.c"),
        ("a.#.b", "a.b a.x.b a.x.y.b", "a a.x b"),
        ("a.#.b.#.c", "a.b.c a.x.b.y.c a.b.b.c", "a.c"),
        ("#.*", "a a.b", ""),
    ],
)
def test_topics_match_segment_by_segment(pattern: str, yes: str, no: str) -> None:
    assert [text for text in yes.split() if not topic(pattern).matches(text)] == []
    assert [text for text in no.split() if topic(pattern).matches(text)] == []


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("acme/billing", "acme/billing acme/billing#2", "acme/billings acme/billing/x"),
        ("acme/billing#2", "acme/billing#2", "acme/billing acme/billing#22"),
        ("acme/*", "acme/billing acme/billing#2", "acme acmes/x billing"),
        ("*", "worker worker#2", "acme/worker"),
        ("**", "worker acme/worker acme/worker#1", ""),
        ("acme/{a,b}", "acme/a acme/b acme/b#1", "acme/c acme/ab"),
        ("work?r-[0-9]", "worker-1 worker-2#x", "worker-x worker-10"),
        ("*-[!0-9]*", "a-b a-b1", "a-1"),
    ],
)
def test_names_stop_at_the_slash(pattern: str, yes: str, no: str) -> None:
    assert [text for text in yes.split() if not name(pattern).matches(text)] == []
    assert [text for text in no.split() if name(pattern).matches(text)] == []


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/srv/img/**", "/srv/img/a /srv/img/a/b.png", "/srv/img /srv/imgs/a"),
        ("/srv/*/x", "/srv/a/x", "/srv/x /srv/a/b/x"),
        ("/srv/**/x", "/srv/x /srv/a/x /srv/a/b/x", "/srv/ax"),
        ("/a/**/b/**/c", "/a/b/c /a/x/b/c /a/b/y/c /a/x/b/y/z/c", "/a/c"),
        ("/a?c", "/abc", "/a/c /ac"),
        ("/[a-c]/[!a-c]", "/a/x /b/-", "/d/x /a/b /a//"),
        ("/x.{png,jpg}", "/x.png /x.jpg", "/x.gif"),
        ("/*a*b*", "/ab /xaybz", "/ba"),
        ("/", "/", "/a"),
        ("/**", "/ /a /a/b", "a"),
        ("/a+(b)", "/a+(b)", "/aab"),
        ("/[+^-]", "/+ /^ /-", "/a"),
    ],
)
def test_paths_cross_the_slash_with_two_stars_only(
    pattern: str, yes: str, no: str
) -> None:
    assert [text for text in yes.split() if not path(pattern).matches(text)] == []
    assert [text for text in no.split() if path(pattern).matches(text)] == []


@pytest.mark.parametrize(
    ("text", "fronts"),
    [
        ("/bin/sh", [("/bin/sh", "")]),
        ("/srv/img/**", [("/srv/img", "/**")]),
        ("/srv/im?/x*", [("/srv", "/im?/x*")]),
        ("/a/[bc]/d", [("/a", "/[bc]/d")]),
        ("/{bin,sbin}/x*", [("/bin", "/x*"), ("/sbin", "/x*")]),
        ("/**", [("", "/**")]),
        ("/", [("/", "")]),
    ],
)
def test_a_path_pattern_knows_where_it_leads_from(
    text: str, fronts: list[tuple[str, str]]
) -> None:
    assert list(path(text).fronts) == fronts


def test_a_pattern_prints_as_it_was_written() -> None:
    assert str(name("acme/*")) == "acme/*"


def test_a_matcher_takes_many_patterns_at_once() -> None:
    matches = matcher(map(key, ["a", "b/*", "{x,y}", "**/c/**/d"]))

    assert all(map(matches, ["a", "b/1", "x", "y", "q/c/d"]))
    assert not any(map(matches, ["b", "b/1/2", "z", "c/d"]))
    assert not matcher(())("a")
    assert matcher([topic("a.b"), topic("c.#")])("a.b")
    assert matcher([topic("a.b"), topic("c.#")])("c.x.y")
    assert not matcher([topic("a.b"), topic("c.#")])("a.c")


@pytest.mark.parametrize(
    "pattern", ["*a" * 200 + "b", "**a" * 200 + "b", "?*" * 200, "*[ab]" * 200 + "c"]
)
def test_matching_is_not_exponential(pattern: str) -> None:
    compiled = key(pattern)
    start = time.perf_counter()

    compiled.matches("a" * 5000)

    assert time.perf_counter() - start < 20


def test_sets_of_thousands_of_characters_do_not_hold_up_the_host() -> None:
    # Of each character for each negated set: this took minutes, and half a gigabyte.
    sets = "[\u4e00-\u51ff]" * 15 + "*[!\u4e00]*" * 100
    start = time.perf_counter()

    one, other = key(sets), key("**")

    assert other.covers(one)
    assert not one.matches("a" * 5000)
    assert time.perf_counter() - start < 20


# --- refusing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (Kind.TOPIC, "", "0 characters is not allowed"),
        (Kind.TOPIC, "a" * 1025, "1025 characters is not allowed"),
        (Kind.TOPIC, "a..b", "between its dots"),
        (Kind.TOPIC, ".a", "between its dots"),
        (Kind.TOPIC, "a*", "between its dots"),
        (Kind.TOPIC, "a.##", "between its dots"),
        (Kind.TOPIC, " ", "between its dots"),
        (Kind.TOPIC, "a\x00", "must be printable"),
        (Kind.NAME, "Acme/x", "must not hold 'A'"),
        (Kind.NAME, "acme//x", "must not hold '//'"),
        (Kind.NAME, "acme/", "end in '/'"),
        (Kind.PATH, "srv/img", "is not absolute"),
        (Kind.PATH, "/srv/../etc", "'.' or '..'"),
        (Kind.PATH, "/srv/{..,x}/etc", "'.' or '..'"),
        (Kind.PATH, "/srv/./etc", "'.' or '..'"),
        (Kind.PATH, "/srv//etc", "must not hold '//'"),
        (Kind.PATH, "/a/[bc", "is not closed"),
        (Kind.PATH, "/a/[]", "is empty"),
        (Kind.PATH, "/a/[!]", "is empty"),
        (Kind.PATH, "/a/[z-a]", "runs backwards"),
        (Kind.PATH, "/a/[ -\U0001f600]", "runs backwards"),
        (Kind.PATH, "/a[/]b", "holds '/'"),
        (Kind.PATH, "/a]", "a ']' without '['"),
        (Kind.PATH, "/{a,b", "is not closed"),
        (Kind.PATH, "/a}", "a '}' without '{'"),
        (Kind.PATH, "/{a,{b,c}}", "one inside another"),
        (Kind.PATH, "/x{a{b}", "one inside another"),
        (Kind.KEY, "{a,b}" * 7, "too many alternatives"),
        (Kind.KEY, "{a,b}" * 6 + "/**/x/**/y", "too many alternatives"),
        (Kind.PATH, "/**/a" * 20, "too many alternatives"),
        (Kind.PATH, "/**/a" * 5 + "x" * 900, "is too large"),
        (Kind.KEY, "{[\u4e00-\u5000],[\u5000-\u5200],b}" * 3, "is too large"),
    ],
)
def test_what_is_no_pattern_is_refused_and_says_why(
    kind: Kind, text: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        Pattern.parse(text, kind)


# --- covering ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("#", "*"),
        ("#", "a.#.b"),
        ("*.#", "#"),
        ("#.*", "*.#"),
        ("a.#", "a.b.*"),
        ("a.#", "a"),
        ("#.b.#", "a.b.c"),
        ("#.a.#", "a.#.a"),
        ("#.#", "#"),
    ],
)
def test_a_topic_pattern_covers_what_is_narrower(wide: str, narrow: str) -> None:
    assert topic(wide).covers(topic(narrow))


@pytest.mark.parametrize(
    ("one", "other"),
    [("*", "#"), ("a.*", "a.#"), ("a.#", "#.a"), ("a.*", "*.b"), ("*.*", "#")],
)
def test_a_topic_pattern_does_not_cover_what_is_wider(one: str, other: str) -> None:
    assert not topic(one).covers(topic(other))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("**", "*/*"),
        ("a*", "a{b,c}*"),
        ("{a,b}", "[ab]"),
        ("[ab]", "{a,b}"),
        ("[!a]*", "b*"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/**/c/**/b"),
        ("?*", "??"),
        ("*a*", "*ba*"),
        ("{?,??,}", "{,a,bc}"),
    ],
)
def test_a_glob_covers_what_is_narrower(wide: str, narrow: str) -> None:
    assert key(wide).covers(key(narrow))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("*", "**"),
        ("?*", "*"),
        ("[!a]*", "a"),
        ("[ab]", "[abc]"),
        ("[a-z]", "?"),
        ("a/**/b", "a**b"),
        ("{a*,b*}", "*"),
        ("a", "b"),
    ],
)
def test_a_glob_does_not_cover_what_is_wider(one: str, other: str) -> None:
    assert not key(one).covers(key(other))


def test_a_name_covers_its_instances() -> None:
    assert name("acme/billing").covers(name("acme/billing#2"))
    assert not name("acme/billing#2").covers(name("acme/billing"))
    assert name("acme/*").covers(name("acme/billing"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a/*", "/*/b"),
        ("/a/**", "/**/b"),
        ("/[ab]", "/[bc]"),
        ("/{a,b}", "/b"),
        ("/", "/**"),
    ],
)
def test_globs_with_a_text_in_common_overlap(one: str, other: str) -> None:
    assert path(one).overlaps(path(other))
    assert path(other).overlaps(path(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [("/a/*", "/b/*"), ("/*", "/*/b"), ("/[!a]", "/a"), ("/a", "/a/**")],
)
def test_globs_without_a_text_in_common_do_not(one: str, other: str) -> None:
    assert not path(one).overlaps(path(other))


def test_the_empty_text_is_one_in_common() -> None:
    assert key("{,a}").overlaps(key("{,b}"))
    assert not key("{,a}").overlaps(key("b"))


def test_overlapping_gives_up_with_a_yes_rather_than_run_for_ever() -> None:
    # One begins where the other cannot end, but there is much to try before that.
    one = key("**a" + "?" * 500 + LETTERS + "**[ab]")

    assert one.overlaps(key("**b" + "?" * 500 + LETTERS + "**c"))


def test_patterns_of_different_kinds_have_nothing_in_common() -> None:
    everything: list[AnyPattern] = [
        key("**"),
        HostPattern.parse("a:1"),
        PortPattern.parse("*"),
    ]

    assert not key("**").overlaps(name("a"))
    for one in everything:
        assert overlaps([one], one)
        assert contains([one], one)
        assert covers([one], one)
        others = [other for other in everything if other is not one]
        assert not overlaps(others, one)
        assert not contains(others, one)
        assert not covers(others, one)


def test_a_matcher_takes_patterns_of_any_kind() -> None:
    assert matcher([PortPattern.parse("80-90")])("85")
    assert matcher([HostPattern.parse("*.a.com:80")])("x.a.com:80")
    assert not matcher([HostPattern.parse("0.0.0.0/0:80")])("127.0.0.1:80")
    assert matcher([HostPattern.parse("0.0.0.0/0:80")], forbidding=True)("127.0.0.1:80")


def test_patterns_of_different_kinds_do_not_cover_each_other() -> None:
    assert not key("**").covers(name("a"))
    assert not covers([key("**")], PortPattern.parse(1))
    assert not covers([PortPattern.parse(1)], HostPattern.parse("a:1"))


def test_covering_gives_up_with_a_no_rather_than_run_for_ever() -> None:
    # True, but each [ab] doubles the sets of states that must be looked at.
    hard = key("{**a,**b}" + "?" * 20)
    start = time.perf_counter()

    assert not hard.covers(key("[ab]" * 40))

    assert time.perf_counter() - start < 20
    # True as well, but with more steps than are tried.
    wide = key("{**a,**b}" + "?" * 5)
    assert wide.covers(key(LETTERS + "[ab]" * 10))
    assert not wide.covers(key(LETTERS + "[ab]" * 150))
    assert time.perf_counter() - start < 20


def test_covering_long_patterns_is_still_decided() -> None:
    assert key("**").covers(key("/".join(["[a-z]*"] * 100)))
    assert path("/**/z").covers(path("/a" * 400 + "/z"))


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SEGMENTS = st.sampled_from(["a", "b", "*", "#"])
topics = st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join).map(topic)
PIECES = st.sampled_from(
    ["a", "b", "/", "*", "**", "?", "[ab]", "[!a]", "{a,b/}", "/**/", "{,a}"]
)
keys = st.lists(PIECES, min_size=1, max_size=5).map("".join).map(key)
patterns = st.shared(st.booleans()).flatmap(lambda one: topics if one else keys)

TOPICS = [
    ".".join(segments)
    for length in range(1, 6)
    for segments in itertools.product("abc", repeat=length)
]
TEXTS = [
    "".join(text)
    for length in range(6)
    for text in itertools.product("ab/", repeat=length)
]


def matched(pattern: Pattern) -> set[str]:
    texts = TOPICS if pattern.kind is Kind.TOPIC else TEXTS
    return {text for text in texts if pattern.matches(text)}


@given(patterns)
def test_covering_is_reflexive(pattern: Pattern) -> None:
    assert pattern.covers(pattern)
    # Not by the equal text alone.
    again = Pattern.parse(pattern.text.replace("[ab]", "{a,b}"), pattern.kind)
    assert pattern.covers(again)
    assert again.covers(pattern)


@given(patterns, patterns, patterns)
def test_covering_is_transitive(one: Pattern, two: Pattern, three: Pattern) -> None:
    if one.covers(two) and two.covers(three):
        assert one.covers(three)


@given(patterns, patterns)
def test_covering_agrees_with_matching(one: Pattern, other: Pattern) -> None:
    if one.covers(other):
        assert matched(other) <= matched(one)


@given(topics, topics)
def test_what_a_topic_pattern_does_not_cover_has_an_example(
    one: Pattern, other: Pattern
) -> None:
    # Up to five segments out of a, b and c are enough for patterns of this size.
    if not one.covers(other):
        assert matched(other) - matched(one)


@given(patterns, patterns)
def test_overlapping_is_what_matching_says(one: Pattern, other: Pattern) -> None:
    assert one.overlaps(other) is other.overlaps(one)
    if matched(one) & matched(other):
        assert one.overlaps(other)


@given(topics, topics)
def test_topic_patterns_that_overlap_have_an_example(
    one: Pattern, other: Pattern
) -> None:
    # Of two patterns with up to four segments, those in common need eight at the most,
    # and five do where no more than four are not '#'.
    if one.overlaps(other):
        fixed = [part for part in f"{one}.{other}".split(".") if part != "#"]
        assert matched(one) & matched(other) or len(fixed) > 5


@given(keys)
def test_many_ways_of_matching_give_one_answer(pattern: Pattern) -> None:
    machine = pattern._machine

    assert matched(pattern) == {text for text in TEXTS if machine.runs(text)}
