"""Print the JSON Schemas of the files that people write."""

from __future__ import annotations

import json
from typing import Final, Literal

from ..core.manifests.host import host_schema
from ..core.manifests.manifest import manifest_schema
from ..core.manifests.tree import tree_schema

__all__ = ("schema",)

_SCHEMAS: Final = {
    "component": manifest_schema,
    "tree": tree_schema,
    "host": host_schema,
}


def schema(kind: Literal["component", "tree", "host"] = "component", /) -> None:
    """Print the JSON Schema of a kind of file, for editors and other checkers.

    Args:
        kind: Component.toml, tree files, or host files.
    """
    print(json.dumps(_SCHEMAS[kind](), indent=2))
