"""Build programs in Python and JavaScript, as people do who know nothing of airssys.

They are kept as the probe is, and built by the same means. The one in C is shipped:

    python examples/stock/build.py tests/guests/program/program.c ADAPTER
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from ..probe import build as tools

__all__ = ("LANGUAGES", "WORLD", "built")

HERE: Final = Path(__file__).parent
WASI: Final = HERE.parent.parent.parent / "wit" / "wasi"
WORLD: Final = "wasi:cli/command@0.2.12"


@cache
def built(language: str) -> Path:
    """Return the program in that language, built if it is not in the cache yet.

    Raises:
        ToolMissing: It must be built, and a tool is missing.
    """
    return _LANGUAGES[language]()


def _python() -> Path:
    return tools.python(HERE / "python" / "app.py", WASI, WORLD)


def _javascript() -> Path:
    return tools.starling(HERE / "javascript", WASI, WORLD)


_LANGUAGES: Final[dict[str, Callable[[], Path]]] = {
    "python": _python,
    "javascript": _javascript,
}
LANGUAGES: Final = tuple(_LANGUAGES)
