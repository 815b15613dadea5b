"""Open the front door: import each public name from its home when it is first used.

The table of names is ``__init__.pyi`` beside this file, which type checkers read too:
``from .core.limits import Limits as Limits`` says where a name lives.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

__all__ = ("FACES", "find", "homes", "names")

_PACKAGE: Final = __package__ or "airssys"
FACES: Final = ("errors", "events", "grants", "testing", "wasi")
"""The public modules beside the front door."""
_TABLE: Final = Path(__file__).with_name("__init__.pyi")


@cache
def homes() -> dict[str, str]:
    """Return the module each public name is in, as ``.core.limits``.

    A face is in the package itself: ``.``.
    """
    import ast  # noqa: PLC0415 - as below: `import airssys` alone must cost nothing

    table = ast.parse(_TABLE.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for statement in table.body:
        if isinstance(statement, ast.ImportFrom) and statement.level:
            home = f".{statement.module or ''}"
            for alias in statement.names:
                # Of errors and events all are public, and listed in their modules only.
                every = alias.name == "*"
                listed = import_module(home, _PACKAGE).__all__ if every else ()
                found |= dict.fromkeys(listed or (alias.name,), home)
    return found


def names() -> tuple[str, ...]:
    """Return all public names, in order."""
    return tuple(sorted(homes(), key=lambda name: (name.islower(), name)))


def find(name: str) -> Any:
    """Return what the package has of that name.

    Raises:
        AttributeError: Nothing; names the nearest and where it lives.
    """
    if name == "__version__":
        from importlib import metadata  # noqa: PLC0415

        return metadata.version(_PACKAGE)
    if name == "__all__":
        return names()
    home = None if name.startswith("_") else homes().get(name)
    if home is None:
        raise AttributeError(
            f"module {_PACKAGE!r} has no attribute {name!r}{_hint(name)}"
        )
    if home == ".":
        return import_module(f".{name}", _PACKAGE)
    return getattr(import_module(home, _PACKAGE), name)


def _hint(name: str) -> str:
    if name.startswith("_"):
        return ""  # asked for by tools, which expect none of these
    import difflib  # noqa: PLC0415

    places = {each: f"{_PACKAGE}.{each}" for each in homes()}
    for face in FACES:
        for each in import_module(f".{face}", _PACKAGE).__all__:
            places.setdefault(each, f"{_PACKAGE}.{face}.{each}")
    if name in places:
        return f" (it is {places[name]})"
    near = difflib.get_close_matches(name, places, 1)
    return f" (did you mean {places[near[0]]}?)" if near else ""
