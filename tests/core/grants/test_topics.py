from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.grants.automaton import Machine
from airssys.core.grants.spelling import topic_tokens
from airssys.core.grants.topics import TopicIndex, Topics
from airssys.core.steps import to_the_end

SEGMENTS = st.sampled_from(["a", "a", "b", "*", "#"])
patterns = st.lists(SEGMENTS, min_size=1, max_size=9).map(".".join)


def topics(text: str) -> Topics:
    return Topics(topic_tokens(text))


def machine(text: str) -> Machine:
    # A topic has a segment.
    return Machine.build([topic_tokens("*.#" if set(text) <= set("#.") else text)])


@given(patterns, patterns)
def test_covering_is_what_trying_all_states_says(one: str, other: str) -> None:
    tried = to_the_end(machine(one).including(machine(other)))

    assert topics(one).covers(topics(other)) is tried


@given(patterns, patterns)
def test_overlapping_is_what_trying_all_states_says(one: str, other: str) -> None:
    tried = to_the_end(machine(one).meeting(machine(other)))

    assert topics(one).overlaps(topics(other)) is tried


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        # The same words can lie in two ways; each is right for some lengths.
        ("#.a.a.*.#.a.#", "a.a.#.a.a", True),
        ("#.a.a.*.#.a.#", "a.#.a.a.a", False),
        ("#.a.*.b.#", "a.#.b", False),
        ("#.*.*", "a.#.b", True),
        ("#.*.*.*", "a.#.b", False),
        ("#.a.#", "*.a", True),
        ("#.a", "#.a.b", False),
    ],
)
def test_what_a_number_of_segments_stands_for_matters(
    wide: str, narrow: str, *, covered: bool
) -> None:
    assert topics(wide).covers(topics(narrow)) is covered


@given(st.lists(patterns, max_size=6), patterns)
def test_an_index_says_what_one_by_one_says(held: list[str], wanted: str) -> None:
    index = TopicIndex.of(map(topics, held))

    covered = any(topics(one).covers(topics(wanted)) for one in held)
    assert index.covers(topics(wanted)) is covered
    overlapped = any(topics(one).overlaps(topics(wanted)) for one in held)
    assert index.overlaps(topics(wanted)) is overlapped


class Counted(Topics):
    """Counts how often it is compared."""

    compared = 0

    def covers_behind(self, other: Topics, here: int) -> bool:
        type(self).compared += 1
        return super().covers_behind(other, here)


def test_only_what_begins_alike_is_compared() -> None:
    index = TopicIndex.of(
        Counted(topic_tokens(f"{word}.{number}.#.end"))
        for word in ("orders", "news")
        for number in range(500)
    )

    assert index.covers(topics("news.7.x.end"))
    assert not index.covers(topics("news.#.end"))
    assert Counted.compared == 1
