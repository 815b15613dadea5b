from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Command

pytestmark = pytest.mark.guest

MANIFEST = """
[package]
name = "acme/{name}"
version = "1.0.0"
[component]
wasm = "{wasm}"
[resources]
memory = "1MiB"
fuel = 1000
timeout = "1s"
"""


def write(folder: Path, wasm: str, code: str = "", more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Component.toml").write_text(
        MANIFEST.format(name=folder.name, wasm=wasm) + more
    )
    if code:
        (folder / wasm).write_text(code)
    return folder


def test_files_without_problems_are_named(airssys: Command, quickstart: Path) -> None:
    host = quickstart.parents[1] / "pyproject.toml"
    paths = [quickstart / "tree.toml", quickstart / "tally"]

    ran = airssys("check", *paths)

    assert host.exists()
    assert ran.status == 0
    assert ran.out == "".join(f"{path}: no problems\n" for path in paths)


def test_five_mistakes_are_five_lines_with_places(
    airssys: Command, tmp_path: Path
) -> None:
    file = tmp_path / "Component.toml"
    file.write_text(
        """[package]
name = "Bad Name"
version = "1"
[component]
wasm = "x.exe"
[resources]
memory = "1MiB"
fuel = 0
timeout = "1s"
[capabilites]
"""
    )

    ran = airssys("check", file)

    assert ran.status == 1
    lines = ran.out.splitlines()
    assert len(lines) == 5
    assert all(line.startswith(f"{file}: ") for line in lines)
    assert [line.rpartition(" @ ")[2] for line in lines] == [
        "package.name, line 2",
        "package.version, line 3",
        "component.wasm, line 5",
        "resources.fuel, line 8",
        "capabilites, line 10",
    ]


def test_what_a_component_really_is_is_checked(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    needy = """(component
      (import "acme:kv/store@1.0.0" (instance (export "get" (func)))))"""
    stranger = write(tmp_path / "stranger", "a.wat", calculator.read_text())
    greedy = write(tmp_path / "greedy", "a.wat", needy)
    granted = write(
        tmp_path / "granted",
        "a.wat",
        needy,
        '[capabilities]\ncustom = [{ name = "acme:kv/store" }]\n',
    )
    empty = write(tmp_path / "empty", "gone.wasm")
    broken = write(tmp_path / "broken", "a.wat", "(component (")

    for folder, words in (
        (stranger, "does not export 'airssys:core/component-lifecycle@1.0.0'"),
        (greedy, "imports 'acme:kv/store@1.0.0', which is neither of airssys"),
        (empty, "'gone.wasm' cannot be read: No such file or directory"),
        (broken, "is no usable component"),
    ):
        ran = airssys("check", folder)
        assert ran.status == 1
        assert words in ran.out
    assert "acme:kv" not in airssys("check", granted).out


def test_a_pinned_digest_is_checked(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    folder = write(tmp_path / "pinned", "a.wat", calculator.read_text())
    text = (folder / "Component.toml").read_text()
    pin = f'wasm = "a.wat"\nsha256 = "{"0" * 64}"'
    (folder / "Component.toml").write_text(text.replace('wasm = "a.wat"', pin))

    ran = airssys("check", folder)

    assert ran.status == 1
    assert "is not trusted: expected sha256:000" in ran.out


def test_a_tree_is_checked_with_its_components_and_actors(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    write(tmp_path / "stranger", "a.wat", calculator.read_text())
    tree = tmp_path / "tree.toml"
    tree.write_text(
        """[[child]]
id = "top"
supervisor = {}
[[child.child]]
id = "stranger"
component = "stranger"
resources = { fuel = 2000 }
[[child.child]]
id = "gone"
component = "gone"
[[child.child]]
id = "stranger-again"
component = "stranger"
[[child]]
id = "nobody"
actor = "no_such_module:run"
"""
    )

    ran = airssys("check", tree)

    assert ran.status == 1
    raised, gone, stranger, nobody = ran.out.splitlines()
    assert "fuel of 2000 is more than the component's 1000 @ child[0]" in raised
    assert "it cannot be read: No such file or directory" in gone
    assert "does not export" in stranger
    assert "No module named 'no_such_module'" in nobody


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "host.toml",
            b'memry = "1MiB"',
            "unknown key 'memry' (did you mean 'memory'?)",
        ),
        ("tree.toml", b"[[child", "expected ']]' at the end of an array declaration"),
        ("tree.toml", b"\xff", "it is not UTF-8 text"),
        ("code.wasm", b"\0asm\1\0\0\0", "it is a core module"),
        ("gone.toml", None, "gone.toml: no such file or folder"),
        ("other.toml", b'[package]\nname = "a"', "missing key 'version'"),
    ],
)
def test_every_kind_of_file_is_checked(
    airssys: Command, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    ran = airssys("check", tmp_path / name)

    assert ran.status == 1
    assert words in ran.out
    assert ran.err == ""


def test_good_host_files_and_code_have_no_problems(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    host = tmp_path / "host.toml"
    host.write_text('profile = "strict"\n')

    assert airssys("check", host, calculator).status == 0


def test_nothing_to_check_is_wrong_usage(airssys: Command) -> None:
    ran = airssys("check")

    assert (ran.status, ran.err) == (2, "airssys: give at least one file to check\n")
