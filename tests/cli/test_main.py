from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from airssys import cli
from airssys.cli import main
from airssys.cli.failure import BadInput, Status, explain, status_of
from airssys.core import errors
from airssys.core.errors import (
    GuestExited,
    InitFailed,
    ManifestError,
    Overtime,
    RestartsExhausted,
)

if TYPE_CHECKING:
    from .conftest import Command

ROOT = Path(__file__).parents[2]


def commands() -> list[str]:
    """Return every command, those of a group with its name before."""
    groups = {name: cli._app()[name] for name in cli._GROUPS}
    below = [
        f"{group} {name}"
        for group, app in groups.items()
        for name in app
        if not name.startswith("-")
    ]
    return [*cli._COMMANDS, *below]


def spawned(*tokens: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-m", "airssys", *tokens],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )


def test_help_names_every_command(airssys: Command) -> None:
    ran = airssys("--help")

    assert ran.status == 0
    for command in (*cli._COMMANDS, *cli._GROUPS):
        assert f" {command} " in ran.out


def test_a_function_of_its_modules_name_is_a_command() -> None:
    found = {
        name
        for _, name, _ in pkgutil.iter_modules(cli.__path__)
        if hasattr(importlib.import_module(f"{cli.__name__}.{name}"), name)
    }
    missing = sorted(found - set(cli._COMMANDS))

    assert not missing, f"cli/__init__.py: _COMMANDS lacks {missing}"


def test_the_docs_have_every_command() -> None:
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    missing = [each for each in commands() if f"\n| `airssys {each} " not in page]

    assert not missing, f"docs/cli.md lacks the commands {missing}"


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help(airssys: Command, command: str) -> None:
    ran = airssys(*command.split(), "--help")

    assert ran.status == 0
    assert ran.out.startswith(f"Usage: airssys {command}")


def test_the_help_of_a_command_is_whole(airssys: Command) -> None:
    ran = airssys("run", "--help")

    assert "after -- those that begin with - too." in " ".join(ran.out.split())
    assert "exports wasi:cli/run" in ran.out


def test_help_imports_neither_the_engine_nor_the_system() -> None:
    code = (
        "import sys; from airssys.cli import main; main(['--help']); "
        "print([n for n in sys.modules if n in "
        "('wasmtime', 'trio', 'airssys.system.opening', 'airssys.witmodel.types')])"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert ran.stdout.splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_package(
    airssys: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: f"1.2.3 of {name}")

    assert airssys("--version").out == "1.2.3 of airssys\n"


@pytest.mark.parametrize("kind", ["component", "tree", "host"])
def test_schemas_are_printed_as_json(airssys: Command, kind: str) -> None:
    schema = json.loads(airssys("manifest", "schema", kind).out)

    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["$defs"]


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["rnu"], 'Unknown command "rnu". Did you mean "run"?'),
        (["run"], "(see: airssys run --help)"),
        (["manifest", "schema", "treee"], 'Did you mean "tree"?'),
        (["tree", "--colour"], "--colour.\n  (see: airssys tree --help)"),
        (
            ["run", "app.wasm", "--verbose"],
            "--verbose.\n  (what is for the component comes after --; see: airssys run",
        ),
        (["call", "a.wasm", "f", "-x"], "(what is for the component comes after --"),
    ],
)
def test_wrong_usage_is_one_message(
    airssys: Command, tokens: list[str], words: str
) -> None:
    ran = airssys(*tokens)

    assert ran.status == 2
    assert ran.err.startswith("airssys: ")
    assert words in ran.err


# --- errors -----------------------------------------------------------------------


class NoText(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        (BadInput("no"), "no", Status.BAD_INPUT),
        (ManifestError("a.toml", ("one @ x",)), "a.toml: one @ x", Status.BAD_INPUT),
        (
            ManifestError("a.toml", ("one", "two")),
            "a.toml has 2 problems:\n  one\n  two",
            Status.BAD_INPUT,
        ),
        (InitFailed("c", "no"), "component 'c' did not start: no", Status.FAILED),
        (GuestExited("c", 0), "", Status.DONE),
        (GuestExited("c", 7), "", 7),
        (
            ExceptionGroup("", [GuestExited("c", 7), InitFailed("c", "no")]),
            "component 'c' did not start: no",
            7,
        ),
        (
            Overtime("c", "f", 1.0),
            "component 'c' took longer than 1 s in 'f'",
            Status.FAILED,
        ),
        (
            FileNotFoundError(2, "No such file or directory", "x"),
            "x: No such file or directory",
            Status.BAD_INPUT,
        ),
        (
            RestartsExhausted("r", "c", 1, 5.0, ("one", "two")),
            (
                "supervisor 'r' gave up on child 'c': more than 1 restarts within 5 s"
                "\n  one\n  two"
            ),
            Status.FAILED,
        ),
        (
            KeyError("x"),
            "unexpected KeyError: 'x'\n  (add --traceback to see where)",
            Status.UNEXPECTED,
        ),
        (
            NoText(),
            (
                "unexpected NoText: (its text cannot be had: LookupError)"
                "\n  (add --traceback to see where)"
            ),
            Status.UNEXPECTED,
        ),
    ],
)
def test_an_error_becomes_a_message_and_a_status(
    error: Exception, text: str, status: int
) -> None:
    assert explain(error) == (text, status)
    assert explain(ExceptionGroup("", [ExceptionGroup("", [error])])) == (text, status)


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"AirssysError"}))
def test_each_of_our_errors_has_a_status(name: str) -> None:
    assert status_of(getattr(errors, name)) is not None


def test_of_several_errors_each_is_told_and_the_worst_is_the_status() -> None:
    group = ExceptionGroup(
        "", [BadInput("one"), InitFailed("c", "no"), BadInput("one")]
    )

    text, status = explain(group)

    assert text == "one\ncomponent 'c' did not start: no"
    assert status is Status.BAD_INPUT


@frozen
class Raises:
    """Stands for the command's application."""

    error: BaseException

    def __call__(self, *_: object, **__: object) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), 130),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), 130),
        (BaseExceptionGroup("", [KeyboardInterrupt(), ValueError("x")]), 70),
        (ExceptionGroup("", [BadInput("x")]), 2),
        (ValueError("x"), 70),
    ],
)
def test_whatever_is_raised_ends_with_a_status(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    monkeypatch.setattr("airssys.cli._app", lambda _: Raises(error))

    assert main([]) == status


def test_what_a_guest_says_as_it_fails_does_not_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "airssys.cli._app", lambda _: Raises(InitFailed("c", "\x1b[2Jx"))
    )

    assert main([]) == Status.FAILED
    assert capsys.readouterr().err.endswith("did not start: \\x1b[2Jx\n")


@pytest.mark.parametrize("error", [ValueError("x"), ExceptionGroup("", [ValueError()])])
def test_a_traceback_is_shown_on_demand(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("airssys.cli._app", lambda _: Raises(error))

    with pytest.raises(type(error)):
        main(["--traceback"])


# --- as a process -----------------------------------------------------------------


def test_python_m_runs_the_command() -> None:
    ran = spawned("tree", "nothing.toml")

    assert ran.returncode == 2
    assert ran.stderr == "airssys: nothing.toml: no such file or folder\n"
    assert ran.stdout == ""


def test_a_reader_that_leaves_is_no_error() -> None:
    ours, theirs = os.pipe()
    os.close(ours)

    ran = subprocess.run(
        [sys.executable, "-m", "airssys", "manifest", "schema"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(theirs)

    assert (ran.returncode, ran.stderr) == (141, "")
