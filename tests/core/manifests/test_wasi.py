from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from airssys.core.errors import ManifestError
from airssys.core.manifests.manifest import Manifest, manifest_schema, parse_manifest
from airssys.core.manifests.tree import ComponentNode, Tree, parse_tree
from airssys.core.manifests.wasi import Wasi

SMALL = """\
[package]
name = "acme/program"
version = "1.0.0"
[component]
wasm = "program.wasm"
[resources]
memory = "1MiB"
fuel = 1
timeout = "1s"
"""


def manifest(*lines: str) -> Manifest:
    return parse_manifest("\n".join((SMALL, "[wasi]", *lines)))


def test_without_a_word_nothing_is_read_and_lines_go_to_the_log() -> None:
    assert parse_manifest(SMALL).wasi == Wasi()
    assert Wasi() == Wasi(
        args=(),
        env={},
        preopens=None,
        cwd=None,
        stdin="null",
        stdout="log",
        stderr="log",
    )


def test_all_that_a_program_finds_can_be_said() -> None:
    found = manifest(
        'args = ["-v", "a b"]',
        'env = { HOME = "/data", EMPTY = "" }',
        'preopens = { "/data" = "/srv/data", "." = "/srv" }',
        'cwd = "/data"',
        'stdin = "/srv/in.txt"',
        'stdout = "inherit"',
        'stderr = "null"',
    )

    assert found.wasi == Wasi(
        args=("-v", "a b"),
        env={"HOME": "/data", "EMPTY": ""},
        preopens={"/data": "/srv/data", ".": "/srv"},
        cwd="/data",
        stdin="/srv/in.txt",
        stdout="inherit",
        stderr="null",
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('args = "x"', "expected a list, got the string 'x' @ wasi.args, line 12"),
        ('args = ["a\\u0000"]', "no program can be given a NUL @ wasi.args[0]"),
        ('env = { "A=" = "b" }', "'A=' names no variable: no '=' and no NUL"),
        ('env = { "" = "b" }', "'' names no variable"),
        ("env = { A = 1 }", "expected a string, got the number 1 @ wasi.env.A"),
        ('preopens = { "/d" = "d" }', "'d' is no path from the root in normal form"),
        ('preopens = { "/d" = "" }', "'' is no path from the root in normal form"),
        ('preopens = { "" = "/d" }', "'' is no path: use printable characters"),
        ('cwd = "\\u0007"', "is no path: use printable characters @ wasi.cwd"),
        ('stdin = "log"', "unknown word 'log' (known: inherit, null); or a file"),
        ('stdout = "logg"', "unknown word 'logg' (did you mean 'log'?); or a file"),
        ('stderr = "a/b"', "'a/b' is no path from the root in normal form"),
        ('stderr = "/a/../b"', "'/a/../b' is no path from the root in normal form"),
        ("stdout = 1", "expected a string, got the number 1 @ wasi.stdout, line 12"),
        ("argv = []", "unknown key 'argv' (did you mean 'args'?) @ wasi.argv, line 12"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(line: str, problem: str) -> None:
    with pytest.raises(ManifestError) as refused:
        manifest(line)

    (found,) = refused.value.problems
    assert problem in found


def test_the_json_schema_knows_the_table() -> None:
    schema: Any = manifest_schema()
    table: dict[str, Any] = {
        "package": {"name": "a/b", "version": "1.0.0"},
        "component": {"wasm": "a.wasm"},
        "resources": {"memory": "1MiB", "fuel": 1, "timeout": "1s"},
    }

    def fits(**wasi: Any) -> bool:
        validator = jsonschema.Draft202012Validator(schema)
        return bool(validator.is_valid({**table, "wasi": wasi}))

    assert fits(args=["a"], env={"A": "b"}, preopens={"/d": "/d"}, stdin="inherit")
    assert fits(stdout="/srv/out", stderr="log", cwd=".")
    assert not fits(stdin="log")
    assert not fits(stdout="out")
    assert not fits(preopens={"/d": "d"})
    assert not fits(env={"A=": "b"})
    assert not fits(argv=[])


def narrowed(wasi: str, *lines: str) -> Manifest:
    tree: Tree = parse_tree(
        f'[[child]]\nid = "p"\ncomponent = "p"\nwasi = {{ {wasi} }}'
    )
    (node,) = tree.root.children
    assert isinstance(node, ComponentNode)
    return tree.narrow(node, manifest(*lines))


def test_a_tree_replaces_what_it_names_and_variables_one_by_one() -> None:
    lines = (
        'args = ["a"]',
        'env = { A = "1", B = "2" }',
        'preopens = { "/a" = "/a" }',
        'stdout = "inherit"',
    )

    assert narrowed("", *lines).wasi == manifest(*lines).wasi
    assert narrowed(
        'args = [], env = { B = "3" }, preopens = { "/b" = "/b" }, cwd = "/b", '
        'stdout = "inherit", stderr = "/srv/err"',
        *lines,
    ).wasi == Wasi(
        args=(),
        env={"A": "1", "B": "3"},
        preopens={"/b": "/b"},
        cwd="/b",
        stdout="inherit",
        stderr="/srv/err",
    )


def test_a_tree_cannot_give_away_the_streams_of_the_process() -> None:
    with pytest.raises(ManifestError) as refused:
        narrowed('stdin = "inherit", stderr = "inherit"', 'stderr = "/srv/err"')

    assert [each.partition(" @ ")[0] for each in refused.value.problems] == [
        "stdin of 'inherit' is more than the component's 'null'",
        "stderr of 'inherit' is more than the component's '/srv/err'",
    ]


def test_only_a_component_has_surroundings() -> None:
    with pytest.raises(ManifestError, match="'wasi' is only for a component"):
        parse_tree('[[child]]\nid = "p"\nactor = "m:f"\nwasi = { args = [] }')


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"args": "abc"}, "args"),
        ({"args": ("a", 1)}, "args"),
        ({"args": ("a\0b",)}, "args"),
        ({"env": {"A=B": "c"}}, "env"),
        ({"env": [("A", "b")]}, "env"),
        ({"preopens": {"/data": "data"}}, "preopens"),
        ({"stdin": "log"}, "stdin"),
        ({"stdout": "file.txt"}, "stdout"),
        ({"stderr": None}, "stderr"),
    ],
)
def test_what_no_table_may_say_python_may_not_say(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^Wasi of {said}") as raised:
        Wasi(**given)

    assert "Attribute(" not in str(raised.value)
