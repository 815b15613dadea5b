"""Print the tree that a tree file describes, without running it."""

from __future__ import annotations

from math import isinf
from pathlib import Path

import anyio
from rich.console import Console
from rich.text import Text
from rich.tree import Tree as Picture

from ..artifact import load_manifest
from ..config import load_config
from ..core.restart import AutoShutdown, Backoff
from ..core.tree import ActorNode, ComponentNode, Node, SupervisorNode, Tree
from ..core.units import show_duration
from .failure import BadInput
from .source import Kind, kind_of, read_tree

__all__ = ("names", "picture", "tree")


def tree(file: Path, /, *, config: Path | None = None) -> None:
    """Print the tree that a tree file describes: supervisors, rules, children.

    Args:
        file: The tree file.
        config: The host file, which may raise or lower the ceiling on memory.
    """
    if kind_of(file) is not Kind.TREE:
        raise BadInput(f"{file}: it is no tree file")
    console = Console(highlight=False, markup=False)
    drawn = anyio.run(
        picture, read_tree(file), file.parent, load_config(config).ceiling
    )
    console.print(drawn, soft_wrap=True)


async def picture(tree: Tree, folder: Path, ceiling: int) -> Picture:
    """Draw a tree; what it leaves to a component's manifest is looked up there.

    Raises:
        ManifestError: The manifest of a component breaks its schema.
    """
    top = Picture(_supervisor(tree.root), guide_style="dim")
    await _grow(top, tree, tree.root, folder, ceiling)
    return top


def names(node: Node) -> list[str]:
    """Return the ids of a node and all below it."""
    below = node.children if isinstance(node, SupervisorNode) else ()
    return [node.id, *(name for child in below for name in names(child))]


async def _grow(
    branch: Picture,
    tree: Tree,
    supervisor: SupervisorNode,
    folder: Path,
    ceiling: int,
) -> None:
    for node in supervisor.children:
        match node:
            case SupervisorNode():
                below = branch.add(_supervisor(node))
                await _grow(below, tree, node, folder, ceiling)
            case ActorNode():
                branch.add(_child(node, f"actor {node.actor}", node.restart.value))
            case ComponentNode():
                path = folder / node.component
                _, manifest = await load_manifest(path, ceiling=ceiling)
                rule = tree.narrow(node, manifest).supervision
                what = f"component {node.component}"
                branch.add(_child(node, what, rule.restart.value))


def _child(node: Node, what: str, restart: str) -> Text:
    words = [what, restart]
    if node.significant:
        words.append("significant")
    return Text.assemble((node.id, "bold"), "  ", (", ".join(words), "dim"))


def _supervisor(node: SupervisorNode) -> Text:
    rate = node.intensity
    times = "restart" if rate.restarts == 1 else "restarts"
    words = [
        node.strategy.value,
        f"at most {rate.restarts} {times} in {show_duration(rate.period)}",
    ]
    if node.backoff != Backoff():
        words.append(_waits(node.backoff))
    if node.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT:
        words.append("ends with a significant child")
    elif node.auto_shutdown is AutoShutdown.ALL_SIGNIFICANT:
        words.append("ends with its significant children")
    if not isinf(node.shutdown):
        words.append(f"stops within {show_duration(node.shutdown)}")
    style = "bold magenta"
    return Text.assemble((node.id, style), "  ", (", ".join(words), "dim"))


def _waits(backoff: Backoff) -> str:
    first, last = show_duration(backoff.initial), show_duration(backoff.maximum)
    return f"waits {first} to {last}"
