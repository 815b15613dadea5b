"""Hold a component's grants to what the host allows any component."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import fields, frozen

from ..errors import ManifestError
from .grants import Grants
from .sections import (
    SECTIONS,
    CustomGrant,
    FilesystemGrants,
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    StorageGrants,
)

__all__ = ("HostSections", "admit")


@frozen(kw_only=True)
class HostSections:
    """Sections of grants, as a host file gives them; each may be missing."""

    filesystem: FilesystemGrants | None = None
    network: NetworkGrants | None = None
    storage: StorageGrants | None = None
    messaging: MessagingGrants | None = None
    process: ProcessGrants | None = None
    custom: tuple[CustomGrant, ...] | None = None

    def grants(self) -> Grants:
        """Return the same as grants; what is missing is nothing."""
        given: dict[str, Any] = {
            name: section for name, section in self if section is not None
        }
        return Grants(**given)

    def __iter__(self) -> Iterator[tuple[str, object]]:
        """Go through all sections: name, what is given."""
        for key in fields(HostSections):
            yield key.name, getattr(self, key.name)


def admit(
    grants: Grants,
    ceiling: HostSections,
    forbidden: HostSections,
    *,
    source: str = "capabilities",
) -> Grants:
    """Return grants with what the host forbids, if they stay below its ceiling.

    Args:
        grants: The component's, already narrowed by a tree file.
        ceiling: The most that any component may be granted, section by section. A
            section that is missing has no ceiling.
        forbidden: What is refused whatever is granted.
        source: Where the grants come from, for the error.

    Raises:
        ManifestError: Grants are above the ceiling; lists every one that is.
    """
    nothing = HostSections()
    if ceiling != nothing:
        most = ceiling.grants()
        problems = [
            f"may not {words}: the host's ceiling does not cover it "
            f"@ capabilities.{name}"
            for name, section in ceiling
            if section is not None
            for words in most.widened_by(_only(grants, name))
        ]
        if problems:
            raise ManifestError(source, tuple(problems))
    # Most hosts say neither, and each start of an actor comes by.
    return grants if forbidden == nothing else grants.forbidding(forbidden.grants())


def _only(grants: Grants, section: str) -> Grants:
    left = grants
    for other in SECTIONS:
        if other != section:
            left = left.without(other)
    return left
