"""Offer all that guests may import, over nothing in particular."""

from __future__ import annotations

from airssys.abc import HostInterface
from airssys.gate import Gate
from airssys.host.capabilities import capabilities
from airssys.host.filesystem import filesystem
from airssys.host.host_services import host_services
from airssys.host.messaging import messaging
from airssys.host.network import network
from airssys.host.permissions import permissions
from airssys.host.process import open_processes
from airssys.host.storage import storage
from airssys.registry import Registry
from airssys.storage import MemoryStorage

__all__ = ("offered",)


async def offered() -> list[HostInterface]:
    """Return every interface that a system offers to guests."""
    gate = Gate()
    registry = Registry()
    async with open_processes(gate) as processes:
        return [
            host_services(registry),
            messaging(registry, gate),
            storage(MemoryStorage(), gate),
            permissions(gate),
            capabilities(gate),
            *filesystem(gate),
            *network(gate),
            *processes,
        ]
