"""Print the tree that a tree file describes, without running it."""

from __future__ import annotations

import sys
from math import isinf
from pathlib import Path

import anyio
from attrs import asdict
from rich.console import Console
from rich.text import Text
from rich.tree import Tree as Picture

from ..artifacts.folder import load_manifest
from ..config import load_config
from ..core.limits import SharedQuota
from ..core.manifests.host import HostConfig
from ..core.manifests.tree import ActorNode, ComponentNode, Node, SupervisorNode, Tree
from ..core.restart import AutoShutdown, Backoff
from ..core.toml.schema import shown
from ..core.units import show_duration
from .failure import BadInput
from .source import Kind, kind_of, read_tree

__all__ = ("names", "picture", "tree")

_WIDE = 10_000
"""Characters of a line."""


def tree(file: Path, /, *, config: Path | None = None) -> None:
    """Print the tree that a tree file describes: supervisors, rules, children.

    Args:
        file: The tree file.
        config: The host file, whose ceilings on memory and capabilities hold.
    """
    if kind_of(file) is not Kind.TREE:
        raise BadInput(f"{file}: it is no tree file")
    # In a file or a pipe nothing is cut off, however long.
    width = None if sys.stdout.isatty() else _WIDE
    console = Console(highlight=False, markup=False, width=width)
    drawn = anyio.run(picture, read_tree(file), file.parent, load_config(config))
    console.print(drawn)


async def picture(tree: Tree, folder: Path, settings: HostConfig) -> Picture:
    """Draw a tree; what it leaves to a component's manifest is looked up there.

    Raises:
        ManifestError: The manifest of a component breaks its schema, or grants more
            than the host allows.
    """
    top = Picture(_supervisor(tree.root), guide_style="dim")
    await _grow(top, tree, tree.root, folder, settings)
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
    settings: HostConfig,
) -> None:
    for node in supervisor.children:
        match node:
            case SupervisorNode():
                below = branch.add(_supervisor(node))
                await _grow(below, tree, node, folder, settings)
            case ActorNode():
                branch.add(_child(node, f"actor {node.actor}", node.restart.value))
            case ComponentNode():
                path = folder / node.component
                file, manifest = await load_manifest(path, ceiling=settings.ceiling)
                manifest = tree.narrow(node, manifest)
                settings.admit(manifest.grants, source=str(file))
                what = f"component {node.component}"
                branch.add(_child(node, what, manifest.supervision.restart.value))


def _child(node: Node, what: str, restart: str) -> Text:
    words = [what, restart]
    if node.significant:
        words.append("significant")
    return Text.assemble((node.id, "bold"), "  ", (", ".join(words), "dim"))


def _supervisor(node: SupervisorNode) -> Text:
    rules = node.rules
    rate = rules.intensity
    times = "restart" if rate.restarts == 1 else "restarts"
    words = [
        rules.strategy.value,
        f"at most {rate.restarts} {times} in {show_duration(rate.period)}",
    ]
    if rules.backoff != Backoff():
        words.append(_waits(rules.backoff))
    match rules.auto_shutdown:
        case AutoShutdown.NEVER:
            pass
        case AutoShutdown.ANY_SIGNIFICANT:
            words.append("ends with a significant child")
        case AutoShutdown.ALL_SIGNIFICANT:
            words.append("ends with its significant children")
    if not isinf(node.shutdown):
        words.append(f"stops within {show_duration(node.shutdown)}")
    if quota := _quota(node.quota):
        words.append(f"shares {quota}")
    style = "bold magenta"
    return Text.assemble((node.id, style), "  ", (", ".join(words), "dim"))


def _waits(backoff: Backoff) -> str:
    first, last = show_duration(backoff.initial), show_duration(backoff.maximum)
    return f"waits {first} to {last}"


def _quota(quota: SharedQuota) -> str:
    """Put a shared quota into words; the empty text for a quota without limits."""
    return " and ".join(
        f"{shown(SharedQuota, word, limit)} of {word.replace('_', ' ')}"
        for word, limit in asdict(quota).items()
        if limit is not None
    )
