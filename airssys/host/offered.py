"""Offer all of airssys's own interfaces to the components of one system."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import field, frozen

from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..storage import MemoryStorage
from ..storage.protocol import Storage
from .actor_directory import ActorDirectory
from .capabilities import capabilities
from .filesystem import Disk, FileLimits, filesystem
from .host_services import host_services
from .messaging import messaging
from .network import LONGEST_WAIT, Resolver, Tls, network
from .permissions import permissions
from .process import Settings, open_processes
from .storage import storage

__all__ = ("Facilities", "open_interfaces")


@frozen(kw_only=True)
class Facilities:
    """What stands behind guests' host calls, where a program wants other than usual."""

    storage: Storage = field(factory=MemoryStorage)
    """Where components keep their keys and values."""
    files: FileLimits = field(factory=FileLimits)
    """What one call may read, write and list."""
    resolver: Resolver | None = None
    """Knows names of the network; None: the system's."""
    tls: Tls = field(factory=Tls)
    """How guests may speak TLS."""
    longest_wait: float = LONGEST_WAIT
    """Seconds that anything on the network may wait, whatever a guest asks for."""
    processes: Settings = field(factory=Settings)
    """What holds for all programs that guests start."""


@asynccontextmanager
async def open_interfaces(
    actors: ActorDirectory, gate: Gate, facilities: Facilities | None = None
) -> AsyncIterator[tuple[HostInterface, ...]]:
    """Open every interface that airssys has for guests.

    Each component may import all of them; what it may do is in its grants. Leaving
    this ends what guests have started.

    Args:
        actors: All actors of the system.
        gate: Stands before every call, and tells of it.
        facilities: What stands behind them; by default the usual.
    """
    given = facilities or Facilities()
    disk = Disk(gate, given.files)
    async with open_processes(gate, given.processes) as processes:
        yield (
            host_services(actors, instrument=gate.instrument),
            messaging(actors, gate),
            storage(given.storage, gate),
            permissions(gate, disk),
            capabilities(gate),
            *filesystem(gate, disk=disk),
            *network(
                gate,
                resolver=given.resolver,
                tls=given.tls,
                longest=given.longest_wait,
            ),
            *processes,
        )
