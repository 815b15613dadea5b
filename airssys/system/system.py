"""Reach the actors of an open system: spawn, stop, ask for, publish, run a tree."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
from attrs import define, field

from ..actors.inbox import Inbox
from ..actors.reference import ActorRef
from ..actors.registry import Registry
from ..artifacts.folder import Artifact, load
from ..artifacts.runnable import check_runnable
from ..core.budget import Budget
from ..core.child import ChildSpec, Restart
from ..core.defaults import MAILBOX, MAILBOX_BYTES
from ..core.errors import ChildRefused, NoSuchChild
from ..core.event import Revoked
from ..core.grants.capabilities import Excess
from ..core.grants.grants import NO_GRANTS, Grants
from ..core.limits import Limits
from ..core.manifests.host import HostConfig
from ..core.manifests.manifest import SupervisionRule
from ..core.manifests.tree import Tree
from ..core.manifests.wasi import Wasi
from ..core.message import Overflow
from ..engine.component import Component, Engine
from ..hostcalls.bodies import dashed
from ..observe.fan_out import Tally
from ..supervision.status import ChildStatus
from ..supervision.supervisor import Supervisor
from ..uncut import uncut
from .specs import ActorSpecs, ChildRules, ComponentPlan, NoManifest, give_up
from .trees import TreeBuilder, send_first

__all__ = ("System",)


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
        wasi: Wasi | None = None,
        config: dict[str, str] | None = None,
        namespace: str | None = None,
        mailbox: int | None = None,
        mailbox_bytes: int | None = None,
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
            wasi: For a `Component` that was built for WASI; a manifest has its own. By
                default no arguments and no environment, nothing to read, and what it
                prints goes to the log.
            config: For a component's ``init`` and ``get-config``; over its manifest's.
            namespace: Where a component keeps what it stores; by default under its own
                name. Components with the same namespace share their keys: two
                versions of one, say.
            mailbox: Messages that may wait; by default 1000, or as the manifest says.
            mailbox_bytes: Bytes of their payloads; by default 16 MiB, or as the
                manifest says. One message may always wait.
            overflow: What a full mailbox does; by default senders wait, or as the
                manifest says.
            restart: By default permanent, or as the manifest says.
            shutdown: Seconds from asking it to stop to cutting it off; by default 5, or
                as the manifest says.
            significant: Whether its end counts for the root's ``auto_shutdown``.

        Raises:
            ManifestError: The manifest breaks its schema.
            ComponentError: The component can neither be an actor nor a command.
            InitFailed: Its ``init`` returned an error; likewise whatever else its
                ``init`` ended with.
            NamespaceTaken: Another component, of other content, has the storage of its
                name.
            ValueError: The id is taken, or is no id; or the namespace is none.
            TypeError: An option means nothing for what is to be started.
        """
        if isinstance(what, Component):
            _refuse_options("a component", args=args or None)
            if not self._specs.knows(what):
                check_runnable(what)
            terms = NoManifest(
                limits=limits or Limits(),
                grants=grants or NO_GRANTS,
                wasi=wasi or Wasi(),
            )
            spec = await self._specs.component(
                id or what.name,
                ComponentPlan(
                    what,
                    terms,
                    config=config or {},
                    namespace=namespace,
                    mailbox=mailbox,
                    mailbox_bytes=mailbox_bytes,
                    overflow=overflow,
                ),
                _rules(terms.supervision, restart, shutdown, significant=significant),
                self._shared,
            )
        elif callable(what):
            _refuse_options(
                "a function",
                limits=limits,
                grants=grants,
                wasi=wasi,
                config=config,
                namespace=namespace,
            )
            name = str(getattr(what, "__name__", "actor"))
            spec = self._specs.function(
                id or dashed(name),
                what,
                args,
                _rules(SupervisionRule(), restart, shutdown, significant=significant),
                capacity=MAILBOX if mailbox is None else mailbox,
                size=MAILBOX_BYTES if mailbox_bytes is None else mailbox_bytes,
                overflow=overflow or Overflow.WAIT,
            )
        else:
            _refuse_options(
                "a manifest", args=args or None, limits=limits, grants=grants, wasi=wasi
            )
            artifact = await self.load(what)
            manifest = artifact.manifest
            rule = manifest.supervision
            spec = await self._specs.component(
                id or str(manifest.name),
                ComponentPlan(
                    artifact.component,
                    manifest,
                    str(artifact.path),
                    written=manifest,
                    config=config or {},
                    namespace=namespace,
                    mailbox=mailbox,
                    mailbox_bytes=mailbox_bytes,
                    overflow=overflow,
                ),
                _rules(rule, restart, shutdown, significant=significant),
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

        It holds for host calls that are under way too, which check again after each
        wait, for subscriptions, and after restarts. What it has opened already stays
        open, and is of no use.

        Args:
            id: The actor's id.
            grants: All that it may do from now on.

        Raises:
            NoSuchActor: No actor has that id.
            TypeError: It is a Python actor, which is trusted.
            ManifestError: That would be more than it may do now; lists every excess.
        """
        standing = self.registry.standing(id)
        if standing is None:
            raise TypeError(f"actor {id!r} is no component: it has no grants")
        before = standing.grants
        standing.grants = before.attenuate(grants, source=f"grants of {id!r}")
        for gone in standing.grants.excess(before):
            self._note_revoked(id, gone)

    def _note_revoked(self, id: str, gone: Excess) -> None:  # noqa: A002
        self.registry.office.emitter.emit(
            lambda at: Revoked(
                at=at,
                subject=id,
                section=gone.section,
                action=gone.action,
                target=gone.target,
                clause=gone.clause,
            )
        )

    def revoke(self, id: str) -> None:  # noqa: A002 - the field's word
        """Take all grants from a component, from its next check on; as `attenuate`."""
        self.attenuate(id, Grants())

    def actor(self, id: str) -> ActorRef:  # noqa: A002 - the field's word
        """Return how to reach an actor.

        Raises:
            NoSuchActor: No actor has that id; offers ids that are near.
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
            check_runnable(artifact.component)
            self._artifacts[place] = artifact
        return self._artifacts[place]

    # --- trees --------------------------------------------------------------------

    async def start_tree(self, tree: Tree, *, folder: Path | None = None) -> None:
        """Start the children of a tree's root, in order, and send its first messages.

        The root's own rules hold where the system was opened by `open_root`. If one of
        them does not start, or this is cancelled, those that have started are stopped
        in reverse order, and nothing of the tree is left.

        Args:
            tree: What to start.
            folder: What the tree's paths are relative to, and where its Python modules
                are; None: the folder of the tree file.
        """
        folder = folder or Path(tree.source).parent
        builder = TreeBuilder(tree, folder, self._specs, self.load, self._shared)
        started: list[str] = []
        whole = False
        try:
            for node in tree.root.children:
                spec = await builder.spec(node)
                await self._start(spec)
                started.append(spec.id)
            whole = True
        finally:
            if not whole:
                await uncut(self._take_back, started)
        if tree.messages:
            self._nursery.start_soon(send_first, self.registry, tree.messages)

    async def _take_back(self, ids: list[str]) -> None:
        """Stop children that this started, the last one first."""
        while ids:
            # Some may have ended for good. A supervisor that is stopping refuses, and
            # stops them itself.
            with suppress(NoSuchChild, ChildRefused):
                await self.supervisor.remove(ids[-1])
            ids.pop()


def _refuse_options(what: str, **given: object) -> None:
    """Refuse options that would be ignored: grants above all."""
    useless = [repr(name) for name, value in given.items() if value is not None]
    if useless:
        raise TypeError(f"spawn() of {what} takes no {', '.join(useless)}")


def _rules(
    rule: SupervisionRule,
    restart: Restart | None,
    shutdown: float | None,
    *,
    significant: bool,
) -> ChildRules:
    """Return a manifest's rule with what is given in place of its own."""
    return ChildRules(
        restart or rule.restart,
        rule.shutdown if shutdown is None else shutdown,
        significant,
        rule.start,
    )
