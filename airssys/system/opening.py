"""Open a system: put together what its actors, supervisors and guests need."""

from __future__ import annotations

import os
import random as _random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal

import anyio
from attrs import asdict

from ..actors.post_office import PostOffice
from ..actors.registry import Registry
from ..audit import AuditLog, audit_for
from ..config import load_config
from ..core.defaults import ROOT
from ..core.event import Instrument
from ..core.limits import SharedQuota
from ..core.manifests.host import HostConfig
from ..core.manifests.tree import SupervisorNode
from ..core.restart import (
    AutoShutdown,
    Backoff,
    Intensity,
    StopOrder,
    Strategy,
    SupervisorRules,
)
from ..engine.component import Engine
from ..engine.fiber import Slicing
from ..engine.flights import Progress
from ..host.offered import Facilities, open_interfaces
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..observe.fan_out import FanOut, Tally
from ..supervision.opening import run_supervisor
from ..uncut import keeping_cancels
from ..wasi.offered import interfaces_over, open_outside
from .specs import ActorSpecs
from .system import System

__all__ = ("engine_for", "open_root", "open_system")


def open_system(
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
    stop: StopOrder | Literal["ordered", "together"] = StopOrder.ORDERED,
    quota: SharedQuota = SharedQuota(),  # noqa: B008 - a frozen value
    facilities: Facilities | None = None,
    random: Callable[[], float] = _random.random,
) -> AbstractAsyncContextManager[System]:
    """Open a system; leaving the block stops its actors in reverse order.

    Args:
        config: The host's settings, a host file, or None: what the environment says.
        name: Names the root supervisor in events and errors.
        engine: Runs the components; None: one made from the settings.
        interfaces: Host extensions. A component gets those of them that its manifest
            names under ``capabilities.custom``.
        instruments: Get every event.
        deliveries: Whether each message taken is an event too.
        strategy: Of the root supervisor, as for `open_supervisor`.
        intensity: Of the root supervisor.
        backoff: Of the root supervisor.
        auto_shutdown: Of the root supervisor.
        stop: Of the root supervisor.
        quota: What all components of the system may use together.
        facilities: What host calls of guests work with: storage, a resolver, TLS and
            limits; None: the usual.
        random: Gives numbers from 0 up to 1, for the jitter of ``backoff``.

    Raises:
        ManifestError: The host file or the environment breaks the schema.
        AuditError: The audit log that the settings ask for cannot be used.
        RestartsExhausted: In an ExceptionGroup, when the root supervisor gives up.
    """
    rules = SupervisorRules(
        strategy=strategy,
        intensity=intensity,
        backoff=backoff,
        auto_shutdown=auto_shutdown,
        stop=StopOrder(stop),
    )
    return open_root(
        SupervisorNode(id=name, children=(), rules=rules, quota=quota),
        config,
        engine=engine,
        interfaces=interfaces,
        instruments=instruments,
        deliveries=deliveries,
        facilities=facilities,
        random=random,
    )


@asynccontextmanager
async def open_root(
    root: SupervisorNode,
    config: HostConfig | str | os.PathLike[str] | None = None,
    *,
    engine: Engine | None = None,
    interfaces: Sequence[HostInterface] = (),
    instruments: Sequence[Instrument] = (),
    deliveries: bool = False,
    facilities: Facilities | None = None,
    random: Callable[[], float] = _random.random,
) -> AsyncIterator[System]:
    """Open a system as `open_system` does, whose root supervisor is described already.

    The root's children are not started: `System.start_tree` does that.
    """
    if not isinstance(config, HostConfig):
        config = load_config(config)
    tally = Tally()
    # Outermost: what actors are refused while they stop is written, too.
    async with (
        keeping_cancels(),
        audit_for(config) as audit,
        anyio.create_task_group() as nursery,
    ):
        if audit is not None:
            instruments = (audit, *instruments)
        fan_out = FanOut((tally, *instruments))
        grants = any(isinstance(each, AuditLog) and each.grants for each in instruments)
        gate = Gate(fan_out, handed=True, grants=grants)
        registry = Registry(PostOffice(instrument=fan_out, deliveries=deliveries))
        # Nobody waits until it has begun: there is nothing here that a cancel could
        # come between. An ask before that keeps its own time.
        timing = anyio.CancelScope(shield=True)
        nursery.start_soon(_keep_time, registry.office, timing)
        try:
            async with (
                open_outside(gate, facilities) as outside,
                open_interfaces(
                    registry,
                    gate,
                    facilities,
                    disk=outside.disk,
                    permits=outside.permits,
                    guest_log=outside.log,
                ) as offered,
                run_supervisor(
                    root.rules, name=root.id, instrument=fan_out, random=random
                ) as supervisor,
            ):
                specs = ActorSpecs(
                    registry=registry,
                    interfaces=(*offered, *interfaces_over(outside)),
                    extensions=tuple(interfaces),
                    gate=gate,
                    outside=outside,
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
                    shared=specs.share(root.id, root.quota),
                )
        finally:
            timing.cancel()
        nursery.cancel_scope.cancel()


async def _keep_time(office: PostOffice, scope: anyio.CancelScope) -> None:
    """Keep the time of asks until the scope is cancelled, and by nothing else.

    When the system is cancelled from outside, its actors are still asked to stop, and
    may have to wait for each other's replies.
    """
    with scope:
        await office.keep_time()


def engine_for(config: HostConfig, *, progress: Progress | None = None) -> Engine:
    """Make the engine that a host's settings describe.

    Args:
        config: The settings.
        progress: As for `Engine`.
    """
    given = asdict(config.slices, filter=lambda _, value: value is not None)
    return Engine(
        cache=config.cache,
        cache_size=config.cache_size,
        compiler=config.compiler.value,
        compile_limits=config.compile,
        progress=progress,
        threads=config.threads,
        slicing=Slicing(**given),
    )
