from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from airssys import Engine
from airssys.cli.waiting import Waiting

TEXT = "(component (core module))"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    path = tmp_path / "host.toml"
    path.write_text('cache = "compiled"\ncache_size = "2MiB"\n')
    return path


def fill(folder: Path) -> None:
    async def compile_two() -> None:
        for text in (TEXT, "(component)"):
            await Engine(cache=folder).compile(text)

    anyio.run(compile_two)


@pytest.mark.guest
def test_what_is_in_the_cache_is_shown_and_cleared(
    airssys: Any, host: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "compiled"
    fill(folder)
    held = sum(file.stat().st_size for file in folder.glob("*.cwasm")) / 2**20
    (folder / "notes.txt").write_text("a user's own")

    ran = airssys("cache", "show", "--config", host)
    assert ran.out.splitlines() == [
        f"folder   {folder}",
        "entries  2",
        f"size     {held:.1f} MiB (limit: 2MiB)",
    ]

    ran = airssys("cache", "clear", "--config", host)
    assert ran.out == f"removed 2 entries of {held:.1f} MiB\n"
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
    assert "entries  0" in airssys("cache", "show", "--config", host).out


def test_a_cache_that_is_not_there_is_empty(airssys: Any, host: Path) -> None:
    assert "entries  0" in airssys("cache", "show", "--config", host).out
    ran = airssys("cache", "clear", "--config", host)
    assert (ran.out, ran.status) == ("removed 0 entries of 0.0 MiB\n", 0)


@pytest.mark.guest
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_a_cache_that_is_not_used_says_why(
    airssys: Any, host: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "compiled"
    fill(folder)
    folder.chmod(0o777)

    shown = airssys("cache", "show", "--config", host).out
    assert f"not used: other users can write to '{folder}'" in shown
    ran = airssys("cache", "clear", "--config", host)
    assert ran.status == 2
    assert f"it is not cleared: other users can write to '{folder}'" in ran.err
    assert len(list(folder.iterdir())) == 4


class Terminal:
    """What a terminal is told."""

    def __init__(self, *, terminal: bool) -> None:
        self.terminal = terminal
        self.written = ""

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None: ...


def test_a_person_who_waits_is_told_what_is_compiled() -> None:
    terminal: Any = Terminal(terminal=True)
    waiting = Waiting(terminal)
    waiting.tell("acme/\x1b[31mslow" + "x" * 100, 1.02)
    waiting.tell("acme/slow", None)

    line, cleared = terminal.written.removeprefix("\r\x1b[2K").split("\r\x1b[2K")
    assert line.startswith("compiling acme/")
    assert line.endswith(" ... 1 s")
    assert "\x1b" not in line
    assert len(line) < 80
    assert cleared == ""

    pipe: Any = Terminal(terminal=False)
    Waiting(pipe).tell("acme/slow", 1.0)
    assert pipe.written == ""
