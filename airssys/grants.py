"""What components may do: grants by section, and the capabilities they are asked for.

A grant is what a component holds, such as ``FilesystemGrants(read=["/srv/**"])``; a
capability is what one call needs, such as ``Filesystem("read", "/srv/a")``.
"""

from __future__ import annotations

from .core.grants.capabilities import (
    Capability,
    Custom,
    Denial,
    Filesystem,
    Messaging,
    Network,
    Process,
    Storage,
)
from .core.grants.grants import NO_GRANTS, Grants
from .core.grants.sections import (
    SECTIONS,
    CustomGrant,
    FilesystemGrants,
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    Sections,
    StorageGrants,
)

__all__ = (
    "NO_GRANTS",
    "SECTIONS",
    "Capability",
    "Custom",
    "CustomGrant",
    "Denial",
    "Filesystem",
    "FilesystemGrants",
    "Grants",
    "Messaging",
    "MessagingGrants",
    "Network",
    "NetworkGrants",
    "Process",
    "ProcessGrants",
    "Sections",
    "Storage",
    "StorageGrants",
)
