from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from airssys.cli import main

from ..components import PROGRAM_WASM, write_component, write_program
from .conftest import Command, Ran
from .processes import ENVIRONMENT, spawned

pytestmark = pytest.mark.guest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(airssys: Command, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the program in this process; its standard streams are those of the tests."""

    def run(*tokens: object) -> tuple[int, str, str]:
        capfd.readouterr()
        ran = airssys("run", PROGRAM_WASM, *tokens)
        return ran.status, ran.out, ran.err

    return run


@pytest.fixture
def airssys(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command in this process, and see what its descriptors are given."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("AIRSSYS_CONFIG", raising=False)

    def run(*tokens: object) -> Ran:
        capfd.readouterr()
        status = main([str(token) for token in tokens])
        said = capfd.readouterr()
        return Ran(status, said.out, said.err)

    return run


def started(*tokens: object, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "airssys", "run", *map(str, tokens)],
        env=ENVIRONMENT,
        **more,
    )


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_program_has_its_arguments_and_no_variables(run: Run, backend: str) -> None:
    assert run("args", "a b", "--backend", backend, "--", "-x", "--traceback") == (
        0,
        "program.wasm\nargs\na b\n-x\n--traceback\n",
        "",
    )
    assert run("env", "--backend", backend) == (0, "", "")
    assert run("--backend", backend) == (0, "hello\n", "")


def test_variables_are_given_one_by_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAKEN_OVER", "as it is")

    status, out, _ = run("env", "--env", "A=b=c", "--env", "EMPTY=", "--env=TAKEN_OVER")

    assert (status, out.splitlines()) == (0, ["A=b=c", "EMPTY=", "TAKEN_OVER=as it is"])
    status, _, err = run("env", "--env", "NOT_THERE")
    assert (status, "there is no 'NOT_THERE' to take over" in err) == (2, True)
    status, _, err = run("env", "--env", "=x")
    assert (status, "'=x' names no variable" in err) == (2, True)


def test_what_is_no_unicode_is_refused_before_anything_runs(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = os.fsdecode(b"\xff")
    monkeypatch.setenv("ODD", odd)
    for tokens in (
        ("args", "--", odd),
        ("env", "--env", f"A={odd}"),
        ("env", "--env", "ODD"),
        ("--dir", f"{tmp_path}:/{odd}"),
    ):
        status, out, err = run(*tokens)
        assert (status, out) == (2, "")
        assert "is no Unicode" in err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"hello_world.wasm", "hello_world.wasm"),
        (b"My App (v2.1).wasm", "My App (v2.1).wasm"),
        (b"host.wasm", "host.wasm"),
        (b"_.wasm", "_.wasm"),
        (b"x" * 100 + b".wasm", "x" * 100 + ".wasm"),
        ("\u00e9.wasm".encode(), "\u00e9.wasm"),
        (b"a\xff.wasm", "a?.wasm"),
    ],
)
def test_a_program_may_have_any_name(
    airssys: Command, tmp_path: Path, name: bytes, told: str
) -> None:
    file = tmp_path / os.fsdecode(name)
    file.write_bytes(PROGRAM_WASM.read_bytes())

    ran = airssys("run", file, "args")

    assert (ran.status, ran.out, ran.err) == (0, f"{told}\nargs\n", "")


def test_its_status_is_that_of_the_command(run: Run) -> None:
    assert run("exit", "0") == (0, "", "")
    # The adapter that it was built with knows no other status.
    assert run("exit", "3") == (1, "", "")


def test_what_it_says_before_it_traps_stands_before_the_trap(run: Run) -> None:
    status, out, err = run("abort", "good")

    assert (status, out) == (1, "")
    said, _, trap = err.partition("airssys: ")
    assert said == "it cannot go on\nfor: good"
    assert trap.startswith("component 'program' trapped in 'wasi:cli/run@0.2.12#run'")


def test_both_outputs_are_those_of_the_command(run: Run) -> None:
    assert run("both", "no end of a line") == (
        0,
        "to stdout\nno end of a line",
        "to stderr\n",
    )
    assert run("tty") == (0, "0 0 0\n", "")


@pytest.mark.parametrize("name", ["My_App.v2", "-_-", "été", "a" * 80])
def test_its_file_may_have_any_name(
    airssys: Command, tmp_path: Path, name: str
) -> None:
    file = tmp_path / f"{name}.wasm"
    file.write_bytes(PROGRAM_WASM.read_bytes())

    assert airssys("run", file, "args") == Ran(0, f"{file.name}\nargs\n", "")


def test_refusals_name_it_as_ids_are_written(airssys: Command, tmp_path: Path) -> None:
    file = tmp_path / "My_App.v2.wasm"
    file.write_bytes(PROGRAM_WASM.read_bytes())

    ran = airssys("run", file, "show", "/d/../x", "--dir", f"{tmp_path}:/d")

    assert re.search(r" warn +my-app-v2 +wasi:filesystem/types@", ran.err)


@pytest.mark.parametrize(
    ("export", "words"),
    [
        ("wasi:cli/run@0.3.0", "it is a command of WASI 0.3.0, and those of WASI 0.2"),
        ("wasi:cli/run", "it is a command of WASI without a version"),
        ("wasi:http/incoming-handler@0.2.3", "it serves HTTP: airssys serve"),
    ],
)
def test_what_is_no_command_of_wasi_0_2_is_told_what_it_is(
    airssys: Command, tmp_path: Path, export: str, words: str
) -> None:
    file = tmp_path / "app.wat"
    file.write_text(f"""(component
      (core module $m (func (export "run") (result i32) i32.const 0))
      (core instance $i (instantiate $m))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $r (export "run" (func $run)))
      (export "{export}" (instance $r)))""")

    ran = airssys("run", file)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    # It can be called by the name of its function, as any.
    assert airssys("run", file, f"{export}#run").status == 0

    world = 'world = "wasi:cli/command@0.2.0"'
    folder = write_component(tmp_path, code=file.read_text(), component=world)
    ran = airssys("check", folder)
    assert (ran.status, words in ran.out) == (1, True)


def test_a_module_of_wasi_preview_1_is_told_how_it_becomes_a_component(
    airssys: Command, tmp_path: Path
) -> None:
    file = tmp_path / "app.wasm"
    file.write_bytes(
        wasmtime.wat2wasm(
            '(module (import "wasi_snapshot_preview1" "sched_yield" (func)))'
        )
    )

    ran = airssys("run", file)

    assert ran.status == 2
    assert "it is a core module for WASI preview 1, not a component" in ran.err
    assert "new --adapt wasi_snapshot_preview1=ADAPTER)" in ran.err


def test_limits_hold_for_a_program(run: Run) -> None:
    status, _, err = run("sleep", "100000", "--timeout", "50ms")
    assert (status, "took longer than 0.05 s" in err) == (1, True)
    status, _, err = run("yes", "x", "--fuel", "100000")
    assert (status, "fuel" in err) == (1, True)
    status, _, err = run("--memory", "64KiB")
    assert (status, "memory" in err) == (1, True)


def test_options_of_programs_are_for_programs(
    airssys: Command, calculator: Path, quickstart: Path, tmp_path: Path
) -> None:
    ran = airssys("run", calculator, "--env", "A=b", "add", 1, 2)
    assert (ran.status, "are for a program" in ran.err) == (2, True)
    ran = airssys("run", quickstart / "tally", "--dir", tmp_path)
    assert (ran.status, "are for a program" in ran.err) == (2, True)
    ran = airssys("run", quickstart / "tally", "--fuel", 1)
    assert (ran.status, "its limits are in its manifest" in ran.err) == (2, True)
    ran = airssys("run", calculator, "add", 1, 2, "--fuel", 10_000)
    assert (ran.status, ran.out) == (0, "3\n")
    assert airssys("run", calculator).status == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "names no folder: use HOST[:GUEST[:ro]]"),
        ("/not/there", "--dir: '/not/there' is no folder"),
        (__file__, "is no folder"),
    ],
)
def test_a_folder_that_is_none_is_refused(run: Run, given: str, words: str) -> None:
    status, _, err = run("--dir", given)

    assert (status, words in err) == (2, True)


def test_folders_cannot_share_a_name_or_have_braces(run: Run, tmp_path: Path) -> None:
    (tmp_path / "{a}").mkdir()

    status, _, err = run("--dir", f"{tmp_path}:/d", "--dir", "/:/d")
    assert (status, "two folders are to be '/d'" in err) == (2, True)
    status, _, err = run("--dir", tmp_path / "{a}")
    assert (status, "for its braces" in err) == (2, True)


def test_a_folder_is_grant_and_preopen_in_one(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "a [*? b"
    odd.mkdir()
    (odd / "file").write_text("what it holds")
    (tmp_path / "secret").write_text("secret")
    (odd / "link").symlink_to(tmp_path / "secret")

    assert run("show", "/d/file", "--dir", f"{odd}:/d:ro") == (0, "what it holds", "")
    assert run("show", f"{odd}/file", "--dir", odd) == (0, "what it holds", "")
    assert run("show", "/file", "--dir", f"{odd}::/") == (0, "what it holds", "")
    for path in ("/d/link", "/d/../secret", f"{tmp_path}/secret", "/other/file"):
        status, out, err = run("show", path, "--dir", f"{odd}:/d")
        assert (status, out, path in err) == (1, "", True)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_input_is_passed_on(tmp_path: Path, kind: str, backend: str) -> None:
    content = os.urandom(300_000)
    (tmp_path / "in").write_bytes(content)
    tokens = (PROGRAM_WASM, "cat", "--backend", backend)

    with (tmp_path / "in").open("rb") as file:
        stdin = file if kind == "file" else subprocess.PIPE
        with started(*tokens, stdin=stdin, stdout=subprocess.PIPE) as running:
            given = None if kind == "file" else content
            assert running.communicate(given, timeout=50)[0] == content
    assert running.returncode == 0


def test_a_closed_input_is_at_its_end() -> None:
    command = f"{sys.executable} -m airssys run {PROGRAM_WASM} cat <&-"

    ran = subprocess.run(
        ["/bin/sh", "-c", command], env=ENVIRONMENT, capture_output=True, check=False
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


def test_a_program_whose_reader_leaves_ends_as_by_sigpipe() -> None:
    with started(PROGRAM_WASM, "yes", "x", stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.read(4) == b"x\nx\n"
        running.stdout.close()
        assert running.wait(30) == 128 + signal.SIGPIPE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_signal_ends_a_program_that_waits_for_input(
    number: signal.Signals, backend: str
) -> None:
    with started(
        *(PROGRAM_WASM, "prompt", "--backend", backend),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(6) == b"name? "
        running.send_signal(number)
        assert running.wait(30) == 128 + number
        assert b"Traceback" not in running.stderr.read()


def test_a_person_at_a_terminal_is_asked_and_answers() -> None:
    ours, theirs = pty.openpty()
    seen = b""

    def read_until(mark: bytes) -> None:
        nonlocal seen
        while mark not in seen:
            seen += os.read(ours, 1000)

    def give_up() -> None:
        running.kill()

    tokens = (PROGRAM_WASM, "prompt")
    running = started(*tokens, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    late = threading.Timer(30, give_up)
    late.start()
    try:
        read_until(b"name? ")
        os.write(ours, b"Ada\n")
        read_until(b"hello Ada")
        assert running.wait(30) == 0
    finally:
        late.cancel()
        os.close(ours)


def test_a_program_at_a_terminal_knows_it() -> None:
    ours, theirs = pty.openpty()
    with started(PROGRAM_WASM, "tty", stdin=theirs, stdout=theirs) as running:
        os.close(theirs)
        assert running.wait(30) == 0
    said = os.read(ours, 100)
    os.close(ours)
    assert said.startswith(b"1 1 ")


def test_a_program_that_sleeps_leaves_the_processor_alone() -> None:
    before = os.times()
    begun = time.monotonic()

    ran = spawned("run", str(PROGRAM_WASM), "sleep", "1500")

    after = os.times()
    assert ran.stdout == "slept\n"
    assert time.monotonic() - begun > 1.5
    used = after.children_user - before.children_user
    assert used < 1.4 + (time.monotonic() - begun - 1.5)


def test_a_program_under_a_manifest_runs_under_supervision(
    airssys: Command, tmp_path: Path
) -> None:
    folder = write_program(tmp_path, "both", "last words")

    ran = airssys("run", folder)

    assert ran.status == 0
    said = [line.split(maxsplit=3)[1:] for line in ran.err.splitlines()]
    assert ["info", "acme/program", "to stdout"] in said
    assert ["warn", "acme/program", "to stderr"] in said
    assert ["info", "acme/program", "last words"] in said


def test_a_function_of_a_program_can_be_called(airssys: Command) -> None:
    ran = airssys("call", PROGRAM_WASM, "run")

    assert (ran.status, ran.out) == (0, "ok\n")
    assert ran.err.rstrip().endswith("hello")


def text(run: str) -> str:
    """Return a program in component text, which runs this core code."""
    return f"""(component
  (import "wasi:nn/graph@0.2.0-rc-2024" (instance $nn (export "load" (func))))
  (core func $load (canon lower (func $nn "load")))
  (core module $m (import "" "load" (func $load))
    (func (export "run") (result i32) {run}))
  (core instance $i (instantiate $m (with "" (instance
    (export "load" (func $load))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $r)))"""


@pytest.mark.parametrize(("run", "status"), [("i32.const 0", 0), ("i32.const 1", 1)])
def test_a_program_may_do_without_what_nobody_has(
    airssys: Command, tmp_path: Path, run: str, status: int
) -> None:
    (tmp_path / "app.wat").write_text(text(run))

    assert airssys("run", tmp_path / "app.wat") == Ran(status, "", "")


def test_what_nobody_has_traps_where_a_program_calls_it(
    airssys: Command, tmp_path: Path
) -> None:
    (tmp_path / "app.wat").write_text(text("(call $load) i32.const 0"))

    ran = airssys("run", tmp_path / "app.wat")

    assert (ran.status, ran.out) == (1, "")
    assert "wasi:nn/graph@0.2.0-rc-2024#load" in ran.err
