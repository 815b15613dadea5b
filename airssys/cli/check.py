"""Check files that people write, and whether components are what they say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
from attrs import frozen

from ..artifact import Artifact, check_actor, load
from ..config import HostConfig, load_config
from ..core.errors import (
    AirssysError,
    InvalidComponent,
    ManifestError,
)
from ..core.tree import ActorNode, ComponentNode, Node, SupervisorNode, Tree
from ..engine.component import Engine
from ..engine.types import InstanceType
from ..host.host_services import HOST_SERVICES
from ..host.messaging import MESSAGING
from ..system import engine_for
from ..trees import find_function
from .failure import BadInput, Status, explain
from .source import Kind, kind_of, read_tree

__all__ = ("check",)


def check(*manifests: Path, config: Path | None = None) -> int:
    """Check manifests, tree files and host files, and print every problem.

    Components are loaded: digest, world and imports are checked too. So are the
    components of a tree, and that its Python actors can be imported.

    Args:
        manifests: Component.toml files, or folders with one; tree files; host files.
        config: The host file whose memory ceiling holds.
    """
    if not manifests:
        raise BadInput("give at least one file to check")
    settings = load_config(config)
    checks = _Checks(settings, engine_for(settings))
    return anyio.run(_check, checks, manifests, backend="trio")


async def _check(checks: _Checks, paths: tuple[Path, ...]) -> int:
    count = 0
    for path in paths:
        found = False
        async for problem in checks.problems(path):
            print(problem)
            found = True
            count += 1
        if not found:
            print(f"{path}: no problems")
    return Status.FAILED if count else Status.DONE


@frozen
class _Checks:
    """What all checks of one command share."""

    settings: HostConfig
    engine: Engine

    async def problems(self, path: Path) -> AsyncIterator[str]:
        """Yield every problem, with its place."""
        try:
            kind = kind_of(path)
            match kind:
                case Kind.COMPONENT:
                    for problem in self._artifact(await self._load(path)):
                        yield f"{path}: {problem}"
                case Kind.TREE:
                    async for problem in self._tree(read_tree(path), path.parent):
                        yield problem
                case Kind.HOST:
                    load_config(path, environ={})
                case Kind.CODE:
                    await self.engine.load(path)
        except (AirssysError, OSError) as error:
            for problem in _told(path, error):
                yield problem

    async def _load(self, path: Path) -> Artifact:
        return await load(path, engine=self.engine, ceiling=self.settings.ceiling)

    def _artifact(self, artifact: Artifact) -> Iterator[str]:
        component, grants = artifact.component, artifact.manifest.grants
        try:
            check_actor(component)
        except InvalidComponent as error:
            yield str(error)
        for name, extern in component.imports.items():
            bare = not isinstance(extern, InstanceType) or not any(extern.functions())
            if not bare and name not in _OFFERED and not grants.offers(name):
                yield (
                    f"component {component.name!r} imports {name!r}, which is neither "
                    f"of airssys ({', '.join(map(repr, _OFFERED))}) nor granted "
                    "under capabilities.custom"
                )

    async def _tree(self, tree: Tree, folder: Path) -> AsyncIterator[str]:
        for node in _leaves(tree.root):
            try:
                if isinstance(node, ActorNode):
                    find_function(node.actor, folder, source=tree.source)
                    continue
                artifact = await self._load(folder / node.component)
                tree.narrow(node, artifact.manifest)
                for problem in self._artifact(artifact):
                    yield f"{folder / node.component}: {problem}"
            except (AirssysError, OSError) as error:
                for problem in _told(folder, error):
                    yield problem


_OFFERED = (HOST_SERVICES, MESSAGING)


def _leaves(node: Node) -> Iterator[ComponentNode | ActorNode]:
    if not isinstance(node, SupervisorNode):
        yield node
        return
    for child in node.children:
        yield from _leaves(child)


def _told(path: Path, error: Exception) -> Iterator[str]:
    if isinstance(error, ManifestError):
        yield from (f"{error.source}: {problem}" for problem in error.problems)
        return
    text, _ = explain(error)
    yield text if text.startswith(str(path)) else f"{path}: {text}"
