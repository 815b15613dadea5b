from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.errors import QuotaExceeded
from airssys.core.routes import MOST_SUBSCRIPTIONS, Routes

ACTORS = st.sampled_from("abcdef")
SEGMENTS = st.sampled_from(["a", "b", "c"])
TOPICS = st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4).map(
    ".".join
)


def test_each_subscriber_is_found_once_in_the_order_of_subscribing() -> None:
    routes = Routes()
    routes.subscribe("late", "x.y")
    routes.subscribe("b", "orders.#")
    routes.subscribe("a", "orders.*")
    routes.subscribe("b", "orders.created")

    assert routes.subscribers("orders.created") == ("b", "a")
    assert routes.subscribers("orders.created") == ("b", "a")
    assert routes.subscribers("orders") == ("b",)
    assert routes.patterns("b") == ("orders.#", "orders.created")
    assert routes.patterns("nobody") == ()


def test_a_topic_may_hold_what_no_pattern_may() -> None:
    routes = Routes()
    routes.subscribe("a", "orders.#")

    assert routes.subscribers("orders.with a blank") == ("a",)


def test_a_topic_is_only_held_against_what_begins_alike() -> None:
    routes = Routes()
    for number in range(5000):
        routes.subscribe(f"s{number}", f"orders.{number}.#.new")
    routes.subscribe("all", "#")

    pieces = list(routes.finding("orders.17.x.new"))

    assert len(pieces) == 2
    assert routes.known("orders.17.x.new") == ("s17", "all")


def test_who_subscribes_while_a_topic_is_looked_up_is_found_afterwards() -> None:
    routes = Routes()
    for name in "ab":
        routes.subscribe(name, "#.x")
    work = routes.finding("a.x")

    next(work)
    routes.subscribe("c", "a.x")
    list(work)

    assert routes.known("a.x") is None
    assert routes.subscribers("a.x") == ("a", "b", "c")


def test_nobody_subscribes_without_end() -> None:
    routes = Routes()
    for number in range(MOST_SUBSCRIPTIONS):
        routes.subscribe("a", f"x.{number}")

    routes.subscribe("a", "x.0")
    routes.subscribe("b", "x.0")
    with pytest.raises(QuotaExceeded, match="subscriptions"):
        routes.subscribe("a", "y")
    assert routes.subscribers("y") == ()


def test_who_unsubscribes_or_is_forgotten_gets_nothing_more() -> None:
    routes = Routes()
    routes.subscribe("a", "x")
    routes.subscribe("a", "y")
    routes.subscribe("b", "x")
    assert routes.subscribers("x") == ("a", "b")

    assert routes.unsubscribe("a", "x")
    assert not routes.unsubscribe("a", "x")
    assert not routes.unsubscribe("nobody", "x")
    assert routes.subscribers("x") == ("b",)
    assert routes.subscribers("y") == ("a",)
    assert routes.unsubscribe("a", "y")
    assert routes.has("b")
    routes.forget("b")
    routes.forget("b")

    assert routes.subscribers("x") == ()
    assert not routes.has("b")


def test_one_of_several_subscriptions_that_begin_alike_can_be_undone() -> None:
    routes = Routes()
    for pattern in ("#.x", "#.y"):
        routes.subscribe("a", pattern)
    routes.subscribe("b", "#.x")

    assert routes.unsubscribe("a", "#.x")

    assert routes.subscribers("z.x") == ("b",)
    assert routes.subscribers("z.y") == ("a",)


@pytest.mark.parametrize("pattern", ["", "a..b", "a.b#"])
def test_a_wrong_pattern_is_refused(pattern: str) -> None:
    routes = Routes()

    with pytest.raises(ValueError, match="pattern"):
        routes.subscribe("a", pattern)

    assert routes.patterns("a") == ()


def test_a_wrong_topic_has_no_subscribers_but_an_error() -> None:
    with pytest.raises(ValueError, match=r"'a\.\*'"):
        Routes().subscribers("a.*")


def test_answers_are_kept_for_a_bounded_number_of_topics() -> None:
    routes = Routes()
    routes.subscribe("a", "t.#")

    for number in range(3000):
        assert routes.subscribers(f"t.{number}") == ("a",)

    assert len(routes._found) <= 1024


@given(st.dictionaries(ACTORS, st.lists(PATTERNS, min_size=1), max_size=4), TOPICS)
def test_routes_agree_with_matching_segment_by_segment(
    wanted: dict[str, list[str]], topic: str
) -> None:
    routes = Routes()
    for subscriber, patterns in wanted.items():
        for pattern in patterns:
            routes.subscribe(subscriber, pattern)

    def fits(pattern: str) -> bool:
        parts, segments = pattern.split("."), topic.split(".")
        return len(parts) == len(segments) and all(
            part in {"*", segment}
            for part, segment in zip(parts, segments, strict=True)
        )

    expected = tuple(
        subscriber
        for subscriber, patterns in wanted.items()
        if any(map(fits, patterns))
    )
    assert routes.subscribers(topic) == expected


def test_the_patterns_of_a_subscriber_that_match_are_found() -> None:
    routes = Routes()
    for pattern in ("orders.#", "orders.new", "news"):
        routes.subscribe("a", pattern)

    assert [one.text for one in routes.matching("a", "orders.new")] == [
        "orders.#",
        "orders.new",
    ]
    assert routes.matching("b", "orders.new") == ()
