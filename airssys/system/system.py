"""Put everything together: open a system, spawn actors, run a tree file."""

from __future__ import annotations

import os
import random as _random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
from attrs import asdict, define, field

from ..actors.mailbox import Inbox
from ..actors.post_office import PostOffice
from ..actors.reference import ActorRef
from ..actors.registry import Registry
from ..artifacts.folder import Artifact, check_actor, load
from ..audit import AuditLog, audit_for
from ..config import HostConfig, load_config
from ..core.budget import Budget
from ..core.defaults import MAILBOX, ROOT
from ..core.event import Instrument, Revoked
from ..core.grants.grants import NO_GRANTS, Grants
from ..core.limits import Limits, SharedQuota
from ..core.manifests.tree import Tree
from ..core.message import Overflow
from ..core.restart import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    Intensity,
    Restart,
    Strategy,
)
from ..engine.component import Component, Engine
from ..engine.fiber import Slicing
from ..host.offered import Facilities, open_interfaces
from ..hostcalls.bodies import dashed
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..observe.fan_out import FanOut, Tally
from ..supervision.child import ChildStatus
from ..supervision.supervisor import Supervisor, open_supervisor
from .specs import ActorSpecs, Plan, Rules, give_up
from .trees import Planter, send_first

__all__ = ("System", "engine_for", "open_system")


@asynccontextmanager
async def open_system(
    config: HostConfig | str | os.PathLike[str] | None = None,
    *,
    name: str = ROOT,
    engine: Engine | None = None,
    interfaces: Sequence[HostInterface] = (),
    instruments: Sequence[Instrument] = (),
    deliveries: bool = False,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = Intensity(),  # noqa: B008 - a frozen value
    backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    quota: SharedQuota = SharedQuota(),  # noqa: B008 - a frozen value
    facilities: Facilities | None = None,
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
        quota: What all components of the system may use together.
        facilities: What stands behind guests' host calls: storage, a resolver, TLS and
            limits; None: the usual.
        random: Gives numbers from 0 up to 1, for the jitter of ``backoff``.

    Raises:
        ManifestError: The host file or the environment breaks the schema.
        AuditError: The audit log that the settings ask for cannot be used.
        RestartsExhausted: In an ExceptionGroup, when the root supervisor gives up.
    """
    if not isinstance(config, HostConfig):
        config = load_config(config)
    tally = Tally()
    # Outermost: what actors are refused while they stop is written, too.
    async with audit_for(config) as audit, anyio.create_task_group() as nursery:
        if audit is not None:
            instruments = (audit, *instruments)
        fan_out = FanOut((tally, *instruments))
        grants = any(isinstance(each, AuditLog) and each.grants for each in instruments)
        gate = Gate(fan_out, handed=True, grants=grants)
        registry = Registry(PostOffice(instrument=fan_out, deliveries=deliveries))
        timing = anyio.CancelScope(shield=True)
        await nursery.start(_keep_time, registry.office, timing)
        try:
            async with (
                open_interfaces(registry, gate, facilities) as offered,
                open_supervisor(
                    name=name,
                    strategy=strategy,
                    intensity=intensity,
                    backoff=backoff,
                    auto_shutdown=auto_shutdown,
                    instrument=fan_out,
                    random=random,
                ) as supervisor,
            ):
                specs = ActorSpecs(
                    registry=registry,
                    interfaces=offered,
                    extensions=tuple(interfaces),
                    gate=gate,
                    config=config,
                )
                yield System(
                    engine=engine or engine_for(config),
                    config=config,
                    supervisor=supervisor,
                    registry=registry,
                    tally=tally,
                    nursery=nursery,
                    specs=specs,
                    shared=specs.share(name, quota),
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
    _specs: ActorSpecs
    _shared: Budget | None
    """What all components share."""
    _artifacts: dict[Path, Artifact] = field(factory=dict, init=False)

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
            if not self._specs.knows(what):
                check_actor(what)
            plan = Plan(what, limits or Limits(), grants or NO_GRANTS)
            spec = self._specs.component(
                id or what.name,
                plan.adjusted(config, mailbox, overflow),
                _rules(Rules(), restart, shutdown, significant=significant),
                self._shared,
            )
        elif callable(what):
            _refuse_options("a function", limits=limits, grants=grants, config=config)
            name = str(getattr(what, "__name__", "actor"))
            spec = self._specs.function(
                id or dashed(name),
                what,
                args,
                _rules(Rules(), restart, shutdown, significant=significant),
                capacity=MAILBOX if mailbox is None else mailbox,
                overflow=overflow or Overflow.WAIT,
            )
        else:
            _refuse_options(
                "a manifest", args=args or None, limits=limits, grants=grants
            )
            artifact = await self.load(what)
            rule = artifact.manifest.supervision
            spec = self._specs.component(
                id or str(artifact.manifest.name),
                Plan.of(artifact).adjusted(config, mailbox, overflow),
                _rules(
                    Rules(rule.restart, rule.shutdown),
                    restart,
                    shutdown,
                    significant=significant,
                ),
                self._shared,
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
                give_up((spec,))

    async def stop(self, id: str) -> None:  # noqa: A002 - the field's word
        """Stop an actor that was spawned, for good; its mailbox is closed.

        Raises:
            NoSuchChild: No actor of that id was spawned here.
        """
        await self.supervisor.remove(id)

    def attenuate(self, id: str, grants: Grants) -> None:  # noqa: A002
        """Leave a component only some of its grants, from its next check on.

        It holds for host calls that are under way too where they check again, and after
        restarts. What it has opened already stays open.

        Args:
            id: The actor's id.
            grants: All that it may do from now on.

        Raises:
            NoSuchActor: There is none of that id.
            TypeError: It is a Python actor, which is trusted.
            ManifestError: That would be more than it may do now; lists every excess.
        """
        standing = self.registry.standing(id)
        if standing is None:
            raise TypeError(f"actor {id!r} is no component: it has no grants")
        before = standing.grants
        standing.grants = before.attenuate(grants, source=f"grants of {id!r}")
        now = anyio.current_time()
        for words in standing.grants.widened_by(before):
            self.registry.office.emit(Revoked(now, id, words))

    def revoke(self, id: str) -> None:  # noqa: A002 - the field's word
        """Take all grants from a component, from its next check on; as `attenuate`."""
        self.attenuate(id, Grants())

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
        capacity: int = MAILBOX,
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
        planter = Planter(tree, folder, self._specs, self.load, self._shared)
        for node in tree.root.children:
            await self._start(await planter.spec(node))
        if tree.messages:
            self._nursery.start_soon(send_first, self.registry, tree.messages)


def _refuse_options(what: str, **given: object) -> None:
    """Refuse options that would be ignored: grants above all."""
    useless = [repr(name) for name, value in given.items() if value is not None]
    if useless:
        raise TypeError(f"spawn() of {what} takes no {', '.join(useless)}")


def _rules(
    rules: Rules,
    restart: Restart | None,
    shutdown: float | None,
    *,
    significant: bool,
) -> Rules:
    """Return rules with what is given in place of their own."""
    return Rules(
        restart or rules.restart,
        rules.shutdown if shutdown is None else shutdown,
        significant,
    )
