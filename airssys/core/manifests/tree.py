"""Read tree files: a supervision tree of components and Python actors.

Folders are not resolved and functions not imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import TypeAlias

from attrs import evolve, field, frozen

from ..child import Restart
from ..defaults import GRACE, ROOT
from ..limits import SharedQuota
from ..names import ComponentName
from ..restart import (
    AutoShutdown,
    Backoff,
    Intensity,
    StopOrder,
    Strategy,
    SupervisorRules,
)
from ..toml.lines import KeyPath
from ..toml.rules import (
    Anything,
    Factor,
    Folder,
    Fraction,
    Function,
    Id,
    Shutdown,
    Whole,
)
from ..toml.schema import Problem, json_schema, read, refuse
from ..units import Seconds, Wait
from .manifest import Manifest
from .override import (
    CapabilitiesOverride,
    given,
    narrowed,
    raised,
    widened,
)
from .resources import ResourcesOverride
from .treecheck import NEVER_ENDS, check_tree
from .wasi import WasiOverride, inherited, rewired

__all__ = (
    "ActorNode",
    "BackoffTable",
    "ChildTable",
    "ComponentNode",
    "FirstMessage",
    "IntensityTable",
    "Node",
    "SupervisorNode",
    "SupervisorTable",
    "Tree",
    "TreeTable",
    "parse_tree",
    "tree_schema",
)


# --- what a tree is ---------------------------------------------------------------


@frozen(kw_only=True)
class ComponentNode:
    """A child that is a component."""

    id: str
    component: str
    """The folder with its Component.toml, or that file, relative to the tree file."""
    namespace: ComponentName | None = None
    """Where it keeps its keys; None: under its own name."""
    significant: bool = False
    restart: Restart | None = None
    """None: as the manifest says; so for `shutdown` and `start`."""
    shutdown: float | None = None
    start: float | None = None
    resources: ResourcesOverride = field(factory=ResourcesOverride)
    capabilities: CapabilitiesOverride = field(factory=CapabilitiesOverride)
    wasi: WasiOverride = field(factory=WasiOverride)
    config: Mapping[str, str] = field(factory=dict)
    """Replaces the manifest's configuration key by key."""
    path: KeyPath = ()
    """Where the tree file describes it."""


@frozen(kw_only=True)
class ActorNode:
    """A child that is a Python actor."""

    id: str
    actor: str
    """``module:function``."""
    args: tuple[object, ...] = ()
    significant: bool = False
    restart: Restart = Restart.PERMANENT
    shutdown: float = GRACE


@frozen(kw_only=True)
class SupervisorNode:
    """A supervisor and its children, in the order they start in."""

    id: str
    children: tuple[Node, ...]
    rules: SupervisorRules = field(factory=SupervisorRules)
    quota: SharedQuota = field(factory=SharedQuota)
    """What all below it may use together, beside what each may."""
    significant: bool = False
    restart: Restart = Restart.PERMANENT
    shutdown: float = inf
    """As OTP has it: a supervisor gets the time its children take."""


Node: TypeAlias = ComponentNode | ActorNode | SupervisorNode


@frozen(kw_only=True)
class FirstMessage:
    """A message that is sent once the tree has started."""

    to: Id | None = None
    """The actor; or else a topic."""
    topic: str | None = None
    payload: str = ""
    after: Wait = 0.0
    """From the start of the tree."""


@frozen(kw_only=True)
class Tree:
    """A tree file."""

    root: SupervisorNode
    messages: tuple[FirstMessage, ...] = ()
    source: str = field(default="", repr=False)
    text: str = field(default="", repr=False)

    def narrow(self, node: ComponentNode, manifest: Manifest) -> Manifest:
        """Return the component's manifest with what the tree file overrides.

        Raises:
            ManifestError: An override would give more than the manifest does; lists
                every one, with its place in the tree file.
        """
        problems = (
            *raised(node.resources, manifest, node.path),
            *widened(node.capabilities, manifest, node.path),
            *inherited(node.wasi, manifest.wasi, node.path),
            *_never_ends(node, manifest),
        )
        if problems:
            raise refuse(self.source, problems, self.text)
        supervision = evolve(
            manifest.supervision,
            **given(node, ("restart", "shutdown", "start")),
        )
        return evolve(
            manifest,
            component=evolve(
                manifest.component, config={**manifest.config, **node.config}
            ),
            resources=evolve(manifest.resources, **given(node.resources)),
            capabilities=narrowed(node.capabilities, manifest.capabilities),
            wasi=rewired(node.wasi, manifest.wasi),
            supervision=supervision,
        )


# --- how it is written ------------------------------------------------------------


@frozen(kw_only=True)
class IntensityTable:
    """How many restarts within how long are too many."""

    restarts: Whole = Intensity().restarts
    period: Seconds = Intensity().period


@frozen(kw_only=True)
class BackoffTable:
    """How long a child waits before it is started again."""

    initial: Wait = Backoff().initial
    factor: Factor = Backoff().factor
    maximum: Wait = Backoff().maximum
    jitter: Fraction = Backoff().jitter
    healthy: Wait = Backoff().healthy


@frozen(kw_only=True)
class SupervisorTable:
    """A supervisor's rules."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: IntensityTable = IntensityTable()
    backoff: BackoffTable = BackoffTable()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    stop: StopOrder = StopOrder.ORDERED
    quota: SharedQuota = field(factory=SharedQuota)


@frozen(kw_only=True)
class ChildTable:
    """A child: a component, a Python actor, or a supervisor with children."""

    id: Id
    restart: Restart | None = None
    shutdown: Shutdown | None = None
    start: Seconds | None = None
    significant: bool = False
    component: Folder | None = None
    namespace: ComponentName | None = None
    resources: ResourcesOverride = field(factory=ResourcesOverride)
    capabilities: CapabilitiesOverride = field(factory=CapabilitiesOverride)
    wasi: WasiOverride = field(factory=WasiOverride)
    config: Mapping[str, str] = field(factory=dict)
    actor: Function | None = None
    args: tuple[Anything, ...] = ()
    supervisor: SupervisorTable | None = None
    child: tuple[ChildTable, ...] = ()


@frozen(kw_only=True)
class TreeTable:
    """A tree file: the supervisor at the top, its children, and first messages."""

    name: Id = ROOT
    """The id of the supervisor at the top."""
    supervisor: SupervisorTable = SupervisorTable()
    child: tuple[ChildTable, ...] = ()
    message: tuple[FirstMessage, ...] = ()


def parse_tree(text: str, *, source: str = "tree.toml") -> Tree:
    """Read the text of a tree file.

    Args:
        text: The whole file.
        source: The file's path, for the error.

    Raises:
        ManifestError: The text breaks TOML or the schema; lists every problem, with
            its place and line.
    """
    table = read(text, TreeTable, source=source, check=check_tree)
    root = _supervisor(table.name, table.supervisor, _nodes(table.child, ()))
    return Tree(root=root, messages=table.message, source=source, text=text)


def tree_schema() -> dict[str, object]:
    """Return the JSON Schema of a tree file."""
    return json_schema(TreeTable, title="tree file")


# --- from tables to nodes ---------------------------------------------------------


def _nodes(children: Iterable[ChildTable], path: KeyPath) -> tuple[Node, ...]:
    return tuple(
        _node(child, (*path, "child", index)) for index, child in enumerate(children)
    )


def _node(child: ChildTable, path: KeyPath) -> Node:
    if child.component is not None:
        return ComponentNode(
            id=child.id,
            component=child.component,
            namespace=child.namespace,
            significant=child.significant,
            restart=child.restart,
            shutdown=child.shutdown,
            start=child.start,
            resources=child.resources,
            capabilities=child.capabilities,
            wasi=child.wasi,
            config=child.config,
            path=path,
        )
    options = given(child, ("restart", "shutdown", "significant"))
    if child.actor is not None:
        return ActorNode(id=child.id, actor=child.actor, args=child.args, **options)
    assert child.supervisor is not None
    nodes = _nodes(child.child, path)
    return evolve(_supervisor(child.id, child.supervisor, nodes), **options)


def _supervisor(
    id_: str, table: SupervisorTable, children: tuple[Node, ...]
) -> SupervisorNode:
    rate, wait = table.intensity, table.backoff
    rules = SupervisorRules(
        strategy=table.strategy,
        intensity=Intensity(rate.restarts, rate.period),
        backoff=Backoff(
            wait.initial, wait.factor, wait.maximum, wait.jitter, wait.healthy
        ),
        auto_shutdown=table.auto_shutdown,
        stop=table.stop,
    )
    return SupervisorNode(
        id=id_,
        children=children,
        rules=rules,
        quota=table.quota,
    )


def _never_ends(node: ComponentNode, manifest: Manifest) -> Iterator[Problem]:
    restart = node.restart or manifest.supervision.restart
    if node.significant and not restart.may_end:
        yield Problem((*node.path, "significant"), NEVER_ENDS)
