from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.toml.lines import KeyPath, find_lines

HARD = '''\
# a = 1
top = 1 # [not.a.table]
"quoted key" = 2
'lit.eral' = 3
a.b."c.d" = 4
  spaced . out = 5
long = """
not_a_key = 1
\\""" [no] """
raw = \'\'\'
x = 1\'\'\'\'
text = "a # b = ] } \\" \\\\"
empty = ""
[table] # comment
list = [ # one
  1,
  [2, "]"], # two
  { x = 1, y.z = [3] },
  1979-05-27 07:32:00,
]
inline = { "k\\u0061y" = 'v', n = {} }
[ table . sub ]
key = true
[[child]]
id = 1
[child.rules]
x = 1
[[child.child]]
id = 2
[[child]]
id = 3
[[child.child]]
id = 4
[[child.child]]
[child.child.deep]
z = 5
'''

LINES: dict[KeyPath, int] = {
    ("top",): 2,
    ("quoted key",): 3,
    ("lit.eral",): 4,
    ("a",): 5,
    ("a", "b"): 5,
    ("a", "b", "c.d"): 5,
    ("spaced",): 6,
    ("spaced", "out"): 6,
    ("long",): 7,
    ("raw",): 10,
    ("text",): 12,
    ("empty",): 13,
    ("table",): 14,
    ("table", "list"): 15,
    ("table", "list", 0): 16,
    ("table", "list", 1): 17,
    ("table", "list", 1, 0): 17,
    ("table", "list", 1, 1): 17,
    ("table", "list", 2): 18,
    ("table", "list", 2, "x"): 18,
    ("table", "list", 2, "y"): 18,
    ("table", "list", 2, "y", "z"): 18,
    ("table", "list", 2, "y", "z", 0): 18,
    ("table", "list", 3): 19,
    ("table", "inline"): 21,
    ("table", "inline", "kay"): 21,
    ("table", "inline", "n"): 21,
    ("table", "sub"): 22,
    ("table", "sub", "key"): 23,
    ("child",): 24,
    ("child", 0): 24,
    ("child", 0, "id"): 25,
    ("child", 0, "rules"): 26,
    ("child", 0, "rules", "x"): 27,
    ("child", 0, "child"): 28,
    ("child", 0, "child", 0): 28,
    ("child", 0, "child", 0, "id"): 29,
    ("child", 1): 30,
    ("child", 1, "id"): 31,
    ("child", 1, "child"): 32,
    ("child", 1, "child", 0): 32,
    ("child", 1, "child", 0, "id"): 33,
    ("child", 1, "child", 1): 34,
    ("child", 1, "child", 1, "deep"): 35,
    ("child", 1, "child", 1, "deep", "z"): 36,
}


def paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """Every place in a parsed document."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return {path} - {()} | {
        place for key, one in inner for place in paths(one, (*path, key))
    }


def test_each_key_and_element_has_its_line() -> None:
    assert find_lines(HARD) == LINES
    assert paths(tomllib.loads(HARD)) == set(LINES)


def test_lines_may_end_as_on_windows() -> None:
    assert find_lines(HARD.replace("\n", "\r\n")) == LINES


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", {}),
        ("a = 1\nb", {("a",): 1, ("b",): 2}),
        ("a = 1\n= 2", {("a",): 1}),
        ("a = 1\nb =", {("a",): 1, ("b",): 2}),
        ("a = [1, 2", {("a",): 1, ("a", 0): 1, ("a", 1): 1}),
        ("a = { b = 1", {("a",): 1, ("a", "b"): 1}),
        ("a = { b = 1 c = 2 }", {("a",): 1, ("a", "b"): 1}),
        ("[a\nb = 1", {}),
        ('"\\U00110000\\e" = 1', {("\U0010ffffe",): 1}),
        (f"a{'.a' * 200} = 1", {}),
    ],
)
def test_what_is_understood_until_a_mistake_is_kept(
    text: str, lines: dict[KeyPath, int]
) -> None:
    assert find_lines(text) == lines


def test_deep_nesting_ends_the_scan() -> None:
    assert ("a",) in find_lines(f"a = {'[' * 100_000}")


@given(st.integers(0, len(HARD)), st.text("[]{}=.\"'\n#\\ a,", max_size=8))
def test_any_text_is_scanned_to_an_end(cut: int, junk: str) -> None:
    lines = find_lines(HARD[:cut] + junk + HARD[cut:])

    assert all(1 <= line <= 60 for line in lines.values())


def quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def inline(table: dict[str, str]) -> str:
    pairs = ", ".join(f"{quoted(key)} = {value}" for key, value in table.items())
    return f"{{ {pairs} }}"


keys = st.text("ab.\"'\\ é\n", min_size=0, max_size=3)
scalars = st.sampled_from(
    ["1", "true", "'#'", '"]"', "-1.5e3", "07:32:00", "'''\n'''", '"""a""b"""']
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[\n{', '.join(items)} ]")
        | st.dictionaries(keys, inner, max_size=3).map(inline)
    ),
    max_leaves=6,
)


@given(st.dictionaries(keys, values, max_size=4), st.dictionaries(keys, values))
def test_every_place_of_valid_toml_is_found(
    top: dict[str, str], table: dict[str, str]
) -> None:
    lines = [f"{quoted(key)} = {value}" for key, value in top.items()]
    lines += ["[[table.list]]", *(f"{quoted(k)} = {v}" for k, v in table.items())]
    text = "\n".join(lines)
    parsed = tomllib.loads(text)

    found = find_lines(text)

    assert set(found) == paths(parsed)
    for key in top:
        assert text.split("\n")[found[key,] - 1].startswith(quoted(key))
