from __future__ import annotations

import pytest

from airssys.witmodel.functype import compared, nameless


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("func()", "func()"),
        ("func(key: string) -> u8", "func(string) -> u8"),
        ("func(\n  %type:u8,\n  b: string,\n)->u8", "func(u8, string) -> u8"),
        (
            "func(a: record{b:u32,c:u8,}) -> record { d: u64 }",
            "func(record { b: u32, c: u8 }) -> record { d: u64 }",
        ),
        ("func(f: list<option<u8>>)", "func(list<option<u8>>)"),
        (
            "func() -> result<_, variant { a(string), b }>",
            "func() -> result<_, variant { a(string), b }>",
        ),
        ("func(string, u8)", "func(string, u8)"),
        (
            "func(a: own<file>, own: list<own< b >>) -> borrow<file>",
            "func(file, list<b>) -> borrow<file>",
        ),
    ],
)
def test_a_type_loses_its_spacing_and_the_names_of_its_parameters(
    text: str, normal: str
) -> None:
    assert nameless(text) == normal
    assert nameless(normal) == normal


@pytest.mark.parametrize("text", ["", "u32", "func", "async func()"])
def test_what_is_no_functions_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no function's type: write func\(name"):
        nameless(text)


@pytest.mark.parametrize("text", ["func(", "func())", "func(a: list<u8)", "func(:::"])
def test_brackets_that_do_not_match_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="its brackets do not match"):
        nameless(text)


def test_types_agree_whatever_their_parameters_are_called() -> None:
    assert compared("func(a: u8) -> u8", "func(b: u8)->u8") is None


def test_types_that_differ_are_shown_whole_where_they_are_short() -> None:
    assert compared("func(a: u8)", "func(b: u16)") == ("func(a: u8)", "func(b: u16)")


def test_of_long_types_the_part_that_differs_is_shown() -> None:
    many = ", ".join(["string"] * 100)
    found, expected = compared(f"func({many}, u8)", f"func({many}, u16)") or ("", "")

    assert found.startswith("...")
    assert found.endswith("string, u8)")
    assert expected.endswith("string, u16)")


def test_of_long_types_that_differ_early_the_end_is_left_out() -> None:
    many = ", ".join(["string"] * 100)
    found, expected = compared(f"func(u8, {many})", "func(u16)") or ("", "")

    assert found.startswith("func(u8, string")
    assert found.endswith("...")
    assert expected == "func(u16)"
