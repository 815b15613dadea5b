"""Describe actors as children: what a supervisor needs to start one, and again."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from weakref import WeakKeyDictionary

import anyio
import anyio.abc
from attrs import define, evolve, field, frozen

from ..actors.actor import run_actor
from ..actors.command import run_command
from ..actors.component_actor import run_component
from ..actors.registry import About, ActorEntry, Registry
from ..artifacts.namespaces import Claim, Namespaces
from ..artifacts.runnable import command_of
from ..core.budget import Budget
from ..core.child import ChildSpec, Restart
from ..core.defaults import MAILBOX, MAILBOX_BYTES, PAYLOAD
from ..core.event import QuotaNeared
from ..core.grants.grants import NO_GRANTS, Grants
from ..core.health import HealthCheck
from ..core.limits import Limits, Quota, SharedQuota
from ..core.manifests.host import HostConfig
from ..core.manifests.manifest import Manifest, SupervisionRule
from ..core.manifests.wasi import Wasi
from ..core.message import Overflow
from ..engine.component import Component
from ..engine.instance import Instance
from ..hostcalls.call import Standing
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..hostcalls.pieces import in_pieces
from ..wasi.context import Context
from ..wasi.outside import Outside
from ..wasi.surroundings import Surroundings

__all__ = ("ActorSpecs", "ChildRules", "ComponentPlan", "NoManifest", "give_up")


@frozen(kw_only=True)
class NoManifest:
    """What holds for a component that was spawned without a manifest."""

    limits: Limits = field(factory=Limits)
    grants: Grants = NO_GRANTS
    config: Mapping[str, str] = field(factory=dict)
    wasi: Wasi = field(factory=Wasi)
    mailbox: int = MAILBOX
    mailbox_bytes: int = MAILBOX_BYTES
    overflow: Overflow = Overflow.WAIT
    quota: Quota | None = None
    """None: it may use as much as it likes over all its calls."""
    supervision: SupervisionRule = field(factory=SupervisionRule)


@frozen
class ComponentPlan:
    """What makes a component actor: everything but its id."""

    component: Component
    terms: Manifest | NoManifest
    source: str = "grants"
    """Where the terms come from, for errors."""
    written: Manifest | None = field(default=None, kw_only=True)
    """The manifest as its author wrote it."""
    namespace: str | None = field(default=None, kw_only=True)
    """Where it keeps its keys, where the host says so; None: under its own name."""
    config: Mapping[str, str] = field(factory=dict, kw_only=True)
    """Replaces the configuration of the terms, key by key."""
    mailbox: int | None = field(default=None, kw_only=True)
    """Messages that may wait; None: as the terms say."""
    mailbox_bytes: int | None = field(default=None, kw_only=True)
    """Bytes of messages that may wait; None: as the terms say."""
    overflow: Overflow | None = field(default=None, kw_only=True)
    """What a full mailbox does; None: as the terms say."""

    @property
    def claim(self) -> Claim:
        """What it is and where it keeps its keys."""
        source = "" if self.written is None else self.source
        return Claim(self.component, self.written, source, self.namespace)


@frozen
class ChildRules:
    """What a supervisor does with an actor."""

    restart: Restart
    shutdown: float
    """Seconds from asking it to stop to cutting it off; may be infinite."""
    significant: bool
    start: float | None = None
    """Seconds that a component's start may take; None: twice its time for a call."""


@define(eq=False, kw_only=True)
class ActorSpecs:
    """Makes child specs for the actors of one system.

    An actor has its id and mailbox as soon as its spec is made: messages wait for it.
    A caller that does not start the spec gives it up, by `give_up`.
    """

    registry: Registry
    interfaces: tuple[HostInterface, ...]
    """Offered to every component."""
    extensions: tuple[HostInterface, ...]
    """Offered to components that were granted them."""
    gate: Gate
    outside: Outside
    """What the guests of WASI reach the world by."""
    config: HostConfig = field(factory=HostConfig)
    """The host's settings: what any component may be granted at the most."""
    namespaces: Namespaces = field(factory=Namespaces)
    _about: WeakKeyDictionary[Component, About] = field(
        factory=WeakKeyDictionary, init=False
    )

    def knows(self, component: Component) -> bool:
        """Tell whether there was an actor of that component before."""
        return component in self._about

    def share(
        self, owner: str, quota: SharedQuota, parent: Budget | None = None
    ) -> Budget | None:
        """Return the budget that the children of a supervisor share.

        Args:
            owner: The supervisor's id.
            quota: What they may use together.
            parent: The budget it counts towards itself.
        """
        if quota == SharedQuota():
            return parent
        return Budget(owner, quota, parent, self._near)

    def _near(self, owner: str, quota: str, level: str, share: float) -> None:
        self.gate.emitter.emit(
            lambda at: QuotaNeared(
                at=at, subject=owner, quota=quota, level=level, share=share
            )
        )

    async def component(
        self,
        id_: str,
        plan: ComponentPlan,
        rules: ChildRules,
        shared: Budget | None = None,
    ) -> ChildSpec:
        """Describe a component actor.

        Args:
            id_: Its id.
            plan: What makes it.
            rules: What its supervisor does with it.
            shared: The budget of the nearest supervisor that has one.

        Raises:
            ManifestError: Its grants are above the host's ceiling.
            NamespaceTaken: Another component has the storage of its name.
            ValueError: The id is taken, or is no id; or the namespace is none.
        """
        terms, claim = plan.terms, plan.claim
        limits, quota = terms.limits, terms.quota
        grants = await in_pieces(
            self.config.admitting(terms.grants, source=plan.source)
        )
        budget = None
        if quota is not None or shared is not None:
            budget = Budget(id_, quota or SharedQuota(), shared, self._near)
        standing = Standing(grants, budget, namespace=claim.namespace)
        register = partial(
            self.registry.register,
            id_,
            capacity=terms.mailbox if plan.mailbox is None else plan.mailbox,
            size=(
                terms.mailbox_bytes
                if plan.mailbox_bytes is None
                else plan.mailbox_bytes
            ),
            overflow=plan.overflow or terms.overflow,
            payload=PAYLOAD if quota is None else quota.payload,
            standing=standing,
            config={**terms.config, **plan.config},
            about=self._about.setdefault(plan.component, About()),
        )
        place = _Place(id_, self.registry, register)
        self.namespaces.check(claim)
        place.entry()
        self.namespaces.hold(claim)
        imports = (
            *self.interfaces,
            *(
                each
                for each in self.extensions
                if grants.offers(each.name, time.time())
            ),
        )

        surroundings = Surroundings(
            wasi=terms.wasi,
            outside=self.outside,
            component=plan.component.name,
            actor=id_,
            standing=standing,
        )
        command = command_of(plan.component)

        async def instantiate(context: Context | None) -> Instance:
            return await plan.component.instantiate(
                imports,
                limits=limits,
                grants=standing,
                actor=id_,
                guard=self.gate,
                context=context,
            )

        async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            async with _around(surroundings, plan.component) as context:
                make, entry = partial(instantiate, context), place.entry()
                if command is None:
                    await run_component(
                        make, entry, self.registry, task_status=task_status
                    )
                else:
                    await run_command(
                        make, entry, self.registry, command, task_status=task_status
                    )

        health = None
        rule = terms.supervision.health
        if rule is not None:
            health = HealthCheck(
                place.check_health,
                every=rule.every,
                timeout=rule.timeout,
                failures=rule.failures,
            )
        start = rules.start
        if start is None and limits.timeout is not None:
            start = 2 * limits.timeout
        spec = _spec(place, run, rules, health, start)
        # To ask a command is to cancel it: it looks into no mailbox.
        return spec if command is None else evolve(spec, stop=None, health=None)

    def function(
        self,
        id_: str,
        function: Callable[..., Awaitable[object]],
        args: Sequence[object],
        rules: ChildRules,
        *,
        capacity: int = MAILBOX,
        size: int = MAILBOX_BYTES,
        overflow: Overflow = Overflow.WAIT,
    ) -> ChildSpec:
        """Describe a Python actor.

        Raises:
            ValueError: The id is taken, or is no id.
        """
        register = partial(
            self.registry.register,
            id_,
            capacity=capacity,
            size=size,
            overflow=overflow,
        )
        place = _Place(id_, self.registry, register)
        place.entry()

        async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            # The caller of start() goes on when the actor first waits for something, so
            # that what it subscribes to before that does not miss a message.
            task_status.started()
            await run_actor(function, place.entry(), self.registry, *args)

        return _spec(place, run, rules, None)


def _around(
    surroundings: Surroundings, component: Component
) -> AbstractAsyncContextManager[Context | None]:
    """Open what an instance finds around it; nothing for one that never looks."""
    if any(name.startswith("wasi:") for name in component.imports):
        return surroundings.open()
    return nullcontext()


def _spec(
    place: _Place,
    run: Callable[..., Awaitable[None]],
    rules: ChildRules,
    health: HealthCheck | None,
    start: float | None = None,
) -> ChildSpec:
    return ChildSpec(
        place.id,
        run,
        restart=rules.restart,
        shutdown=rules.shutdown,
        start_timeout=start,
        significant=rules.significant,
        health=health,
        stop=place.request_stop,
        gone=place.leave,
    )


def give_up(specs: Iterable[ChildSpec]) -> None:
    """Give back the ids of children that do not start, or not again."""
    for spec in specs:
        if spec.gone is not None:
            spec.gone()


@define(eq=False)
class _Place:
    """An actor's place in the registry, from its first start to its end for good."""

    id: str
    registry: Registry
    register: Callable[[], ActorEntry]
    _entry: ActorEntry | None = None

    def entry(self) -> ActorEntry:
        """Return the entry; a restart finds the one of the start before."""
        if self._entry is None:
            self._entry = self.register()
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
