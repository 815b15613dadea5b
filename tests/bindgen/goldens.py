"""Write the golden files of typed bindings.

Needs the extra ``guests``, for wasm-tools. A world is a file in ``worlds``; its module
of bindings is the file of that name in ``golden``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from airssys.cli import main

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
GOLDEN: Final = HERE / "golden"
WORLDS: Final = {
    **{
        path.stem.replace("-", "_"): path
        for path in sorted((HERE / "worlds").iterdir())
    },
    "core": ROOT / "wit" / "core",
    "lifecycle": ROOT / "tests" / "guests" / "lifecycle.wasm",
    "probe": ROOT / "tests" / "guests" / "probe" / "wit",
}
"""What each golden file is made of."""


def generate(source: Path, file: Path) -> None:
    """Write the bindings for a world to a file."""
    status = main(["bindgen", str(source), "-o", str(file)])
    assert status == 0, source


def write() -> None:
    """Write the bindings of all worlds."""
    for world, source in WORLDS.items():
        generate(source, GOLDEN / f"{world}.py")
