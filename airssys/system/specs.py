"""Describe actors as children: what a supervisor needs to start one, and again."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import anyio.abc
from attrs import define, evolve, field, frozen

from ..actors.actor import run_actor
from ..actors.component_actor import run_component
from ..actors.registry import About, ActorEntry, Registry
from ..artifacts.folder import Artifact
from ..config import HostConfig
from ..core.budget import Budget
from ..core.child import ChildSpec, Restart
from ..core.defaults import GRACE, MAILBOX, PAYLOAD
from ..core.event import QuotaNeared
from ..core.grants.grants import NO_GRANTS, Grants
from ..core.health import HealthCheck
from ..core.limits import Limits, Quota, SharedQuota
from ..core.message import Overflow
from ..engine.component import Component
from ..engine.instance import Instance
from ..hostcalls.call import Standing
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface

__all__ = ("ActorSpecs", "Plan", "Rules", "give_up")


@frozen
class Plan:
    """What makes a component actor: everything but its id."""

    component: Component
    limits: Limits
    grants: Grants = NO_GRANTS
    config: dict[str, str] = field(factory=dict)
    capacity: int = MAILBOX
    overflow: Overflow = Overflow.WAIT
    payload: int = PAYLOAD
    health: tuple[float, float, int] | None = None
    """Seconds between checks, seconds for an answer, failures in a row."""
    quota: Quota | None = None
    """What it may use over all its calls; None: as much as it likes."""
    source: str = "grants"
    """Where the grants come from, for errors."""

    @classmethod
    def of(cls, artifact: Artifact) -> Plan:
        """Return what a manifest says."""
        manifest = artifact.manifest
        rule = manifest.supervision.health
        return cls(
            artifact.component,
            manifest.limits,
            manifest.grants,
            dict(manifest.config),
            manifest.mailbox,
            manifest.overflow,
            manifest.quota.payload,
            None if rule is None else (rule.every, rule.timeout, rule.failures),
            manifest.quota,
            str(artifact.path),
        )

    def adjusted(
        self,
        config: dict[str, str] | None,
        mailbox: int | None,
        overflow: Overflow | None,
    ) -> Plan:
        """Return the plan with what is given in place of its own."""
        return evolve(
            self,
            config={**self.config, **(config or {})},
            capacity=self.capacity if mailbox is None else mailbox,
            overflow=overflow or self.overflow,
        )


@frozen
class Rules:
    """What a supervisor does with an actor."""

    restart: Restart = Restart.PERMANENT
    shutdown: float = GRACE
    """Seconds; infinity: wait without end."""
    significant: bool = False


@define(eq=False, kw_only=True)
class ActorSpecs:
    """Makes child specs for the actors of one system.

    An actor has its id and mailbox as soon as its spec is made: messages wait for it.
    Whoever does not start the spec gives it up.
    """

    registry: Registry
    interfaces: tuple[HostInterface, ...]
    """Offered to every component."""
    extensions: tuple[HostInterface, ...]
    """Offered to components that were granted them."""
    gate: Gate
    config: HostConfig = field(factory=HostConfig)
    """Says what any component may be granted at the most."""
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
        return Budget(owner, quota, parent, self._tell)

    def _tell(self, owner: str, quota: str, level: str, share: float) -> None:
        if self.gate.instrument is not None:
            now = anyio.current_time()
            event = QuotaNeared(now, owner, quota, level, share)
            self.gate.instrument.event(event)

    def component(
        self, id_: str, plan: Plan, rules: Rules, shared: Budget | None = None
    ) -> ChildSpec:
        """Describe a component actor.

        Args:
            id_: Its id.
            plan: What makes it.
            rules: What its supervisor does with it.
            shared: The budget of the nearest supervisor that has one.

        Raises:
            ManifestError: Its grants are above the host's ceiling.
            ValueError: The id is taken, or is no id.
        """
        grants = self.config.admit(plan.grants, source=plan.source)
        budget = None
        if plan.quota is not None or shared is not None:
            budget = Budget(id_, plan.quota or SharedQuota(), shared, self._tell)
        standing = Standing(grants, budget)
        place = _Place(
            self.registry,
            id_,
            {
                "capacity": plan.capacity,
                "overflow": plan.overflow,
                "payload": plan.payload,
                "standing": standing,
                "config": plan.config,
                "about": self._about.setdefault(plan.component, About()),
            },
        )
        place.entry()
        imports = (
            *self.interfaces,
            *(
                each
                for each in self.extensions
                if grants.offers(each.name, time.time())
            ),
        )

        async def instantiate() -> Instance:
            return await plan.component.instantiate(
                imports,
                limits=plan.limits,
                grants=standing,
                actor=id_,
                guard=self.gate,
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
        return _spec(place, run, rules, health)

    def function(
        self,
        id_: str,
        function: Callable[..., Awaitable[object]],
        args: Sequence[object],
        rules: Rules,
        *,
        capacity: int = MAILBOX,
        overflow: Overflow = Overflow.WAIT,
    ) -> ChildSpec:
        """Describe a Python actor.

        Raises:
            ValueError: The id is taken, or is no id.
        """
        place = _Place(self.registry, id_, {"capacity": capacity, "overflow": overflow})
        place.entry()

        async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            # Whoever started it goes on when the actor first waits for something, so
            # that what it subscribes to before that does not miss a message.
            task_status.started()
            await run_actor(function, place.entry(), self.registry, *args)

        return _spec(place, run, rules, None)


def _spec(
    place: _Place,
    run: Callable[..., Awaitable[None]],
    rules: Rules,
    health: HealthCheck | None,
) -> ChildSpec:
    return ChildSpec(
        place.id,
        run,
        restart=rules.restart,
        shutdown=rules.shutdown,
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

    registry: Registry
    id: str
    options: dict[str, Any]
    _entry: ActorEntry | None = None

    def entry(self) -> ActorEntry:
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
