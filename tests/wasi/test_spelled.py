from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.storage.keys import check_key
from airssys.wasi.spelled import spelled, spelled_name, unspelled

TEXTS = st.one_of(
    st.text(st.sampled_from("a/.%2F\n\u202e"), min_size=1, max_size=12),
    st.text(min_size=1, max_size=40),
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a", "a"),
        ("users/ü ß", "users/ü ß"),
        ("/counter", "%2Fcounter"),
        ("a//b", "a%2F/b"),
        ("a/", "a%2F"),
        ("..", "%2E%2E"),
        ("a/./..", "a/%2E/%2E%2E"),
        ("50%", "50%25"),
        ("a\nb", "a%0Ab"),
    ],
)
def test_what_is_no_key_is_written_in_per_cent(text: str, key: str) -> None:
    assert spelled(text) == key
    assert unspelled(key) == text


@given(TEXTS)
def test_each_text_has_a_key_that_leads_back(text: str) -> None:
    key = spelled(text)

    check_key(f"bucket/{key}")
    assert unspelled(key) == text


@given(TEXTS)
def test_each_name_is_one_segment(text: str) -> None:
    name = spelled_name(text)

    assert "/" not in name
    assert unquote(name) == text


@pytest.mark.parametrize("key", ["%41", "%FF", "a%2fb", "a%", ".", "a//b"])
def test_a_key_that_no_text_has_stands_for_none(key: str) -> None:
    assert unspelled(key) is None
