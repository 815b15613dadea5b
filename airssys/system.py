"""Put everything together: open a system, spawn actors, run a tree file."""

from __future__ import annotations

import importlib
import os
import random as _random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel
from attrs import asdict, define, evolve, field, frozen

from .abc import Guard, HostInterface, Instrument
from .actor import run_actor, run_component
from .artifact import Artifact, check_actor, load
from .config import HostConfig, load_config
from .core.capability import Grants
from .core.errors import DeliveryError, ManifestError
from .core.event import DeadLettered
from .core.limits import Limits
from .core.message import HOST, Overflow
from .core.restart import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    HealthCheck,
    Intensity,
    Restart,
    Strategy,
)
from .core.tree import ActorNode, ComponentNode, FirstMessage, SupervisorNode, Tree
from .engine.component import Component, Engine
from .engine.fiber import Slicing
from .engine.instance import Instance
from .host.guard import guard_for
from .host.host_services import host_services
from .host.messaging import messaging
from .mailbox import CAPACITY, PAYLOAD, ActorRef, Inbox, PostOffice
from .observe import FanOut, Tally
from .registry import About, Entry, Registry
from .supervisor import ChildStatus, Supervisor, open_supervisor, supervise

__all__ = ("System", "engine_for", "find_function", "open_system", "root_rules")

_GRACE = 5.0


@asynccontextmanager
async def open_system(
    config: HostConfig | str | os.PathLike[str] | None = None,
    *,
    name: str = "root",
    engine: Engine | None = None,
    interfaces: Sequence[HostInterface] = (),
    instruments: Sequence[Instrument] = (),
    deliveries: bool = False,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = Intensity(),  # noqa: B008 - a frozen value
    backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    random: Callable[[], float] = _random.random,
) -> AsyncIterator[System]:
    """Open a system; leaving the block stops its actors in reverse order.

    Args:
        config: The host's settings, a host file, or None: what the environment says.
        name: Names the root supervisor in events and errors.
        engine: Runs the components; None: one made from the settings.
        interfaces: Host extensions. A component gets those of them that its manifest
            names under ``capabilities.custom``.
        instruments: Are told every event.
        deliveries: Whether each message taken is an event too.
        strategy: These are the root supervisor's: see `open_supervisor`.
        intensity: Of the root supervisor.
        backoff: Of the root supervisor.
        auto_shutdown: Of the root supervisor.
        random: Gives numbers from 0 up to 1, for the jitter of ``backoff``.

    Raises:
        ManifestError: The host file or the environment breaks the schema.
        RestartsExhausted: In an ExceptionGroup, when the root supervisor gives up.
    """
    if not isinstance(config, HostConfig):
        config = load_config(config)
    tally = Tally()
    fan_out = FanOut((tally, *instruments))
    registry = Registry(PostOffice(instrument=fan_out, deliveries=deliveries))
    async with anyio.create_task_group() as nursery:
        timing = anyio.CancelScope(shield=True)
        await nursery.start(_keep_time, registry.office, timing)
        try:
            async with open_supervisor(
                name=name,
                strategy=strategy,
                intensity=intensity,
                backoff=backoff,
                auto_shutdown=auto_shutdown,
                instrument=fan_out,
                random=random,
            ) as supervisor:
                yield System(
                    engine=engine or engine_for(config),
                    config=config,
                    supervisor=supervisor,
                    registry=registry,
                    tally=tally,
                    nursery=nursery,
                    interfaces=(
                        host_services(registry, instrument=fan_out),
                        messaging(registry, instrument=fan_out),
                    ),
                    extensions=tuple(interfaces),
                    guard=guard_for(fan_out),
                )
        finally:
            timing.cancel()
        nursery.cancel_scope.cancel()


async def _keep_time(
    office: PostOffice,
    scope: anyio.CancelScope,
    *,
    task_status: anyio.abc.TaskStatus[None],
) -> None:
    """Keep the time of asks until the scope is cancelled, and by nothing else.

    Where the system is cancelled from outside, its actors are still asked to stop, and
    may have to wait for each other's replies.
    """
    with scope:
        await office.keep_time(task_status=task_status)


def engine_for(config: HostConfig) -> Engine:
    """Make the engine that a host's settings describe."""
    given = asdict(config.slices, filter=lambda _, value: value is not None)
    return Engine(cache=config.cache, threads=config.threads, slicing=Slicing(**given))


@frozen
class _Plan:
    """What makes a component actor: everything but its id."""

    component: Component
    limits: Limits
    grants: Grants = field(factory=Grants)
    config: dict[str, str] = field(factory=dict)
    capacity: int = CAPACITY
    overflow: Overflow = Overflow.WAIT
    payload: int = PAYLOAD
    health: tuple[float, float, int] | None = None
    """Seconds between checks, seconds for an answer, failures in a row."""


def _plan(artifact: Artifact) -> _Plan:
    manifest = artifact.manifest
    rule = manifest.supervision.health
    return _Plan(
        artifact.component,
        manifest.limits,
        manifest.grants,
        dict(manifest.config),
        manifest.mailbox,
        manifest.overflow,
        manifest.quota.payload,
        None if rule is None else (rule.every, rule.timeout, rule.failures),
    )


@define(eq=False, kw_only=True)
class System:
    """Actors under supervision, and the ways to reach them. Made by `open_system`."""

    engine: Engine
    config: HostConfig
    supervisor: Supervisor
    """The root supervisor. Plain functions can be its children too."""
    registry: Registry
    tally: Tally
    """Counts of what has happened so far."""
    _nursery: anyio.abc.TaskGroup
    _interfaces: tuple[HostInterface, ...]
    _extensions: tuple[HostInterface, ...]
    _guard: Guard
    _artifacts: dict[Path, Artifact] = field(factory=dict, init=False)
    _about: WeakKeyDictionary[Component, About] = field(
        factory=WeakKeyDictionary, init=False
    )

    @property
    def children(self) -> tuple[ChildStatus, ...]:
        """The tree at this moment: the root's children, each with its own."""
        return self.supervisor.children

    @property
    def messages(self) -> int:
        """How many messages actors have taken so far."""
        return self.registry.taken

    async def spawn(
        self,
        what: str | os.PathLike[str] | Component | Callable[..., Awaitable[object]],
        *args: object,
        id: str | None = None,  # noqa: A002 - the field's word
        limits: Limits | None = None,
        grants: Grants | None = None,
        config: dict[str, str] | None = None,
        mailbox: int | None = None,
        overflow: Overflow | None = None,
        restart: Restart | None = None,
        shutdown: float | None = None,
        significant: bool = False,
    ) -> ActorRef:
        """Start an actor under the root supervisor and return how to reach it.

        Args:
            what: A folder with a Component.toml, or that file; a `Component`; or a
                Python function, called as ``what(actor, *args)``.
            args: For a Python function.
            id: The actor's id; by default the package's name, the component's, or the
                function's with ``-`` for ``_``.
            limits: For a `Component`; a manifest has its own.
            grants: For a `Component`; a manifest has its own.
            config: For a component's ``init`` and ``get-config``; over its manifest's.
            mailbox: Messages that may wait; by default 1000, or as the manifest says.
            overflow: What a full mailbox does; by default senders wait, or as the
                manifest says.
            restart: By default permanent, or as the manifest says.
            shutdown: Seconds from asking it to stop to cutting it off; by default 5, or
                as the manifest says.
            significant: Whether its end counts for the root's ``auto_shutdown``.

        Raises:
            ManifestError: The manifest breaks its schema.
            ComponentError: The component cannot be an actor.
            InitFailed: Its ``init`` returned an error; likewise whatever else its
                ``init`` ended with.
            ValueError: The id is taken, or is no id.
            TypeError: An option means nothing for what is to be started.
        """
        if isinstance(what, Component):
            _refuse_options("a component", args=args or None)
            if what not in self._about:
                check_actor(what)
            plan = _Plan(what, limits or Limits(), grants or Grants())
            spec = self._component_spec(
                id or what.name,
                _adjusted(plan, config, mailbox, overflow),
                restart or Restart.PERMANENT,
                _GRACE if shutdown is None else shutdown,
                significant=significant,
            )
        elif callable(what):
            _refuse_options("a function", limits=limits, grants=grants, config=config)
            name = str(getattr(what, "__name__", "actor"))
            spec = self._actor_spec(
                id or name.strip("_").replace("_", "-"),
                what,
                args,
                restart or Restart.PERMANENT,
                _GRACE if shutdown is None else shutdown,
                significant=significant,
                capacity=CAPACITY if mailbox is None else mailbox,
                overflow=overflow or Overflow.WAIT,
            )
        else:
            _refuse_options(
                "a manifest", args=args or None, limits=limits, grants=grants
            )
            artifact = await self.load(what)
            rule = artifact.manifest.supervision
            spec = self._component_spec(
                id or str(artifact.manifest.name),
                _adjusted(_plan(artifact), config, mailbox, overflow),
                restart or rule.restart,
                rule.shutdown if shutdown is None else shutdown,
                significant=significant,
            )
        ref = self.registry.ref(spec.id)  # it may have ended when start returns
        await self._start(spec)
        return ref

    async def _start(self, spec: ChildSpec) -> None:
        """Start a child of the root; give its id back where that is refused."""
        started = False
        try:
            await self.supervisor.start(spec)
            started = True
        finally:
            if not started:
                _give_up((spec,))

    async def stop(self, id: str) -> None:  # noqa: A002 - the field's word
        """Stop an actor that was spawned, for good; its mailbox is closed.

        Raises:
            NoSuchChild: No actor of that id was spawned here.
        """
        await self.supervisor.remove(id)

    def actor(self, id: str) -> ActorRef:  # noqa: A002 - the field's word
        """Return how to reach an actor.

        Raises:
            NoSuchActor: There is none of that id; names those that are near.
        """
        return self.registry.ref(id)

    async def publish(self, topic: str, payload: bytes | str) -> int:
        """Send a message to all who subscribed; return how many mailboxes took it."""
        return await self.registry.publish(topic, payload)

    def subscribe(
        self,
        pattern: str,
        *,
        capacity: int = CAPACITY,
        overflow: Overflow = Overflow.DROP_OLDEST,
    ) -> AbstractAsyncContextManager[Inbox]:
        """Subscribe to topics: ``async with system.subscribe("orders.#") as messages``.

        See `Registry.listen`.
        """
        return self.registry.listen(pattern, capacity=capacity, overflow=overflow)

    async def load(self, path: str | os.PathLike[str]) -> Artifact:
        """Read a component's folder; each is compiled once."""
        place = Path(await anyio.Path(path).resolve())
        if place not in self._artifacts:
            artifact = await load(path, engine=self.engine, ceiling=self.config.ceiling)
            check_actor(artifact.component)
            self._artifacts[place] = artifact
        return self._artifacts[place]

    # --- trees --------------------------------------------------------------------

    async def start_tree(self, tree: Tree, *, folder: Path | None = None) -> None:
        """Start the children of a tree's root, in order, and send its first messages.

        The rules of the tree's root are those that `open_system` was given: pass
        ``**root_rules(tree)``.

        Args:
            tree: What to start.
            folder: What the tree's paths are relative to, and where its Python modules
                are; None: the folder of the tree file.
        """
        folder = folder or Path(tree.source).parent
        for node in tree.root.children:
            await self._start(await self._node_spec(tree, node, folder))
        if tree.messages:
            self._nursery.start_soon(self._send_first, tree.messages)

    async def _node_spec(
        self,
        tree: Tree,
        node: ComponentNode | ActorNode | SupervisorNode,
        folder: Path,
    ) -> ChildSpec:
        match node:
            case ComponentNode():
                artifact = await self.load(folder / node.component)
                narrowed = artifact.narrowed(tree.narrow(node, artifact.manifest))
                rule = narrowed.manifest.supervision
                return self._component_spec(
                    node.id,
                    _plan(narrowed),
                    rule.restart,
                    rule.shutdown,
                    significant=node.significant,
                )
            case ActorNode():
                return self._actor_spec(
                    node.id,
                    find_function(node.actor, folder, source=tree.source),
                    node.args,
                    node.restart,
                    node.shutdown,
                    significant=node.significant,
                )
            case SupervisorNode():
                specs: list[ChildSpec] = []
                with ExitStack() as undo:
                    undo.callback(_give_up, specs)
                    for child in node.children:
                        specs.append(await self._node_spec(tree, child, folder))  # noqa: PERF401 - each is given up where a later one fails
                    undo.pop_all()
                nested = supervise(
                    node.id,
                    specs,
                    restart=node.restart,
                    significant=node.significant,
                    strategy=node.strategy,
                    intensity=node.intensity,
                    backoff=node.backoff,
                    auto_shutdown=node.auto_shutdown,
                )
                return evolve(
                    nested,
                    shutdown=_seconds(node.shutdown),
                    gone=partial(_give_up, specs),
                )

    async def _send_first(self, messages: Sequence[FirstMessage]) -> None:
        """Send a tree's first messages, each at its time."""
        start = anyio.current_time()
        for message in sorted(messages, key=lambda message: message.after):
            await anyio.sleep_until(start + message.after)
            try:
                if message.topic is not None:
                    await self.registry.publish(message.topic, message.payload)
                else:
                    assert message.to is not None
                    await self.registry.send(message.to, message.payload)
            except DeliveryError as error:
                # It has ended, or takes no more; the tree goes on without the message.
                self._lose(message, error)

    def _lose(self, message: FirstMessage, error: Exception) -> None:
        payload, target = message.payload.encode(), message.to or message.topic
        now = anyio.current_time()
        self.registry.office.emit(
            DeadLettered(
                now, str(target), HOST, str(error), len(payload), message.topic, payload
            )
        )

    # --- children -----------------------------------------------------------------

    def _component_spec(
        self,
        id_: str,
        plan: _Plan,
        restart: Restart,
        shutdown: float,
        *,
        significant: bool,
    ) -> ChildSpec:
        place = _Place(
            self.registry,
            id_,
            {
                "capacity": plan.capacity,
                "overflow": plan.overflow,
                "payload": plan.payload,
                "grants": plan.grants,
                "config": plan.config,
                "about": self._about.setdefault(plan.component, About()),
            },
        )
        place.entry()  # from now on messages wait for it
        imports = (
            *self._interfaces,
            *(each for each in self._extensions if plan.grants.offers(each.name)),
        )
        async def instantiate() -> Instance:
            return await plan.component.instantiate(
                imports,
                limits=plan.limits,
                grants=plan.grants,
                actor=id_,
                guard=self._guard,
            )

        async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            await run_component(
                instantiate, place.entry(), self.registry, task_status=task_status
            )

        health = None
        if plan.health is not None:
            every, timeout, failures = plan.health
            health = HealthCheck(
                place.check_health, every=every, timeout=timeout, failures=failures
            )
        return ChildSpec(
            id_,
            run,
            restart=restart,
            shutdown=_seconds(shutdown),
            significant=significant,
            health=health,
            stop=place.request_stop,
            gone=place.leave,
        )

    def _actor_spec(
        self,
        id_: str,
        function: Callable[..., Awaitable[object]],
        args: Sequence[object],
        restart: Restart,
        shutdown: float,
        *,
        significant: bool,
        capacity: int = CAPACITY,
        overflow: Overflow = Overflow.WAIT,
    ) -> ChildSpec:
        place = _Place(self.registry, id_, {"capacity": capacity, "overflow": overflow})
        place.entry()

        async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            # Whoever started it goes on when the actor first waits for something, so
            # that what it subscribes to before that does not miss a message.
            task_status.started()
            await run_actor(function, place.entry(), self.registry, *args)

        return ChildSpec(
            id_,
            run,
            restart=restart,
            shutdown=_seconds(shutdown),
            significant=significant,
            stop=place.request_stop,
            gone=place.leave,
        )


@define(eq=False)
class _Place:
    """An actor's place in the registry, from its first start to its end for good."""

    registry: Registry
    id: str
    options: dict[str, Any]
    _entry: Entry | None = None

    def entry(self) -> Entry:
        """Return the entry; a restart finds the one of the start before."""
        if self._entry is None:
            self._entry = self.registry.register(self.id, **self.options)
        return self._entry

    def request_stop(self) -> None:
        if self._entry is not None:
            self._entry.mailbox.request_stop()

    async def check_health(self) -> None:
        if self._entry is not None:
            await self._entry.mailbox.check_health()

    def leave(self) -> None:
        """Give the id back; what waits in the mailbox becomes dead letters."""
        entry, self._entry = self._entry, None
        if entry is not None:
            self.registry.remove(self.id)


def _adjusted(
    plan: _Plan,
    config: dict[str, str] | None,
    mailbox: int | None,
    overflow: Overflow | None,
) -> _Plan:
    return evolve(
        plan,
        config={**plan.config, **(config or {})},
        capacity=plan.capacity if mailbox is None else mailbox,
        overflow=overflow or plan.overflow,
    )


def _give_up(specs: Iterable[ChildSpec]) -> None:
    """Give back the ids of children that do not start, or not again."""
    for spec in specs:
        if spec.gone is not None:
            spec.gone()


def _refuse_options(what: str, **given: object) -> None:
    """Refuse options that would be ignored: grants above all."""
    useless = [repr(name) for name, value in given.items() if value is not None]
    if useless:
        raise TypeError(f"spawn() of {what} takes no {', '.join(useless)}")


def _seconds(shutdown: float) -> float | None:
    """Return a grace as a `ChildSpec` has it: None is without end."""
    return None if shutdown == float("inf") else shutdown


def root_rules(tree: Tree) -> dict[str, Any]:
    """Return the options of `open_system` for the root of a tree."""
    root = tree.root
    return {
        "name": root.id,
        "strategy": root.strategy,
        "intensity": root.intensity,
        "backoff": root.backoff,
        "auto_shutdown": root.auto_shutdown,
    }


def find_function(
    name: str, folder: Path, *, source: str
) -> Callable[..., Awaitable[object]]:
    """Import a tree's Python actor, ``module:function``, from the tree's folder first.

    Raises:
        ManifestError: There is no such module or function.
    """
    module_name, _, function_name = name.partition(":")
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.insert(0, path)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ManifestError(source, (f"actor {name!r}: {error}",)) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ManifestError(
            source, (f"actor {name!r}: {module_name!r} has no such function",)
        )
    found: Callable[..., Awaitable[object]] = function
    return found
