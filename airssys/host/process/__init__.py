"""Let guests start programs, and reach no process but these.

This is ``airssys:ext-process``. The host itself starts one process, the warden; that
starts a keeper for each program, which starts the program, watches it with all that it
starts in turn, and ends them all when the time has come. See the modules `warden` and
`keeper`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from ...hostcalls.gate import Gate
from ...hostcalls.interface import HostInterface
from .children import AllChildren
from .lifecycle import LIFECYCLE, lifecycle
from .limits import ProcessLimits
from .settings import ProcessSettings
from .signals import SIGNALS, signals

__all__ = (
    "LIFECYCLE",
    "SIGNALS",
    "ProcessLimits",
    "ProcessSettings",
    "open_process_interfaces",
)


@asynccontextmanager
async def open_process_interfaces(
    gate: Gate, settings: ProcessSettings | None = None
) -> AsyncIterator[tuple[HostInterface, HostInterface]]:
    """Open the interfaces for all components of a system: lifecycle and signals.

    Nothing is started before a guest starts a program. Leaving this ends all children,
    with all that they have started, and waits until nothing is left of them.

    Args:
        gate: Checks capabilities for the bodies, and emits events.
        settings: What the host settles for all children.
    """
    async with anyio.create_task_group() as tasks:
        children = AllChildren(gate, settings or ProcessSettings(), tasks)
        try:
            yield lifecycle(children), signals(children)
        finally:
            await children.close()
            tasks.cancel_scope.cancel()
