"""Offer all of airssys's own interfaces to the components of one system."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from attrs import Factory, field, frozen, validators

from ..core.checks import seconds
from ..hostcalls.declare import Needed, Operations, needs_of
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..storage import MemoryStorage
from ..storage.protocol import Storage
from .actor_directory import ActorDirectory
from .capabilities import CapabilitiesOperations, capabilities_interface
from .filesystem import Disk, FileLimits, filesystem_interfaces
from .filesystem.filesystem import FilesystemOperations
from .filesystem.metadata import MetadataOperations
from .guest_log import GuestLog
from .host_services import HostServices, host_services
from .messaging import MessagingOperations, messaging
from .network import LONGEST_WAIT, Resolver, Tls, network_interfaces
from .network.connection import ConnectionOperations
from .network.permits import Permits
from .network.socket import SocketOperations
from .permissions import PermissionsOperations, permissions_interface
from .process import ProcessSettings, open_process_interfaces
from .process.lifecycle import LifecycleOperations
from .process.signals import SignalsOperations
from .shelves import Shelves
from .storage import StorageOperations, storage_interface

__all__ = ("OPERATIONS", "Facilities", "needed_for", "open_interfaces")

OPERATIONS: Final[tuple[type[Operations], ...]] = (
    HostServices,
    MessagingOperations,
    StorageOperations,
    PermissionsOperations,
    CapabilitiesOperations,
    FilesystemOperations,
    MetadataOperations,
    SocketOperations,
    ConnectionOperations,
    LifecycleOperations,
    SignalsOperations,
)
"""What `open_interfaces` offers, in its order."""


def needed_for(interface: str) -> Mapping[str, Needed] | None:
    """Return what each function of an interface needs; None: it is not airssys's own.

    Args:
        interface: Its name, with any version or without one.
    """
    plain = interface.partition("@")[0]
    for operations in OPERATIONS:
        if operations.interface.partition("@")[0] == plain:
            return needs_of(operations)
    return None


@frozen(kw_only=True)
class Facilities:
    """What host calls of guests work with: storage, a resolver, TLS, limits.

    Each field has the usual one as its default.
    """

    storage: Storage = field(factory=MemoryStorage)
    """Where components keep their keys and values."""
    files: FileLimits = field(factory=FileLimits)
    """What one host call may read, write and list of the file system."""
    resolver: Resolver | None = None
    """Looks names of the network up; None: the system's resolver."""
    tls: Tls = field(factory=Tls)
    """How guests may speak TLS."""
    longest_wait: float = field(
        default=LONGEST_WAIT, converter=seconds, validator=validators.gt(0.0)
    )
    """Seconds that anything on the network may wait, whatever a guest asks for."""
    processes: ProcessSettings = field(factory=ProcessSettings)
    """What holds for all programs that guests start."""
    shelves: Shelves = field(
        default=Factory(lambda self: Shelves(self.storage), takes_self=True),
        init=False,
        repr=False,
    )
    """What all interfaces write to the storage by, so that a quota counts it once."""


@asynccontextmanager
async def open_interfaces(
    actors: ActorDirectory,
    gate: Gate,
    facilities: Facilities | None = None,
    *,
    disk: Disk | None = None,
    permits: Permits | None = None,
    guest_log: GuestLog | None = None,
) -> AsyncIterator[tuple[HostInterface, ...]]:
    """Open every interface that airssys has for guests.

    Each component may import all of them; what it may do is in its grants. Leaving
    this ends what guests have started.

    Args:
        actors: All actors of the system.
        gate: Checks every host call, and emits events.
        facilities: What the interfaces work with; by default the usual.
        disk: Made of these; given where other interfaces share it.
        permits: Likewise.
        guest_log: Likewise.
    """
    given = facilities or Facilities()
    disk = disk or Disk(gate, given.files)
    async with open_process_interfaces(gate, given.processes) as processes:
        yield (
            host_services(actors, guest_log=guest_log or GuestLog(gate.emitter)),
            messaging(actors, gate),
            storage_interface(given.shelves, gate),
            permissions_interface(gate, disk),
            capabilities_interface(gate),
            *filesystem_interfaces(gate, disk=disk),
            *network_interfaces(
                gate,
                resolver=given.resolver,
                tls=given.tls,
                longest=given.longest_wait,
                permits=permits,
            ),
            *processes,
        )
