from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.bindgen.names import (
    Interface,
    allocate,
    camel,
    constant,
    members,
    parameters,
)


def test_names_are_spelled_as_in_python() -> None:
    assert camel("http-server") == "HttpServer"
    assert camel("HTTP-server") == "HTTPServer"
    assert constant("dark-red") == "DARK_RED"
    assert parameters(["from", "self", "a-b"], but=("self",)) == [
        *("from_", "self_", "a_b"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ops", [("ops",)]),
        ("a:kv/store", [("store",), ("kv", "store"), ("a", "kv", "store")]),
        (
            "a:kv/store@1.0.0",
            [
                ("store",),
                ("kv", "store"),
                ("a", "kv", "store"),
                ("a", "kv", "store", "1.0.0"),
            ],
        ),
    ],
)
def test_an_interface_has_shorter_and_longer_names(
    text: str, words: list[tuple[str, ...]]
) -> None:
    assert Interface.parse(text).words() == words


def test_members_are_named_apart() -> None:
    functions = ["[constructor]a", "[static]a.b", "a-b", "close", "import"]

    assert list(members(functions, {"close"}).values()) == [
        *("a", "a_b", "a_b_", "close_", "import_"),
    ]


def test_who_clashes_takes_the_next_name_and_then_a_number() -> None:
    wanted = {
        1: ["A", "BA"],
        2: ["A", "CA"],
        3: ["None", "DNone"],
        4: ["E"],
        5: ["E"],
        6: ["F"],
    }

    assert allocate(wanted, {"F", "F2"}) == {
        1: "BA",
        2: "CA",
        3: "DNone",
        4: "E",
        5: "E2",
        6: "F3",
    }


names = st.lists(st.sampled_from("ABC"), min_size=1, max_size=3)


@given(st.dictionaries(st.integers(), names), st.sets(st.sampled_from("ABC")))
def test_no_two_get_the_same_name(
    wanted: dict[int, list[str]], reserved: set[str]
) -> None:
    found = allocate(wanted, reserved)

    assert found.keys() == wanted.keys()
    assert len(set(found.values())) == len(found)
    assert not reserved & set(found.values())
