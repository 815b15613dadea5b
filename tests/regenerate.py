"""Write again what is made from other files: ``python -m tests.regenerate``.

Tests fail where one of these is stale. It needs the extra ``guests``, for wasm-tools.
With names after it, only those are written.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Final

GENERATORS: Final = {
    "signatures": "tests.signatures",
    "bindings": "tests.bindgen.goldens",
    "operations": "tests.operations",
}
"""By what they write, in the order in which one needs the other: the types of our own
interfaces from ``wit/``, the golden files of typed bindings, ``docs/operations.md``."""


def main(names: list[str]) -> None:
    """Run generators.

    Raises:
        SystemExit: There is none of such a name, or one of them failed.
    """
    if unknown := sorted(set(names) - set(GENERATORS)):
        raise SystemExit(
            f"no generator {', '.join(unknown)} (there are: {', '.join(GENERATORS)})"
        )
    if len(names) == 1:
        import_module(GENERATORS[names[0]]).write()
        return
    for name in names or GENERATORS:
        # Each in a process of its own: what one writes, the next imports.
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", "tests.regenerate", name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
