from __future__ import annotations

import shutil
import subprocess
import sysconfig

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airssys.bindgen.layout import annotated, assigned, docstring, listed
from airssys.bindgen.module import write_module
from airssys.witmodel.types import (
    Extern,
    FuncType,
    InstanceType,
    List,
    Map,
    Option,
    RecordType,
    Result,
    Scalar,
    Tuple,
    TypeDef,
    VariantType,
    WitType,
)

words = st.text("abcdefgh", min_size=1, max_size=8)
names = st.lists(words, min_size=1, max_size=2).map("-".join)
scalars: st.SearchStrategy[WitType] = st.sampled_from(
    [Scalar(name) for name in ("u8", "f64", "string", "bool")]
)


def extended(inner: st.SearchStrategy[WitType]) -> st.SearchStrategy[WitType]:
    pairs = st.lists(st.tuples(names, inner), min_size=1, max_size=3, unique_by=_name)
    several = st.lists(inner, min_size=1, max_size=9).map(tuple)
    maybe = st.none() | inner
    cases = st.lists(st.tuples(names, maybe), min_size=1, max_size=4, unique_by=_name)
    return st.one_of(
        st.builds(List, inner),
        st.builds(Option, inner),
        st.builds(Map, scalars, inner),
        st.builds(Tuple, several),
        st.builds(Result, maybe, maybe),
        pairs.map(tuple).map(RecordType),
        cases.map(tuple).map(VariantType),
    )


def _name(pair: tuple[str, object]) -> str:
    return pair[0]


types = st.recursive(scalars, extended, max_leaves=6)
functions = st.builds(
    FuncType,
    st.lists(st.tuples(names, types), max_size=5, unique_by=_name).map(tuple),
    st.none() | types,
)


@st.composite
def externs(draw: st.DrawFn) -> dict[str, Extern]:
    found: dict[str, Extern] = {}
    for _ in range(draw(st.integers(1, 3))):
        found[draw(names)] = draw(functions)
        found[draw(names)] = TypeDef(draw(types))
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@given(externs(), externs())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_ruff_finds_nothing_to_format_in_any_bindings(
    inside: dict[str, Extern], outside: dict[str, Extern]
) -> None:
    scripts = sysconfig.get_path("scripts")
    ruff = shutil.which("ruff", path=scripts) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("needs ruff")

    text = write_module(
        "made",
        {"test:inside/api@0.1.0": InstanceType(inside)},
        {"test:outside/api": InstanceType(outside), **outside},
        made="Made up.",
    )

    compile(text, "made.py", "exec")
    done = subprocess.run(
        [ruff, "format", "--isolated", "--diff", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_parts_stand_on_one_line_or_on_one_of_their_own_or_on_many() -> None:
    assert listed("function(", ["a", "b"], ")") == ["function(a, b)"]
    parts = ["a" * 40, "b" * 40]
    assert listed("function(", parts, ")") == [
        "function(",
        f"    {parts[0]}, {parts[1]}",
        ")",
    ]
    assert listed("function(", [*parts, "c"], ")") == [
        "function(",
        *(f"    {part}," for part in (*parts, "c")),
        ")",
    ]
    assert listed("function(", [], ")" * 100) == ["function(" + ")" * 100]


def test_a_long_annotation_is_parted_where_ruff_parts_it() -> None:
    first, second = f"Ok[{'A' * 26}]", f"Err[{'B' * 31}]"
    assert assigned(f"{first} | {second} | None", "await call", ["a"]) == [
        "_result: (",
        f"    {first} | {second} | None",
        ") = await call(a)",
    ]
    longer = f"Err[{'B' * 40}]"
    assert annotated("a: ", f"{first} | {longer} | None", ",", steps=2, bare=True) == [
        f"a: {first}",
        f"| {longer}",
        "| None,",
    ]
    assert annotated("X = ", f"{longer} | {longer} | None") == [
        "X = (",
        *(f"    {longer}", f"    | {longer}", "    | None"),
        ")",
    ]
    assert annotated("X: TypeAlias = ", "A" * 80) == [
        "X: TypeAlias = (",
        "    " + "A" * 80,
        ")",
    ]
    assert annotated("x: ", "A" * 90) == ["x: " + "A" * 90]
    tail = f") -> {first} | {second} | None:"
    assert listed("def f(", ["self", "b"], tail, steps=2) == [
        "def f(",
        "    self, b",
        ") -> (",
        f"    {first} | {second} | None",
        "):",
    ]


def test_a_docstring_is_wrapped_and_keeps_the_indent_of_its_lines() -> None:
    assert docstring("One line.") == ['"""One line."""']
    assert docstring("First.", "Raises:\n    Error: " + "word " * 20) == [
        '"""First.',
        "",
        "Raises:",
        "    Error: " + "word " * 13 + "word",
        "    word word word word word word",
        '"""',
    ]
