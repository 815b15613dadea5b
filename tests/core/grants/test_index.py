from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airssys.core.grants.automaton import Machine
from airssys.core.grants.expression import FEW, expression, is_plain
from airssys.core.grants.index import Index
from airssys.core.grants.pattern import Pattern, index, matcher
from airssys.core.grants.spelling import (
    LONGEST_MATCHED,
    MOST_TOGETHER,
    Kind,
    glob_alternatives,
)
from airssys.core.steps import to_the_end

PIECES = st.sampled_from(
    ["a", "a", "b", "/", "*", "**", "?", "[ab]", "[!a]", "{a,b/}", "/**/", "{,a}"]
)
keys = st.lists(PIECES, min_size=1, max_size=6).map("".join)
TEXTS = [
    "".join(text)
    for length in range(6)
    for text in itertools.product("ab/", repeat=length)
]


def key(text: str) -> Pattern:
    return Pattern.parse(text, Kind.KEY)


def naive(pattern: str) -> Machine:
    """Return what a pattern is by definition: an automaton of all of it."""
    return Machine.build(glob_alternatives(pattern, Kind.KEY))


@settings(deadline=None)  # many texts each
@given(st.lists(keys, max_size=4))
@example(["**a*b"])
@example(["a/**/b", "a/*"])
def test_an_index_matches_what_one_of_its_patterns_does(held: list[str]) -> None:
    compiled = index(map(key, held))
    quick, slow = matcher(map(key, held)), Index.of(compiled.parts)._matches
    machines = [naive(pattern) for pattern in held]

    for text in TEXTS:
        expected = any(machine.runs(text) for machine in machines)
        assert bool(quick(text)) is expected
        assert (text in compiled.texts or slow(text)) is expected


@settings(deadline=None)  # many texts each
@given(st.lists(keys, max_size=4), st.sampled_from(TEXTS))
def test_an_index_reaches_what_begins_a_text_that_matches(
    held: list[str], start: str
) -> None:
    reached = index(map(key, held)).reaches(start)

    below = naive(f"{start}**")
    expected = [to_the_end(naive(pattern).meeting(below)) for pattern in held]
    assert reached is any(expected)


@settings(deadline=None)  # many texts each
@given(keys)
def test_what_is_plain_is_matched_by_an_expression(pattern: str) -> None:
    for line in glob_alternatives(pattern, Kind.KEY):
        if is_plain(line):
            matches, machine = expression([("", line)]), Machine.build([line])
            for text in TEXTS:
                assert bool(matches(text)) is machine.runs(text)


def test_what_comes_first_is_not_always_right() -> None:
    assert key("**a*b").matches("a/ab")
    assert not any(map(is_plain, glob_alternatives("**a*b", Kind.KEY)))
    assert all(map(is_plain, glob_alternatives("*a*b**c**d", Kind.KEY)))


# --- how much is done -------------------------------------------------------------


def calls(work: object, *args: object) -> int:
    """Count the calls of Python's and C's functions."""
    assert callable(work)
    count = 0

    def note(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work(*args)
    finally:
        sys.setprofile(before)
    return count


def test_a_pattern_that_begins_otherwise_costs_nothing() -> None:
    few = matcher(key(f"{number}/*x*/**y*") for number in range(10))
    many = matcher(key(f"{number}/*x*/**y*") for number in range(1000))
    text = "7/axa/" + "b" * 500
    assert (few(text), many(text)) == (False, False)

    assert calls(many, text) <= calls(few, text) + 10


@pytest.mark.parametrize("held", [1, 20])
def test_each_character_is_looked_at_once_whatever_the_patterns(held: int) -> None:
    matches = matcher(key(f"**a*b{number}**a*b*") for number in range(held))
    short, long_ = "ab" * 100, "ab" * 1000
    assert (matches(short), matches(long_)) == (False, False)

    assert calls(matches, long_) <= 10 * calls(matches, short) + 10


def test_patterns_with_the_same_rest_share_the_automaton() -> None:
    names = [Pattern.parse(f"acme/worker-{n}", Kind.NAME) for n in range(5000)]
    compiled = index(names)

    assert compiled.size == 1
    matches = matcher(names)
    assert matches("acme/worker-17#4")
    assert not matches("acme/worker-17#4/x")
    assert not matches("acme/worker-17x")


def test_the_size_counts_what_sets_hold() -> None:
    assert index([key("a[b-d]*")]).size == 2 + 3
    assert index([key("a*"), key("b*")]).size == 1
    assert index([key("a**")]).size == 0
    assert index([key("a")]).size == 0


def test_what_is_too_long_is_not_granted_and_is_forbidden() -> None:
    long_ = "a" * LONGEST_MATCHED
    for pattern in ("**", "a**"):
        granted = matcher([key(pattern)])
        banned = matcher([key(pattern)], forbidding=True)
        assert granted(long_)
        assert not granted(long_ + "a")
        assert banned(long_)
        assert banned(long_ + "a")
    assert matcher([key("b*")], forbidding=True)(long_ + "a")
    assert not matcher([key("b*")], forbidding=True)(long_)
    assert not matcher([key("b")], forbidding=True)(long_ + "a")


def test_an_expression_is_for_a_few_tokens_only() -> None:
    little, much = key("*" + "a" * (FEW - 1)), key("*" + "a" * FEW)
    assert index([little])._is_little()
    assert not index([much])._is_little()
    assert MOST_TOGETHER > FEW
    for pattern in (little, much):
        assert pattern.matches("b" + "a" * (len(pattern.text) - 1))
        assert not pattern.matches("a" * (len(pattern.text) - 2))
