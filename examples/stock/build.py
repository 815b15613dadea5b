"""Build a C program as a component, with a stock compiler and the adapter of WASI.

    pip install ziglang
    python build.py ticker.c wasi_snapshot_preview1.command.wasm

The adapter comes with every release of wasmtime, and with the npm package
`@bytecodealliance/jco` (in `lib/`). `wasm-tools` joins both.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def build(source: Path, adapter: Path) -> Path:
    core, component = source.with_suffix(".core.wasm"), source.with_suffix(".wasm")
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi"]
    # A stack of 64 KiB; zig's own choice of 16 MiB would be most of its memory.
    small = ["-Oz", "-s", "-Wl,-z,stack-size=65536"]
    run(*compiler, *small, source, "-o", core)
    adapt = ["--adapt", f"wasi_snapshot_preview1={adapter}"]
    run("wasm-tools", "component", "new", *adapt, core, "-o", component)
    run("wasm-tools", "strip", "--all", component, "-o", component)
    core.unlink()
    return component


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2])))
