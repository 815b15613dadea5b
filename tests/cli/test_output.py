"""Readers that leave, slow ones, full disks, and terminals that know little."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .processes import ENVIRONMENT, spawned

if TYPE_CHECKING:
    from .conftest import Command

pytestmark = pytest.mark.guest

COMMANDS = [
    ("--help",),
    ("--version",),
    ("call", "--help"),
    ("serve", "--help"),
    ("run", "tree.toml"),
    ("run", "calculator.wat", "add", "1", "2"),
    ("call", "calculator.wat", "add", "1", "2"),
    ("inspect", "calculator.wat"),
    ("inspect", "calculator.wat", "--json"),
    ("bindgen", "calculator.wat"),
    ("check", "calculator.wat"),
    ("tree", "tree.toml"),
    ("manifest", "schema"),
    ("audit", "show", "audit.jsonl"),
    ("audit", "show", "audit.jsonl", "--json"),
    ("audit", "verify", "audit.jsonl"),
    ("cache", "show"),
    ("cache", "clear", "--config", "own-cache.toml"),
]
TREE = """
[supervisor]
auto_shutdown = "any_significant"
[[child]]
id = "one"
actor = "short:run"
restart = "temporary"
significant = true
"""
LOUD = """
import anyio
async def run(actor):
    for number in range(30_000):
        actor.log("info", f"line {number} " + "x" * 100)
        if number % 100 == 0:
            await anyio.sleep(0)
async def waits(actor):
    actor.log("info", "up")
    await anyio.sleep_forever()
"""


@pytest.fixture
def folder(calculator: Path) -> Path:
    """Return a folder in which each of the commands has something to print."""
    folder = calculator.parent
    (folder / "tree.toml").write_text(TREE)
    (folder / "short.py").write_text("async def run(actor):\n    pass\n")
    (folder / "own-cache.toml").write_text('cache = "cache"\n')
    (folder / "host.toml").write_text('[audit]\nfile = "audit.jsonl"\n')
    ran = spawned(
        "call", "calculator.wat", "rest", "--config", "host.toml", folder=folder
    )
    assert ran.returncode == 0
    return folder


def test_each_command_is_tried() -> None:
    from airssys.cli import _COMMANDS, _GROUPS  # noqa: PLC0415

    assert {command[0] for command in COMMANDS} >= {*_COMMANDS, *_GROUPS}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_reader_that_leaves_is_141_whatever_was_to_be_printed(
    folder: Path, command: tuple[str, ...]
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)

    ran = spawned(*command, folder=folder, stdout=theirs)
    os.close(theirs)

    assert ran.returncode == 141
    assert "airssys:" not in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr


@pytest.mark.parametrize(
    "command",
    [("inspect", "calculator.wat"), ("manifest", "schema"), ("run", "tree.toml")],
    ids=" ".join,
)
def test_a_full_disk_is_told(folder: Path, command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = spawned(*command, folder=folder, stdout=full)

    assert ran.returncode == 1
    assert ran.stderr.endswith(
        "airssys: the output cannot be written: No space left on device\n"
    )


def in_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with what a shell does to its streams."""
    return subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m airssys {line}"],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("closed", ["0<&-", ">&-", "2>&-", "0<&- >&- 2>&-"])
def test_streams_that_were_closed_from_the_start_are_no_error(
    folder: Path, closed: str
) -> None:
    ran = in_shell(f"run tree.toml --audit new.jsonl {closed}", folder)

    assert ran.returncode == 0
    for record in (folder / "new.jsonl").read_text().splitlines():
        json.loads(record)


@pytest.mark.parametrize(
    "command",
    [
        "tree tree.toml",
        "check tree.toml",
        "inspect calculator.wat",
        "call calculator.wat add 1 2",
        "bindgen calculator.wat",
        "manifest schema",
        "cache show",
        "--help",
    ],
)
def test_no_command_minds_that_its_output_was_closed_from_the_start(
    folder: Path, command: str
) -> None:
    ran = in_shell(f"{command} >&-", folder)

    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_error_that_nobody_reads_has_its_status(folder: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)

    ran = spawned("tree", "none.toml", folder=folder, stderr=theirs)
    os.close(theirs)

    assert ran.returncode == 2


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_run_ends_though_nobody_reads_its_log(folder: Path, backend: str) -> None:
    (folder / "short.py").write_text(LOUD)
    ours, theirs = os.pipe()

    ran = spawned(
        "run", "tree.toml", "--backend", backend, folder=folder, stderr=theirs
    )
    os.close(ours)
    os.close(theirs)

    assert ran.returncode == 0
    assert int(ran.stdout.split(" not shown")[0].split()[-2]) > 20_000


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_run_goes_on_though_the_reader_of_its_log_left(
    folder: Path, backend: str
) -> None:
    (folder / "short.py").write_text(LOUD)
    ours, theirs = os.pipe()
    os.close(ours)

    ran = spawned(
        "run", "tree.toml", "--backend", backend, folder=folder, stderr=theirs
    )
    os.close(theirs)

    assert ran.returncode == 0
    assert "not shown" in ran.stdout


def test_ctrl_c_ends_a_run_whose_log_nobody_reads(folder: Path) -> None:
    (folder / "short.py").write_text(LOUD)
    (folder / "tree.toml").write_text(
        '[[child]]\nid = "a"\nactor = "short:run"\nrestart = "temporary"\n'
        '[[child]]\nid = "b"\nactor = "short:waits"\n'
    )
    ours, theirs = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "airssys", "run", "tree.toml"],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as running:
        assert os.read(ours, 1)  # of the first line; no more is ever read
        time.sleep(1.5)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=20)
    os.close(ours)
    os.close(theirs)

    assert running.returncode == 130
    assert "not shown" in out


# --- what a terminal must not get ---------------------------------------------------


def test_json_has_nothing_that_steers_a_terminal(
    airssys: Command, calculator: Path
) -> None:
    text = "\x1b[2J \u202e\u2066 \x7f\x9b é 日 😀 \U000e0001"

    ran = airssys("call", calculator, "echo", json.dumps(text), "--json")

    assert ran.out.removesuffix("\n").isprintable()
    assert json.loads(ran.out) == text
    assert "é 日 😀" in ran.out
    assert airssys("call", calculator, "echo", text).out.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    "tokens",
    [
        ("\x1b[2J\u202e",),
        ("tree", "--\x1b[2J\u202e"),
        ("manifest", "schema", "\x1b[2J\u202e"),
        ("call", "a.wat", "f", "--fuel", "\x1b[2J\u202e"),
        ("call", "\x1b[2J\u202e.wat", "f"),
        ("run", "\x1b[2J\u202e.toml"),
        ("check", "\x1b[2J\u202e"),
        ("audit", "show", "a", "--since", "\x1b[2J\u202e"),
    ],
)
def test_wrong_usage_does_not_steer_the_terminal(
    airssys: Command, tokens: tuple[str, ...]
) -> None:
    ran = airssys(*tokens)

    assert ran.status in {1, 2}
    assert all(line.isprintable() for line in (ran.out + ran.err).splitlines())
    assert r"\u202e" in ran.out + ran.err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_escaped(calculator: Path, encoding: str) -> None:
    def run(*tokens: str) -> str:
        ran = spawned(
            *("call", "calculator.wat", "echo", *tokens),
            folder=calculator.parent,
            env={"PYTHONIOENCODING": encoding},
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout.rstrip("\n")

    wave, told = run("a日😀"), run('"a日😀"', "--json")

    assert wave == ('"a日😀"' if encoding == "utf-8" else r'"a\u{65e5}\u{1f600}"')
    assert json.loads(told) == "a日😀"
    assert told == ('"a日😀"' if encoding == "utf-8" else r'"a\u65e5\ud83d\ude00"')


def test_what_is_no_text_is_refused(calculator: Path) -> None:
    ran = spawned("call", "calculator.wat", "echo", "\udcff", folder=calculator.parent)

    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_a_tree_is_drawn_in_an_encoding_that_lacks_its_letters(folder: Path) -> None:
    (folder / "tree.toml").write_text(
        TREE + '\n[[child]]\nid="b"\nactor = "größe:日"\n'
    )

    ran = spawned("tree", "tree.toml", folder=folder, env={"PYTHONIOENCODING": "ascii"})

    assert (ran.returncode, ran.stderr) == (0, "")
    assert r"gr\xf6\xdfe:\u65e5" in ran.stdout
