"""Turn a tree file into child specs, and send its first messages."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import anyio
from attrs import evolve, frozen

from ..actors.registry import Registry
from ..artifacts.folder import Artifact
from ..core.budget import Budget
from ..core.child import ChildSpec
from ..core.errors import DeliveryError, ManifestError
from ..core.event import DeadLettered
from ..core.manifests.tree import (
    ActorNode,
    ComponentNode,
    FirstMessage,
    Node,
    SupervisorNode,
    Tree,
)
from ..core.message import HOST
from ..supervision.nested import nested
from .specs import ActorSpecs, ChildRules, ComponentPlan, give_up

__all__ = ("TreeBuilder", "find_function", "send_first")


@frozen
class TreeBuilder:
    """Makes child specs of a tree's nodes."""

    tree: Tree
    folder: Path
    """What the tree's paths are relative to."""
    specs: ActorSpecs
    load: Callable[[Path], Awaitable[Artifact]]
    """Reads a component's folder."""
    shared: Budget | None = None
    """The budget of the nearest supervisor above that has one."""

    async def spec(self, node: Node) -> ChildSpec:
        """Describe a node; actors in it have their ids from now on.

        Raises:
            ManifestError: An override gives more than the manifest, or a Python actor
                is not there; likewise whatever reading a component raises.
        """
        match node:
            case ComponentNode():
                artifact = await self.load(self.folder / node.component)
                # Not on the event loop: there may be thousands of patterns to compare.
                narrow = partial(self.tree.narrow, node, artifact.manifest)
                manifest = await anyio.to_thread.run_sync(
                    narrow, abandon_on_cancel=True
                )
                rule = manifest.supervision
                namespace = None if node.namespace is None else str(node.namespace)
                return await self.specs.component(
                    node.id,
                    ComponentPlan(
                        artifact.component,
                        manifest,
                        str(artifact.path),
                        written=artifact.manifest,
                        namespace=namespace,
                    ),
                    ChildRules(
                        rule.restart,
                        rule.shutdown,
                        node.significant,
                        rule.start,
                    ),
                    self.shared,
                )
            case ActorNode():
                return self.specs.function(
                    node.id,
                    find_function(node.actor, self.folder, source=self.tree.source),
                    node.args,
                    ChildRules(node.restart, node.shutdown, node.significant),
                )
            case SupervisorNode():
                return await self._supervisor(node)

    async def _supervisor(self, node: SupervisorNode) -> ChildSpec:
        specs: list[ChildSpec] = []
        shared = self.specs.share(node.id, node.quota, self.shared)
        below = evolve(self, shared=shared)
        with ExitStack() as undo:
            undo.callback(give_up, specs)
            for child in node.children:
                specs.append(await below.spec(child))  # noqa: PERF401 - for the undoing
            undo.pop_all()
        spec = nested(
            node.id,
            specs,
            node.rules,
            restart=node.restart,
            significant=node.significant,
        )
        gone = partial(give_up, specs)
        return evolve(spec, shutdown=node.shutdown, gone=gone)


async def send_first(registry: Registry, messages: Sequence[FirstMessage]) -> None:
    """Send a tree's first messages, each at its time."""
    start = anyio.current_time()
    for message in sorted(messages, key=lambda message: message.after):
        await anyio.sleep_until(start + message.after)
        try:
            if message.topic is not None:
                await registry.publish(message.topic, message.payload)
            else:
                assert message.to is not None
                await registry.send(message.to, message.payload)
        except DeliveryError as error:
            # It has ended, or takes no more; the tree goes on without the message.
            _lose(registry, message, error)


def _lose(registry: Registry, message: FirstMessage, error: Exception) -> None:
    payload, target = message.payload.encode(), str(message.to or message.topic)
    registry.office.emitter.emit(
        lambda at: DeadLettered(
            at=at,
            subject=target,
            sender=HOST,
            reason=str(error),
            size=len(payload),
            topic=message.topic,
            payload=payload,
        )
    )


# --- Python actors ----------------------------------------------------------------


def find_function(
    name: str, folder: Path, *, source: str
) -> Callable[..., Awaitable[object]]:
    """Import a Python actor, ``module:function``.

    A module in the tree's folder comes before any other of that name, and stays apart
    from modules of that name in other trees' folders.

    Args:
        name: What the tree file says.
        folder: The tree's folder.
        source: The tree file, for the error.

    Raises:
        ManifestError: There is no such module or function, or the module is broken.
    """
    module_name, _, function_name = name.partition(":")
    try:
        module = _module(module_name, folder.resolve())
    except (ImportError, SyntaxError) as error:
        raise ManifestError(source, (f"actor {name!r}: {error}",)) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ManifestError(
            source, (f"actor {name!r}: {module_name!r} has no such function",)
        )
    found: Callable[..., Awaitable[object]] = function
    return found


def _module(name: str, folder: Path) -> ModuleType:
    file = folder / f"{name.replace('.', '/')}.py"
    if not file.is_file():
        return importlib.import_module(name)
    unique = f"{name} of {folder}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[unique] = importlib.util.module_from_spec(spec)
    with _importing_from(folder), ExitStack() as undo:
        undo.callback(sys.modules.pop, unique)
        spec.loader.exec_module(module)
        undo.pop_all()
    return module


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let a module import its neighbours while it is imported itself."""
    path = str(folder)
    sys.path.insert(0, path)
    try:
        yield
    finally:
        sys.path.remove(path)
