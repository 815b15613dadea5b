"""Open sockets for guests, a few of them for those that may do nothing with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from attrs import evolve

from ...host.network.addresses import Family
from ...host.network.owned import OwnedSocket
from ...host.network.permits import Permits
from ...hostcalls.call import Call
from ..outside import Outside
from .errors import as_error_codes, refuse

__all__ = ("MOST_UNGRANTED", "opened")

_S = TypeVar("_S", bound=OwnedSocket)
MOST_UNGRANTED: Final = 16
"""Sockets that a guest without any grant of the network may have at one time. It can
do nothing with them, but a program that makes one before it tries is not to fail there.
"""


def opened(
    outside: Outside,
    call: Call,
    family: Family,
    opening: Callable[[Permits, Call, Family], _S],
) -> _S:
    """Open a socket that never waits.

    Raises:
        WitError: The caller or the system has too many.
    """
    permits = outside.permits
    granted = call.grants.at(permits.gate.clock()).network
    dealings = outside.ledger.of(call)
    free = not (granted.outbound or granted.inbound)
    if free and dealings.ungranted >= MOST_UNGRANTED:
        reason = f"without a grant of the network {MOST_UNGRANTED} are the most"
        permits.gate.refused(call, "open another socket", reason)
        refuse("new-socket-limit")
    with as_error_codes(
        permits.gate, call, "opening a socket", exhausted="new-socket-limit"
    ):
        owned = opening(permits, call, family)
    owned.options = evolve(owned.options, non_blocking=True)
    if free:
        dealings.ungranted += 1
        give_back = owned.give_back

        def give_both_back() -> None:
            dealings.ungranted -= 1
            give_back()

        owned.give_back = give_both_back
    return owned
