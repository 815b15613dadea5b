"""Look for a Python actor in the text of its module, without running any of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Final

from ..core.errors import ManifestError
from ..reading import read_bytes

__all__ = ("look_for_function",)

_ANYTHING: Final = "*"
"""Stands for names that the text does not tell."""


def look_for_function(name: str, folder: Path, *, source: str) -> bool:
    """Look for a Python actor, ``module:function``, where a tree would import it from.

    Args:
        name: What the tree file says.
        folder: The tree's folder.
        source: The tree file, for the error.

    Returns:
        Whether it is there for sure; False where the text does not tell.

    Raises:
        ManifestError: There is no such module or function, or the module is no Python.
    """
    module, _, function = name.partition(":")
    try:
        tree = _parsed(module, folder)
    except (ImportError, SyntaxError, ValueError, OSError, RecursionError) as error:
        raise ManifestError(source, (f"actor {name!r}: {error}",)) from error
    if tree is None:
        return False
    names = set(_bound(tree.body))
    if function in names:
        return True
    if names & {_ANYTHING, "__getattr__"}:
        return False
    raise ManifestError(source, (f"actor {name!r}: {module!r} has no such function",))


def _parsed(module: str, folder: Path) -> ast.Module | None:
    """Parse a module; None where it is not made of text."""
    file = folder / f"{module.replace('.', '/')}.py"
    if not file.exists():
        spec = _found(module)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        if not spec.has_location or not str(spec.origin).endswith(".py"):
            return None
        file = Path(str(spec.origin))
    return ast.parse(read_bytes(file), str(file))


def _found(module: str) -> ModuleSpec | None:
    """Find a module as an import would, but import none of the packages around it."""
    places: Sequence[str] | None = None
    spec = None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        if end > 1 and places is None:
            return None  # what is around it is no package
        whole = ".".join(parts[:end])
        found = (finder.find_spec(whole, places) for finder in sys.meta_path)
        spec = next(filter(None, found), None)
        if spec is None:
            return None
        places = spec.submodule_search_locations
    return spec


def _bound(body: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the names that statements bind to what can be called."""
    for each in body:
        match each:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield each.name
            case ast.Import() | ast.ImportFrom():
                for alias in each.names:
                    yield alias.asname or alias.name.partition(".")[0]
            case ast.Assign(value=ast.Constant()) | ast.AnnAssign(value=ast.Constant()):
                pass
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case _:
                yield from _bound(list(ast.iter_child_nodes(each)))
