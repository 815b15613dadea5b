"""Check files that people write, and whether components are what they say."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import anyio
from attrs import frozen
from cyclopts import Parameter

from ..artifacts.folder import Artifact, load
from ..artifacts.namespaces import Claim, Namespaces
from ..artifacts.runnable import check_runnable, serves
from ..config import load_config
from ..core.errors import AirssysError, InvalidComponent, ManifestError
from ..core.grants.grants import Grants
from ..core.grants.pattern import Pattern
from ..core.manifests.host import HostConfig
from ..core.manifests.manifest import Manifest
from ..core.manifests.tree import ActorNode, ComponentNode, Node, SupervisorNode, Tree
from ..core.units import show_moment
from ..engine.component import Engine
from ..observe.line import printable, printable_lines
from ..system.trees import find_function
from ..system.unimported import look_for_function
from ..witmodel.signatures import is_known
from ..witmodel.types import InstanceType
from .failure import BadInput, Status, explain
from .source import Kind, kind_of, read_tree
from .waiting import engine_with_progress
from .wasi_imports import lacking, unopened

__all__ = ("check",)


def check(
    *manifests: Path,
    config: Path | None = None,
    import_: Annotated[bool, Parameter(name="--import", negative="")] = False,
) -> int:
    """Check manifests, tree files and host files, and print every problem.

    Components are loaded: digest, world and imports are checked too. So are the
    components of a tree, and that its Python actors are in the text of their modules:
    nothing of them is run. Grants that have expired, and those over paths that lead
    through a symlink, are warned of; a note says what a component imports of WASI and
    has no grant for.

    Args:
        manifests: Component.toml files, or folders with one; tree files; host files.
        config: The host file, whose ceilings on memory and capabilities hold.
        import_: Import the Python actors of trees, and so run their modules: for names
            that only exist then, and for what the modules import themselves.
    """
    if not manifests:
        raise BadInput("give at least one file to check")
    settings = load_config(config)
    checks = _Checks(settings, engine_with_progress(settings), import_)
    return anyio.run(_check, checks, manifests, backend="trio")


async def _check(checks: _Checks, paths: tuple[Path, ...]) -> int:
    failed = False
    for path in paths:
        problems = 0
        async for found in checks.findings(path):
            print(printable_lines(str(found)))
            problems += found.weight is _Weight.PROBLEM
        if not problems:
            print(printable(f"{path}: no problems"))
        failed = failed or problems > 0
    return Status.FAILED if failed else Status.DONE


class _Weight(Enum):
    """How much a finding matters."""

    PROBLEM = "problem"
    """The file cannot be used as it is."""
    WARNING = "warning"
    """It can, and its author may mean it so."""
    NOTE = "note"
    """It can, and its author most likely does."""


@frozen
class _Finding:
    """What was found out about a file."""

    where: object
    """The file; empty where the text says it."""
    text: str
    weight: _Weight = _Weight.PROBLEM

    def __str__(self) -> str:
        light = self.weight is not _Weight.PROBLEM
        text = f"{self.weight.value}: {self.text}" if light else self.text
        return f"{self.where}: {text}" if self.where else text


@frozen
class _Checks:
    """What all checks of one command share."""

    settings: HostConfig
    engine: Engine
    imports: bool
    """Whether Python actors are imported."""

    async def findings(self, path: Path) -> AsyncIterator[_Finding]:
        """Yield every problem, with its place, and every warning."""
        try:
            kind = kind_of(path)
            match kind:
                case Kind.COMPONENT:
                    artifact = await self._load(path)
                    # A service runs by itself, in no tree.
                    if not serves(artifact.component):
                        for found in self._runnable(path, artifact):
                            yield found
                    for found in self._artifact(path, artifact, artifact.manifest):
                        yield found
                case Kind.TREE:
                    async for found in self._tree(read_tree(path), path.parent):
                        yield found
                case Kind.HOST:
                    ceiling = load_config(path, environ={}).capabilities
                    for found in _symlinked(path, Grants.of(ceiling)):
                        yield found
                case Kind.CODE:
                    await self.engine.load(path)
        except (AirssysError, OSError) as error:
            for found in _findings(path, error):
                yield found

    async def _load(self, path: Path) -> Artifact:
        return await load(path, engine=self.engine, ceiling=self.settings.ceiling)

    def _runnable(self, path: Path, artifact: Artifact) -> Iterator[_Finding]:
        """Check that a component can be a child of a supervisor."""
        try:
            check_runnable(artifact.component)
        except InvalidComponent as error:
            yield _Finding(path, str(error))

    def _artifact(
        self, path: Path, artifact: Artifact, manifest: Manifest
    ) -> Iterator[_Finding]:
        """Check a component under its manifest, or under what a tree left of it."""
        component = artifact.component
        for _, reason in component.needs.beyond(
            manifest.limits, component.added.memories
        ):
            yield _Finding(path, f"no instance of {component.name!r}: {reason}")
        grants = manifest.grants
        try:
            grants = self.settings.admit(grants, source=str(path))
        except ManifestError as error:
            yield from _findings(path, error)
        for name, extern in component.imports.items():
            bare = not isinstance(extern, InstanceType) or not any(extern.functions())
            granted = name.partition("@")[0] in grants.interfaces
            if not bare and not is_known(name) and not granted:
                yield _Finding(
                    path,
                    f"component {component.name!r} imports {name!r}, which is neither "
                    "of airssys nor granted under capabilities.custom",
                )
        for words in unopened(manifest.wasi, grants):
            yield _Finding(path, f"component {component.name!r}: {words}")
        for words in lacking(component.imports, grants, manifest.wasi):
            yield _Finding(path, words, _Weight.NOTE)
        now = time.time()
        for section, end in grants.expires.items():
            if now >= end:
                yield _Finding(
                    path,
                    f"the grants of {section!r} expired at {show_moment(end)}",
                    _Weight.WARNING,
                )
        yield from _symlinked(path, grants)

    async def _tree(self, tree: Tree, folder: Path) -> AsyncIterator[_Finding]:
        namespaces = Namespaces()
        for node in _leaves(tree.root):
            try:
                if isinstance(node, ActorNode):
                    for found in self._actor(node.actor, tree.source, folder):
                        yield found
                    continue
                path = folder / node.component
                artifact = await self._load(path)
                manifest = tree.narrow(node, artifact.manifest)
                for found in self._runnable(path, artifact):
                    yield found
                for found in self._artifact(path, artifact, manifest):
                    yield found
                given = None if node.namespace is None else str(node.namespace)
                claim = Claim(
                    artifact.component, artifact.manifest, str(artifact.path), given
                )
                namespaces.check(claim)
                namespaces.hold(claim)
            except (AirssysError, OSError) as error:
                for found in _findings(folder, error):
                    yield found

    def _actor(self, name: str, source: str, folder: Path) -> Iterator[_Finding]:
        if self.imports:
            find_function(name, folder, source=source)
        elif not look_for_function(name, folder, source=source):
            text = f"actor {name!r}: its module does not tell before it runs (--import)"
            yield _Finding(source, text, _Weight.WARNING)


def _symlinked(path: Path, grants: Grants) -> Iterator[_Finding]:
    """Warn of patterns that begin with a symlink: real paths are what is matched."""
    patterns = (
        pattern
        for section, action, pattern in grants
        if section == "filesystem" or (section, action) == ("process", "spawn")
    )
    for pattern in dict.fromkeys(patterns):
        assert isinstance(pattern, Pattern)
        for front, rest in pattern.fronts:
            real = os.path.realpath(front) if front else front
            if real != front:
                yield _Finding(
                    path,
                    f"{front + rest!r} leads through a symlink, and real paths are "
                    f"what is matched: write {real + rest!r}",
                    _Weight.WARNING,
                )


def _leaves(node: Node) -> Iterator[ComponentNode | ActorNode]:
    if not isinstance(node, SupervisorNode):
        yield node
        return
    for child in node.children:
        yield from _leaves(child)


def _findings(path: Path, error: Exception) -> Iterator[_Finding]:
    if isinstance(error, ManifestError):
        yield from (_Finding(error.source, problem) for problem in error.problems)
        return
    text, _ = explain(error)
    yield _Finding("" if text.startswith(str(path)) else path, text)
