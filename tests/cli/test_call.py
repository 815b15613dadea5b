from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import EXAMPLES

if TYPE_CHECKING:
    from .conftest import Command

pytestmark = pytest.mark.guest

CLERK = EXAMPLES / "clerk" / "clerk.wasm"


@pytest.mark.parametrize(
    ("tokens", "out"),
    [
        (["add", "3", "4"], "7"),
        (["echo", '"a\\tb"'], '"a\\tb"'),
        (["echo", "no quotes"], '"no quotes"'),
        (["half", "6"], "ok(3)"),
        (["sum", "1", "some(2)"], "3"),
        (["sum", "1"], "1"),
        (["sum"], "0"),
        (["acme:calc/ops@1.0.0#mul", "3", "4"], "12"),
        (["acme:calc/ops#mul", "3", "4"], "12"),
        (["ops#mul", "3", "4"], "12"),
        (["acme:calc/ops@1.2.3#mul", "3", "4"], "12"),
        (["twice", "3", "4"], "7"),
        (["add", "3", "4", "--json"], "7"),
        (["echo", '"a"', "--json"], '"a"'),
        (["echo", "--json", "--", "--b"], '"--b"'),
        (["half", "6", "--json"], '{"ok": 3}'),
        (["rest", "--json"], "null"),
    ],
)
def test_a_function_is_called_and_its_result_printed(
    airssys: Command, calculator: Path, tokens: list[str], out: str
) -> None:
    ran = airssys("call", calculator, *tokens)

    assert (ran.status, ran.out, ran.err) == (0, f"{out}\n", "")


def test_a_function_without_a_result_prints_nothing(
    airssys: Command, calculator: Path
) -> None:
    ran = airssys("call", calculator, "rest")

    assert (ran.status, ran.out) == (0, "")


@pytest.mark.parametrize(
    ("tokens", "out"),
    [(["half", "7"], "err(3)"), (["half", "7", "--json"], '{"err": 3}')],
)
def test_an_err_is_printed_and_fails(
    airssys: Command, calculator: Path, tokens: list[str], out: str
) -> None:
    ran = airssys("call", calculator, *tokens)

    assert (ran.status, ran.out) == (1, f"{out}\n")


@pytest.mark.parametrize(
    ("tokens", "complaint"),
    [
        (["add", "3"], "'add' takes 2 arguments (a: u32, b: u32), got 1"),
        (["rest", "3"], "'rest' takes 0 arguments (none), got 1"),
        (
            ["add", "3", "x"],
            "argument 'b' of type u32: column 1: expected u32, got x, in 'x'",
        ),
        (
            ["add", "3", '"x"', "--json"],
            "argument 'b' of type u32: expected u32, got 'x', in '\"x\"'",
        ),
        (
            ["add", "3", "[1,", "--json"],
            "argument 'b' of type u32: column 4: Expecting value, in '[1,'",
        ),
        (
            ["echo", '"x'],
            (
                "argument 'text' of type string: column 1: expected a value, "
                "got \"x, in '\"x'"
            ),
        ),
        (["ad", "3", "4"], "exports no function 'ad' (it exports: 'add'"),
        (
            ["mul", "3", "4"],
            (
                "several functions are called 'mul': acme:calc/ops@1.0.0#mul, "
                "acme:calc/more@1.0.0#mul"
            ),
        ),
        (["add", "3", "4", "--fuel", "0"], "--fuel: 0 must be more than 0"),
        (["add", "3", "4", "--fuel", "x"], "unable to convert"),
        (["add", "3", "4", "--fule", "3"], "Did you mean --fuel?"),
        (["add", "3", "4", "--timeout", "soon"], "--timeout: "),
        (["add", "3", "4", "--memory", "-1"], "--memory: "),
    ],
)
def test_a_call_that_cannot_be_made_says_why(
    airssys: Command, calculator: Path, tokens: list[str], complaint: str
) -> None:
    ran = airssys("call", calculator, *tokens)

    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("airssys: ")
    assert complaint in ran.err
    assert "Traceback" not in ran.err


def test_a_trap_is_told_with_its_kind_and_backtrace(
    airssys: Command, calculator: Path
) -> None:
    ran = airssys("call", calculator, "trap", "--fuel", "1000")

    assert ran.status == 1
    first, second, third = ran.err.splitlines()
    assert first.startswith(
        "airssys: component 'calculator' trapped in 'trap': unreach"
    )
    assert second.startswith("  at ")
    assert third.endswith(" units of fuel")


def test_a_trap_without_metering_tells_no_fuel(
    airssys: Command, calculator: Path
) -> None:
    ran = airssys("call", calculator, "trap")

    assert "fuel" not in ran.err


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (["--timeout", "50ms"], "took longer than 0.05 s in 'spin'"),
        (["--timeout", "0.05"], "took longer than 0.05 s in 'spin'"),
        (["--fuel", "100_000"], "ran out of fuel in 'spin' (limit: 100_000 a call)"),
    ],
)
def test_limits_end_a_call(
    airssys: Command, calculator: Path, option: list[str], complaint: str
) -> None:
    ran = airssys("call", calculator, "spin", *option)

    assert ran.status == 1
    assert complaint in ran.err


def test_too_little_memory_is_told(airssys: Command, calculator: Path) -> None:
    ran = airssys("call", calculator, "add", "1", "2", "--memory", "1KiB")

    assert ran.status == 1
    assert "out of memory" in ran.err


def test_more_memory_is_more_for_all_memories(airssys: Command, tmp_path: Path) -> None:
    guest = tmp_path / "guest.wat"
    parts = """(core module $m{0} (memory 1200) (func (export "run")))
      (core instance $c{0} (instantiate $m{0}))"""
    guest.write_text(f"""(component {parts.format(1)} {parts.format(2)}
      (func (export "run") (canon lift (core func $c1 "run"))))""")

    assert airssys("call", guest, "run", "--memory", "70MiB").status == 1
    assert airssys("call", guest, "run", "--memory", "80MiB").status == 0


def test_a_component_under_a_manifest_has_what_the_manifest_gives(
    airssys: Command, quickstart: Path
) -> None:
    config = (
        '{env-vars: [], config-data: [("subscribe", "elsewhere.#")], '
        "resource-limits: {memory-bytes: 1}}"
    )

    described = airssys("call", quickstart / "tally", "metadata", "--json")
    refused = airssys("call", quickstart / "tally", "init", config)

    assert json.loads(described.out)["name"] == "tally"
    assert refused.status == 1
    assert "may not subscribe to 'elsewhere.#'" in refused.out
    assert "quickstart" not in refused.out
    assert "subscribe to 'orders.#'" in refused.err, "a denial is logged"


def test_a_guest_s_own_log_lines_are_shown(airssys: Command, quickstart: Path) -> None:
    config = "{env-vars: [], config-data: [], resource-limits: {memory-bytes: 1}}"

    ran = airssys("call", quickstart / "tally" / "Component.toml", "init", config)

    assert (ran.status, ran.out) == (0, "ok\n")
    assert "call      waiting for orders" in ran.err


@pytest.mark.parametrize("command", ["call", "run"])
def test_what_a_called_guest_is_refused_is_written_to_the_audit_log(
    airssys: Command, tmp_path: Path, command: str
) -> None:
    log, host = tmp_path / "audit.jsonl", tmp_path / "host.toml"
    host.write_text('[audit]\nfile = "audit.jsonl"\n' if command == "call" else "")
    options = ["--audit", log] if command == "run" else []

    order = list(f"read {tmp_path}/x".encode())
    message = (
        '{sender: {namespace: "", name: "x", instance: ""}, '
        f"payload: {order}, timestamp: {{seconds: 0, nanoseconds: 0}}}}"
    )

    ran = airssys(command, *options, "--config", host, CLERK, "handle-message", message)

    assert ran.status == 0
    assert "no grant covers it" in ran.err
    assert airssys("audit", "verify", log).status == 0
    shown = airssys("audit", "show", "--json", log).out
    assert shown.count(f"read '{tmp_path}/x'") == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\0asm\1\0\0\0", "it is a core module, not a component"),
        (b"\0asm\x0d\0\1\0\x07", "is no usable component"),
        (b"hello", "it does not start like WebAssembly"),
        (b"", "it does not start like WebAssembly"),
    ],
)
def test_what_is_no_component_is_refused(
    airssys: Command, tmp_path: Path, content: bytes, complaint: str
) -> None:
    file = tmp_path / "broken.wasm"
    file.write_bytes(content)

    ran = airssys("call", file, "add")

    assert ran.status == 2
    assert complaint in ran.err


def test_a_component_that_misses_an_import_is_refused(
    airssys: Command, tmp_path: Path
) -> None:
    file = tmp_path / "needy.wat"
    file.write_text(
        """(component
          (import "acme:kv/store@1.0.0" (instance (export "get" (func))))
          (core module $m (func (export "f")))
          (core instance $i (instantiate $m))
          (func (export "f") (canon lift (core func $i "f"))))"""
    )

    ran = airssys("call", file, "f")

    assert ran.status == 2
    assert "acme:kv/store@1.0.0" in ran.err
    assert "airssys:core/messaging@1.0.0" in ran.err, "what is offered"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nothing.wasm", "no such file or folder"),
        (".", "the folder has no Component.toml"),
        ("notes.txt", "airssys knows .toml, .wasm and .wat files"),
        ("tree.toml", "it is no component"),
        ("host.toml", "it is no component"),
    ],
)
def test_what_holds_no_component_is_refused(
    airssys: Command, tmp_path: Path, name: str, complaint: str
) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "tree.toml").write_text("[[child]]\n")
    (tmp_path / "host.toml").write_text('name = "here"\n')

    ran = airssys("call", tmp_path / name, "f")

    assert ran.status == 2
    assert complaint in ran.err


@pytest.mark.parametrize("status", [0, 3, 200])
def test_a_guest_that_exits_decides_the_status(
    airssys: Command, tmp_path: Path, status: int
) -> None:
    guest = tmp_path / "guest.wat"
    guest.write_text("""(component
      (import "wasi:cli/exit@0.2.12"
        (instance $h (export "exit-with-code" (func (param "status-code" u8)))))
      (core func $leave (canon lower (func $h "exit-with-code")))
      (core module $code (import "h" "leave" (func $leave (param i32)))
        (func (export "run") (param i32) (call $leave (local.get 0))))
      (core instance $c (instantiate $code
        (with "h" (instance (export "leave" (func $leave))))))
      (func (export "run") (param "s" u32) (canon lift (core func $c "run"))))""")

    ran = airssys("call", guest, "run", status)

    assert (ran.status, ran.out, ran.err) == (status, "", "")
