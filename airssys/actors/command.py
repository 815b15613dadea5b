"""Run a component as a command: once, to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskStatus

from ..core.errors import GuestExited, WitError
from .calls import Callee, GuestCalls
from .registry import ActorEntry, Registry

__all__ = ("NO_MESSAGES", "run_command")

NO_MESSAGES = "it is a command, which takes no messages"
"""Why the mailbox of a command is closed."""
_FAILED = 1


async def run_command(
    instantiate: Callable[[], Awaitable[Callee]],
    entry: ActorEntry,
    registry: Registry,
    export: str,
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Run a command. It has started when its instance is made.

    It returns for the status 0, also where the guest has ended itself with that. To
    stop it is to cancel this.

    Args:
        instantiate: Makes the instance; this closes it.
        entry: The command's place in the registry.
        registry: Where it is told that it was cut off.
        export: The function that runs it.
        task_status: Told when it has started.

    Raises:
        GuestExited: With another status than 0; 1 where ``run`` returned ``err``.
    """
    entry.mailbox.close(NO_MESSAGES)
    with await instantiate() as instance:
        task_status.started()
        try:
            await GuestCalls(instance, entry, registry).call(export)
        except WitError as error:
            raise GuestExited(entry.id, _FAILED) from error
        except GuestExited as exited:
            if exited.status:
                raise
