"""Ask a running child how it is, again and again, until it must be cut off."""

from __future__ import annotations

import anyio

from ..core.child import Crashed
from ..core.emitter import Emitter
from ..core.errors import HealthCheckFailed
from ..core.event import HealthChecked
from ..core.health import CountFailure, CutOff, Health, HealthCheck, Recover, Unchanged
from ..uncut import was_cancelled_here

__all__ = ("watch",)


async def watch(
    id: str,  # noqa: A002 - the spec's word
    check: HealthCheck,
    emitter: Emitter,
    *,
    supervisor: str,
) -> HealthCheckFailed:
    """Return why a child must be cut off, once it must.

    Args:
        id: The child's.
        check: How to ask, how often, and how many failures in a row are too many.
        emitter: Tells of failures, and of recoveries.
        supervisor: The name of the child's supervisor.
    """
    health = Health()

    def emit(reason: str = "") -> None:
        emitter.emit(
            lambda at: HealthChecked(
                at=at,
                subject=id,
                supervisor=supervisor,
                healthy=not health.failures,
                failures=health.failures,
                reason=reason,
            )
        )

    while True:
        await anyio.sleep(check.every)
        problem = await _problem(check)
        health, verdict = health.checked(problem, check.failures)
        match verdict:
            case Unchanged():
                pass
            case Recover():
                emit()
            case CountFailure(reason):
                emit(reason)
            case CutOff(reason):
                emit(reason)
                return HealthCheckFailed(id, health.failures, reason)


async def _problem(check: HealthCheck) -> str | None:
    """Ask a child how it is; None: well."""
    with anyio.move_on_after(check.timeout):
        try:
            return "it said so" if await check.check() is False else None
        except Exception as error:  # noqa: BLE001 - a failed check, nothing worse
            return Crashed(error).reason
        except anyio.get_cancelled_exc_class() as error:
            # On asyncio somebody cancelled what the check waits for: it failed, too.
            if was_cancelled_here():
                raise
            return Crashed(error).reason
    return f"no answer within {check.timeout:g} s"
