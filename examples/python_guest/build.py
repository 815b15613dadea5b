"""Build ``python_guest.wasm`` from ``app.py``; needs the extra ``guests``.

    python examples/python_guest/build.py

The guest imports WASI beside airssys:core, so ``print``, ``time``, ``open`` and the
like work in it, as far as it is granted something.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WIT = HERE.parent.parent / "wit" / "core"


def build(target: Path) -> None:
    """Run componentize-py, which embeds CPython; takes about ten seconds."""
    name = "componentize-py"
    program = shutil.which(name, path=sysconfig.get_path("scripts"))
    program = program or shutil.which(name)
    if program is None:
        raise SystemExit(f"{name} is missing: pip install 'airssys[guests]'")
    # Half of a component is worse than none: it appears when it is whole.
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder, "built.wasm")
        command = (program, "--wit-path", WIT, "--world", "component", "componentize")
        options = ("--python-path", HERE, "--output", built)
        subprocess.run([*command, *options, "app"], check=True)
        built.replace(target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the Python guest.")
    parser.add_argument(
        "target", type=Path, nargs="?", default=HERE / "python_guest.wasm"
    )
    target: Path = parser.parse_args().target.resolve()
    build(target)
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
