"""Let guests use the host's file system, as far as it was granted."""

from __future__ import annotations

from ...hostcalls.gate import Gate
from ...hostcalls.interface import HostInterface
from .access import Disk
from .filesystem import FILESYSTEM, filesystem_interface
from .limits import FileLimits
from .metadata import METADATA, metadata_interface
from .pin import Pin, best_pin

__all__ = ("FILESYSTEM", "METADATA", "Disk", "FileLimits", "filesystem_interfaces")


def filesystem_interfaces(
    gate: Gate,
    *,
    limits: FileLimits | None = None,
    pin: Pin | None = None,
    disk: Disk | None = None,
) -> tuple[HostInterface, HostInterface]:
    """Return the interfaces of ``airssys:ext-filesystem``, for all of a system.

    Args:
        gate: Checks what is used, and emits events of it.
        limits: What one call may ask for.
        pin: How directories are opened; by default the best that the system has.
        disk: Made of these three; given where other interfaces share it.
    """
    disk = disk or Disk(gate, limits or FileLimits(), pin or best_pin())
    return filesystem_interface(disk), metadata_interface(disk)
