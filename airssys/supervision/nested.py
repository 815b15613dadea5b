"""Make a supervisor the child of another: supervision trees."""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Iterable
from math import inf
from typing import Literal

import anyio
import anyio.abc

from ..core.child import ChildSpec, Restart
from ..core.event import Instrument
from ..core.restart import (
    AutoShutdown,
    Backoff,
    Intensity,
    StopOrder,
    Strategy,
    SupervisorRules,
)
from ..isolated import Isolated
from .child import Start
from .opening import run_supervisor
from .supervisor import Supervisor

__all__ = ("nested", "supervise")


def supervise(
    id: str,  # noqa: A002 - the name of the spec's field
    specs: Iterable[ChildSpec],
    *,
    restart: Restart = Restart.PERMANENT,
    significant: bool = False,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = Intensity(),  # noqa: B008 - a frozen value
    backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    stop: StopOrder | Literal["ordered", "together"] = StopOrder.ORDERED,
    instrument: Instrument | None = None,
    random: Callable[[], float] = _random.random,
) -> ChildSpec:
    """Describe a child that is a supervisor and starts children of its own, in order.

    ``await parent.start(supervise(...))`` returns the nested `Supervisor`. Its name is
    the parent's and ``id``, joined by ``/``. Its ``instrument`` is by default the
    parent's. It is given as long to stop as its own children need (OTP: infinity).
    """
    rules = SupervisorRules(
        strategy=strategy,
        intensity=intensity,
        backoff=backoff,
        auto_shutdown=auto_shutdown,
        stop=stop,
    )
    return nested(
        id,
        specs,
        rules,
        restart=restart,
        significant=significant,
        instrument=None if instrument is None else Isolated(instrument),
        random=random,
    )


def nested(
    id: str,  # noqa: A002 - the name of the spec's field
    specs: Iterable[ChildSpec],
    rules: SupervisorRules,
    *,
    restart: Restart,
    significant: bool,
    instrument: Instrument | None = None,
    random: Callable[[], float] = _random.random,
) -> ChildSpec:
    """Describe a supervisor as `supervise` does, with its rules as one value."""
    specs = tuple(specs)

    async def run(*, task_status: anyio.abc.TaskStatus[Supervisor]) -> None:
        name, informed = id, instrument
        if isinstance(task_status, Start):
            parent = task_status.child.siblings
            name = f"{parent.name}/{id}"
            informed = informed or parent.emitter.instrument
        async with run_supervisor(
            rules, name=name, instrument=informed, random=random
        ) as supervisor:
            for spec in specs:
                await supervisor.start(spec)
            task_status.started(supervisor)
            await anyio.sleep_forever()

    return ChildSpec(id, run, restart=restart, significant=significant, shutdown=inf)
