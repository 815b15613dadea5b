"""Tell what a path holds, and read it: a tree, a component, a host file."""

from __future__ import annotations

import tomllib
from enum import Enum
from pathlib import Path

from ..core.manifests.tree import Tree, parse_tree
from ..reading import read_text
from .failure import BadInput

__all__ = ("Kind", "kind_of", "read_tree")

_MANIFEST = "Component.toml"
_CODE = {".wasm", ".wat"}
# Not the capabilities, which a host file has too.
_MANIFEST_KEYS = {"package", "component", "resources", "supervision"}
_TREE_KEYS = {"supervisor", "child", "message"}


class Kind(Enum):
    """What a path holds."""

    COMPONENT = "component"
    """A Component.toml, or the folder with it."""
    CODE = "code"
    """A .wasm or .wat file."""
    TREE = "tree"
    HOST = "host"


def kind_of(path: Path) -> Kind:
    """Tell what a path holds.

    Raises:
        BadInput: There is nothing, or nothing that airssys knows.
        OSError: It cannot be read.
    """
    if path.is_dir():
        if (path / _MANIFEST).is_file():
            return Kind.COMPONENT
        raise BadInput(f"{path}: the folder has no {_MANIFEST}")
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder")
    if path.suffix in _CODE:
        return Kind.CODE
    if path.name == _MANIFEST:
        return Kind.COMPONENT
    if path.suffix == ".toml":
        return _kind_of_table(read_text(path))
    raise BadInput(
        f"{path}: airssys knows .toml, .wasm and .wat files, and folders with a "
        f"{_MANIFEST}"
    )


def _kind_of_table(text: str) -> Kind:
    try:
        keys = tomllib.loads(text).keys()
    except (ValueError, RecursionError):
        return Kind.TREE  # whose reader says what is wrong with it
    if keys & _TREE_KEYS:
        return Kind.TREE
    if keys & _MANIFEST_KEYS:
        return Kind.COMPONENT
    return Kind.HOST


def read_tree(path: Path) -> Tree:
    """Read a tree file.

    Raises:
        ManifestError: It breaks the schema; lists every problem.
        OSError: It cannot be read.
    """
    return parse_tree(read_text(path), source=str(path))
