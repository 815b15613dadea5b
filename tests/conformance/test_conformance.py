from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from airssys import Engine

from .__main__ import main
from .runner import run_script
from .script import NoWasmTools, UnreadableScript, read_script, wasm_tools
from .verdict import Outcome, Report, printed, total

SCRIPTS: Final = sorted((Path(__file__).parent / "scripts").glob("*.wast"))

ONE: Final = """
(component
  (core module $code
    (func (export "one") (result i32) (i32.const 1))
    (func (export "trap") unreachable)
    (func (export "echo") (param i32) (result i32) (local.get 0)))
  (core instance $c (instantiate $code))
  (func (export "one") (result u32) (canon lift (core func $c "one")))
  (func (export "nothing") (canon lift (core func $c "trap")))
  (func (export "echo") (param "x" u32) (result u32)
    (canon lift (core func $c "echo")))
  (func (export "bool") (result bool) (canon lift (core func $c "one"))))
"""


def _without_wasm_tools() -> str:
    try:
        wasm_tools()
    except NoWasmTools as missing:
        return str(missing)
    return ""


pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(bool(_without_wasm_tools()), reason=_without_wasm_tools()),
]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(cache=False, exceptions=True)


async def run_text(text: str, folder: Path, engine: Engine) -> Report:
    path = folder / "script.wast"
    path.write_text(text, encoding="utf-8")
    return await run_script(read_script(path), engine)


def reasons(report: Report, outcome: Outcome) -> list[str]:
    return [each.reason for each in report.verdicts if each.outcome is outcome]


@pytest.fixture(scope="module", params=[True, False], ids=["lane", "no-lane"])
def either_engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(cache=False, bytes_lane=request.param, exceptions=True)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_a_script_of_our_own_passes_as_a_whole(
    path: Path, either_engine: Engine
) -> None:
    report = await run_script(read_script(path), either_engine)

    not_passed = [line for line in printed(report) if "line" in line]
    assert not_passed == []
    assert report.count(Outcome.PASSED) > 5


# --- the runner can fail ------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (
            '(assert_return (invoke "one") (u32.const 2))',
            "the result: expected 2, got 1",
        ),
        (
            '(assert_return (invoke "one") (s32.const 1))',
            "the script gives a s32 where the function takes u32",
        ),
        ('(assert_return (invoke "one"))', "the script expects 0 results, of u32"),
        (
            '(assert_return (invoke "bool") (bool.const false))',
            "the result: expected False, got True",
        ),
        (
            '(assert_return (invoke "echo" (u64.const 1)) (u32.const 1))',
            "the script gives a u64 where the function takes u32",
        ),
        ('(assert_return (invoke "echo") (u32.const 1))', "'echo' takes 1 arguments"),
        (
            '(assert_return (invoke "none"))',
            "no function 'none' (there are: one, nothing, echo, bool)",
        ),
        ('(assert_return (invoke $who "one") (u32.const 1))', "no instance 'who'"),
        ('(assert_return (get "one") (u32.const 1))', "exports no globals"),
        ('(assert_return (invoke "nothing"))', "GuestTrapped: "),
        ('(invoke "nothing")', "GuestTrapped: "),
        (
            '(assert_trap (invoke "one") "unreachable")',
            "expected the trap 'unreachable', got 1",
        ),
        (
            '(assert_trap (invoke "nothing") "integer overflow")',
            "expected the trap 'integer overflow', got: component 'component' trapped",
        ),
        (
            '(assert_exhaustion (invoke "one") "call stack exhausted")',
            "expected the trap 'call stack exhausted', got 1",
        ),
        (
            '(assert_trap (component) "unreachable")',
            "expected the trap 'unreachable', got <Instance",
        ),
        ('(assert_invalid (component) "wrong")', "but the component is valid"),
        (
            '(assert_malformed (component quote "(type u8)") "wrong")',
            "but the component is valid",
        ),
        (
            '(assert_unlinkable (component) "missing")',
            "but the component can be linked",
        ),
        ('(component (import "nobody" (func)))', "UnknownImport: "),
        (
            '(component quote "(component (import \\"a\\" (func (type 7))))")',
            "InvalidComponent: ",
        ),
        ("(component instance $i $nobody)", "there is no component 'nobody'"),
        (
            '(assert_suspension (invoke "one") "x")',
            "the runner does not know the directive 'assert_suspension'",
        ),
    ],
)
async def test_what_does_not_hold_fails(
    wrong: str, reason: str, tmp_path: Path, engine: Engine
) -> None:
    report = await run_text(ONE + wrong, tmp_path, engine)

    assert report.failed
    (failed,) = reasons(report, Outcome.FAILED)
    assert reason in failed
    assert report.verdicts[-1].line == ONE.count("\n") + 1


@pytest.mark.parametrize(
    ("type_", "right", "wrong"),
    [
        ("(list u16)", "(list.const (u16.const 1))", "(list.const)"),
        ("(list u16)", "(list.const (u16.const 1))", "(list.const (u16.const 2))"),
        ("(list u8)", "(list.const (u8.const 1))", "(list.const (u8.const 2))"),
        (
            "(tuple u32 u32)",
            "(tuple.const (u32.const 24) (u32.const 1))",
            "(tuple.const (u32.const 24) (u32.const 2))",
        ),
        (
            "(tuple u32 (option u8))",
            "(tuple.const (u32.const 24) (option.some (u8.const 0)))",
            "(tuple.const (u32.const 24) (option.none))",
        ),
        ("string", '(str.const "\\01")', '(str.const "x")'),
    ],
)
async def test_values_are_compared_to_the_bottom(
    type_: str, right: str, wrong: str, tmp_path: Path, engine: Engine
) -> None:
    component = f"""(component
      (core module $code
        (memory (export "memory") 1)
        (data (i32.const 16) "\\18\\00\\00\\00\\01\\00\\00\\00\\01\\00")
        (func (export "get") (result i32) (i32.const 16)))
      (core instance $c (instantiate $code))
      (alias core export $c "memory" (core memory $memory))
      (func (export "get") (result {type_})
        (canon lift (core func $c "get") (memory $memory))))
    (assert_return (invoke "get") {right})
    (assert_return (invoke "get") {wrong})"""

    report = await run_text(component, tmp_path, engine)

    outcomes = [each.outcome for each in report.verdicts]
    assert outcomes == [Outcome.PASSED, Outcome.PASSED, Outcome.FAILED]


async def test_a_negative_zero_is_not_zero_and_a_nan_is_a_nan(
    tmp_path: Path, engine: Engine
) -> None:
    component = """(component
      (core module $code (func (export "f") (param f64) (result f64) (local.get 0)))
      (core instance $c (instantiate $code))
      (func (export "f") (param "x" f64) (result f64) (canon lift (core func $c "f"))))
    (assert_return (invoke "f" (f64.const -0)) (f64.const 0))
    (assert_return (invoke "f" (f64.const nan)) (f64.const 0))
    (assert_return (invoke "f" (f64.const 0)) (f64.const nan:canonical))"""

    report = await run_text(component, tmp_path, engine)

    assert report.count(Outcome.FAILED) == 3


async def test_what_needs_a_component_that_failed_fails_too(
    tmp_path: Path, engine: Engine
) -> None:
    text = """(component $gone (import "nobody" (func)))
    (assert_return (invoke $gone "one") (u32.const 1))
    (component instance $i $gone)"""

    report = await run_text(text, tmp_path, engine)

    assert report.count(Outcome.FAILED) == 3
    assert "needs the instance of line 1, which failed" in report.verdicts[1].reason


# --- what is skipped says why -------------------------------------------------------


async def test_core_modules_are_skipped_and_what_is_done_with_them(
    tmp_path: Path, engine: Engine
) -> None:
    text = """(module (func (export "f")))
    (invoke "f")
    (module definition $d)
    (module instance $i $d)
    (assert_invalid (module (func (result i32))) "type mismatch")
    (assert_malformed (module quote "(func") "expected")
    (register "m" $i)"""

    report = await run_text(text, tmp_path, engine)

    assert reasons(report, Outcome.SKIPPED) == ["core module"] * 7
    assert not report.failed


async def test_what_wasmtime_does_not_implement_is_skipped_in_its_words(
    tmp_path: Path, engine: Engine
) -> None:
    text = """(component (import "f" (func $f)) (export "g" (func $f)))
    (invoke "g")
    (component (import "host" (instance (export "simple-module" (core module)))))"""

    report = await run_text(text, tmp_path, engine)

    first, second, third = reasons(report, Outcome.SKIPPED)
    assert "reexport of an imported function which is not implemented" in first
    assert first == second
    assert third == "'host#simple-module' is a module, which cannot be offered"


async def test_a_feature_that_is_off_does_not_make_an_invalid_component_pass(
    tmp_path: Path, engine: Engine
) -> None:
    text = """(assert_invalid
      (component (type (resource (rep i64)))) "something else")"""

    report = await run_text(text, tmp_path, engine)

    (reason,) = reasons(report, Outcome.SKIPPED)
    assert "feature" in reason


async def test_directives_that_wasm_tools_cannot_read_are_skipped_alone(
    tmp_path: Path, engine: Engine
) -> None:
    text = """(; brackets ( in comments and "strings do not count ;)
    (component definition $new (core func (canon no.such-thing))) ;; (
    (component instance $i $new)
    (component $later (core func (canon no.such-thing)))
    (invoke $later "f")
    (invoke "f")
    (assert_invalid (component (core func (canon no.such-thing))) "(;")
    (component)"""

    report = await run_text(text, tmp_path, engine)

    skipped, passed = report.verdicts[:6], report.verdicts[6]
    assert {each.outcome for each in skipped} == {Outcome.SKIPPED}
    assert {each.reason for each in skipped} == {
        "wasm-tools cannot read it: unexpected token"
    }
    assert passed.outcome is Outcome.PASSED
    assert [each.line for each in report.verdicts] == [2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "text", ["(component))", "(; (component)", "(component) (no-such-directive)"]
)
def test_a_script_with_a_mistake_of_its_own_is_not_skipped(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.wast"
    path.write_text(text)

    assert main([str(path)]) == 1


# --- the command --------------------------------------------------------------------


def test_the_command_prints_counts_lines_and_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "a.wast", tmp_path / "b.wast"
    good.write_text(ONE + '(assert_return (invoke "one") (u32.const 1))\n(module)')
    bad.write_text('(component)\n(assert_invalid (component) "wrong")')

    code = main([str(tmp_path)])

    assert code == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{good}: 2 passed, 0 failed, 1 skipped",
        f"  line {ONE.count(chr(10)) + 2}: component skipped: core module",
        f"{bad}: 1 passed, 1 failed, 0 skipped",
        "  line 2: assert_invalid failed: expected 'wrong', but the component is valid",
        "skipped 1: core module",
        "3 passed, 1 failed, 1 skipped",
    ]


def test_the_command_ends_well_where_all_passes_on_asyncio_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wast"
    path.write_text(ONE + '(assert_trap (invoke "nothing") "unreachable")')

    code = main([str(path), "--backend", "asyncio", "--verbose"])

    assert code == 0
    assert (
        "assert_trap passed: component 'component' trapped" in capsys.readouterr().out
    )


def test_a_script_that_cannot_be_read_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wast"
    path.write_text("(component")

    code = main([str(path)])

    assert code == 1
    assert "line 1: script failed: expected `)`" in capsys.readouterr().out
    with pytest.raises(UnreadableScript):
        read_script(path)


def test_an_empty_folder_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == "there are no .wast files\n"


def test_without_wasm_tools_the_command_says_how_to_get_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "a.wast"
    path.write_text("(component)")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    code = main([str(path)])

    assert code == 2
    assert "pip install 'airssys[guests]'" in capsys.readouterr().err


def test_the_total_names_each_reason_once() -> None:
    assert list(total([])) == ["0 passed, 0 failed, 0 skipped"]
