"""The examples of docs/component-toml.md are read by what they are examples of."""

from __future__ import annotations

import re
from pathlib import Path

from airssys.config import load_config
from airssys.core.manifests.manifest import parse_manifest
from airssys.core.manifests.tree import parse_tree

PAGE = Path(__file__).parents[1] / "docs" / "component-toml.md"


def example(name: str) -> str:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if block.startswith(f"# {name}\n")]
    return str(block)


def test_the_manifest_of_the_docs_is_read() -> None:
    assert str(parse_manifest(example("Component.toml")).name) == "acme/counter"


def test_the_tree_of_the_docs_is_read() -> None:
    assert len(parse_tree(example("tree.toml")).root.children) == 3


def test_the_host_file_of_the_docs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    path.write_text(example("host.toml"))

    assert load_config(path, environ={}).name == "edge"
