from __future__ import annotations

import pytest
from hypothesis import strategies as st

from airssys.storage.keys import (
    LONGEST_KEY,
    PER_KEY,
    check_key,
    check_prefix,
    cost,
    target,
)

PRINTABLE = st.text(
    st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=20
)


@pytest.mark.parametrize("key", ["a", "a/b.c/..d", "*", "é", "a b", "x" * LONGEST_KEY])
def test_printable_text_in_segments_is_a_key(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "empty"),
        ("/a", "empty"),
        ("a/", "empty"),
        ("a//b", "empty"),
        ("a/./b", "'.'"),
        ("../a", "'..'"),
        ("a\0", "printed"),
        ("a\nb", "printed"),
        ("a\u202eb", "printed"),
        ("é" * 513, "longer than 1_024 bytes"),
    ],
)
def test_other_text_is_no_key(key: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_key(key)


def test_a_long_key_is_not_shown_whole() -> None:
    with pytest.raises(ValueError, match="longer") as refused:
        check_key("a" * 1_000_000)

    assert len(str(refused.value)) < 200
    assert len(target("a" * 1_000_000)) < 1100


@pytest.mark.parametrize("prefix", ["", "a", "a/", "..", "a//"])
def test_a_prefix_may_end_anywhere(prefix: str) -> None:
    check_prefix(prefix)


def test_keys_cost_something() -> None:
    assert cost("é", 3) == PER_KEY + 2 + 3
