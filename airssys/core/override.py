"""Override what a Component.toml gives: limits can only be lowered, grants narrowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import fields, frozen

from .capability import (
    CustomGrant,
    FilesystemGrants,
    Grants,
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    StorageGrants,
)
from .lines import Path
from .manifest import LEAST_MEMORY, Manifest
from .message import Overflow
from .rules import Bytes, BytesRate, Count, CountRate, Seconds, Share
from .schema import Problem
from .units import show_duration, show_share, show_size, show_size_rate

__all__ = ("CapabilitiesOverride", "ResourcesOverride", "given", "raised", "widened")


@frozen(kw_only=True)
class ResourcesOverride:
    """What a component may use instead of what its manifest says; never more."""

    memory: Bytes | None = None
    fuel: Count | None = None
    timeout: Seconds | None = None
    memories: Count | None = None
    mailbox: Count | None = None
    overflow: Overflow | None = None
    storage: Bytes | None = None
    network: BytesRate | None = None
    messages: CountRate | None = None
    payload: Bytes | None = None
    cpu: Share | None = None


@frozen(kw_only=True)
class CapabilitiesOverride:
    """What a component may do instead of what its manifest says; never more.

    A section that is given replaces the whole section; the others stay.
    """

    filesystem: FilesystemGrants | None = None
    network: NetworkGrants | None = None
    storage: StorageGrants | None = None
    messaging: MessagingGrants | None = None
    process: ProcessGrants | None = None
    custom: tuple[CustomGrant, ...] | None = None


def given(table: Any, names: Iterable[str] = ()) -> dict[str, Any]:
    """Return the values of a table that are not None."""
    names = names or [key.name for key in fields(type(table))]
    values = {name: getattr(table, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def raised(
    override: ResourcesOverride, manifest: Manifest, path: Path
) -> Iterator[Problem]:
    """Say which limits the override would raise."""
    for name, value in given(override).items():
        place = (*path, "resources", name)
        allowed = getattr(manifest.resources, name)
        if isinstance(value, int | float) and value > allowed:
            yield Problem(
                place,
                f"{name} of {_shown(name, value)} is more than "
                f"the component's {_shown(name, allowed)}",
            )
        if name == "memory" and value < LEAST_MEMORY:
            yield Problem(
                place,
                f"memory of {show_size(value)} is less than {show_size(LEAST_MEMORY)}",
            )


def _shown(name: str, value: Any) -> str:
    match name:
        case "memory" | "storage" | "payload":
            return show_size(value)
        case "network":
            return show_size_rate(value)
        case "timeout":
            return show_duration(value)
        case "cpu":
            return show_share(value)
        case _:
            return str(value)


def widened(
    override: CapabilitiesOverride, manifest: Manifest, path: Path
) -> Iterator[Problem]:
    """Say what the override would allow beyond the component's grants."""
    granted = manifest.grants
    for section, value in given(override).items():
        for words in granted.widened_by(Grants(**{section: value})):
            yield Problem(
                (*path, "capabilities", section),
                f"may not {words}: no grant of the component covers it",
            )
