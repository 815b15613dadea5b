"""Let guests use the network as far as they were granted: ``airssys:ext-network``."""

from __future__ import annotations

from typing import Final

from ...hostcalls.gate import Gate
from ...hostcalls.interface import HostInterface
from .connection import CONNECTION, connections
from .permits import Permits
from .resolve import Answer, FixedResolver, Resolver, SystemResolver
from .socket import SOCKET, sockets
from .tls import Tls

__all__ = (
    "CONNECTION",
    "LONGEST_WAIT",
    "SOCKET",
    "Answer",
    "FixedResolver",
    "Resolver",
    "SystemResolver",
    "Tls",
    "network_interfaces",
)

LONGEST_WAIT: Final = 300.0
"""Seconds that anything may wait, unless the host says otherwise."""


def network_interfaces(
    gate: Gate,
    *,
    resolver: Resolver | None = None,
    tls: Tls | None = None,
    longest: float = LONGEST_WAIT,
    permits: Permits | None = None,
) -> tuple[HostInterface, HostInterface]:
    """Return the two interfaces for all components of a system.

    Args:
        gate: Checks grants, and emits events of refusals.
        resolver: Knows names; None: the system's.
        tls: How guests may speak TLS; None: with certificates that the system trusts.
        longest: Seconds that anything may wait, whatever a guest's timeouts are.
        permits: Made of these; given where other interfaces share it.
    """
    permits = permits or Permits(gate, resolver or SystemResolver(), longest)
    return sockets(permits), connections(permits, tls or Tls())
