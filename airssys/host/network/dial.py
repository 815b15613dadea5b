"""Connect to the first address that answers.

`Permits.ways` has looked the name up and judged each address. From there on a guest's
target is these addresses alone; the name is not looked up again.
"""

from __future__ import annotations

from typing import Final

import anyio

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...witmodel.types import Variant
from ..errors import permission_denied
from .addresses import Target
from .errors import PASSING, failure
from .owned import Way
from .permits import Permits
from .tcp import TcpSocket

__all__ = ("MOST_RETRIES", "connect", "connect_again")

MOST_RETRIES: Final = 100
_SHORT: Final = 5.0
"""Seconds for an address as long as there are others to try."""


async def connect(
    permits: Permits,
    call: Call,
    socket: TcpSocket,
    target: Target,
    *,
    any_family: bool = False,
) -> None:
    """Connect a socket within its connect timeout, the look-up of a name included.

    Args:
        permits: The rules.
        call: Who asks.
        socket: What to connect.
        target: Where to.
        any_family: Whether the socket may become one of the other family.

    Raises:
        WitError: It may not, or it failed at every address.
    """
    limit = permits.seconds(socket.options.connect_timeout)
    with permits.errors(call, f"connecting to {target}"), anyio.fail_after(limit):
        family = None if any_family else socket.family
        ways = await permits.ways(call, target, family)
        if socket.state not in {"created", "error"}:
            raise failure("invalid-argument", f"the socket is {socket.state}")
        for index, way in enumerate(ways):
            last = index == len(ways) - 1
            # The wait for the one before may have seen the grant go.
            _still(permits, call, way, target)
            # The system's socket is of one family; the guest's handle can change it
            # only where the guest has not chosen one (a connection of a pool).
            if way.peer.family != socket.family:
                socket.family = way.peer.family
                socket.renew()
            try:
                with anyio.fail_after(limit if last else min(_SHORT, limit)):
                    await socket.open_to(way.peer)
            except OSError:
                if last:
                    raise
            else:
                socket.name = way.by
                socket.lead(way)
                try:
                    _still(permits, call, way, target)
                except WitError:
                    socket.close()  # nothing was sent yet
                    raise
                return


def _still(permits: Permits, call: Call, way: Way, target: Target) -> None:
    """Let a call go on that may still connect this way."""
    if problem := permits.stands(call, way):
        permits.gate.report(call, problem, str(target))
        raise WitError(permission_denied(permits.gate.words(problem, str(target))))


async def connect_again(
    permits: Permits,
    call: Call,
    socket: TcpSocket,
    endpoint: Variant,
    retries: int,
    delay: float,
) -> None:
    """Connect, and try again where that failed for a reason that may pass.

    Args:
        permits: The rules.
        call: Who asks.
        socket: What to connect.
        endpoint: Where to.
        retries: How often to try again; never more than `MOST_RETRIES`.
        delay: Seconds between two tries.

    Raises:
        WitError: It may not, or the last try failed.
    """
    with (
        permits.errors(call, "connecting again and again"),
        anyio.fail_after(permits.longest),
    ):
        for left in range(min(retries, MOST_RETRIES), -1, -1):
            try:
                await connect(permits, call, socket, permits.target(call, endpoint))
            except WitError as error:
                passing = isinstance(error.value, Variant) and (
                    error.value.case in PASSING
                )
                if not left or not passing:
                    raise
                await anyio.sleep(delay)
            else:
                return
