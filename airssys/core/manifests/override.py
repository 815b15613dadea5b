"""Override what a Component.toml gives: limits can only be lowered, grants narrowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve, field, fields, frozen

from ..grants.grants import Grants
from ..grants.sections import Section, Sections
from ..toml.lines import KeyPath
from ..toml.schema import Problem, shown
from ..units import Moment, show_moment, show_size
from .manifest import Capabilities, Manifest
from .resources import LEAST_MEMORY, LIMIT_KEYS, Resources, ResourcesOverride

__all__ = ("CapabilitiesOverride", "given", "narrowed", "raised", "widened")


@frozen(kw_only=True)
class CapabilitiesOverride(Sections):
    """What a component may do instead of what its manifest says; never more.

    A section that is given replaces the whole section; the others stay. So it is with
    the moments of ``expires``, which can only be earlier.
    """

    expires: Mapping[Section, Moment] = field(factory=dict)


def given(table: Any, names: Iterable[str] = ()) -> dict[str, Any]:
    """Return the values of a table that are not None."""
    names = names or [key.name for key in fields(type(table))]
    values = {name: getattr(table, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def raised(
    override: ResourcesOverride, manifest: Manifest, path: KeyPath
) -> Iterator[Problem]:
    """Find the limits that the override would raise."""
    for name, value in given(override).items():
        place = (*path, "resources", name)
        allowed = getattr(manifest.resources, name)
        if allowed is None:  # it follows from others
            allowed = getattr(manifest.limits, LIMIT_KEYS[name])
        # None here: the component's own manifest sets no limit either.
        if allowed is not None and isinstance(value, int | float) and value > allowed:
            yield Problem(
                place,
                f"{name} of {shown(Resources, name, value)} is more than "
                f"the component's {shown(Resources, name, allowed)}",
            )
        if name == "memory" and value < LEAST_MEMORY:
            yield Problem(
                place,
                f"memory of {show_size(value)} is less than {show_size(LEAST_MEMORY)}",
            )


def widened(
    override: CapabilitiesOverride, manifest: Manifest, path: KeyPath
) -> Iterator[Problem]:
    """Find what the override would allow beyond the component's grants."""
    granted = manifest.grants
    place = (*path, "capabilities")
    for section, value in override:
        only: dict[str, Any] = {section: value}
        # A section's end stays as the manifest has it where none is given.
        wanted = Grants(**only, expires=granted.expires)
        for words in granted.widened_by(wanted):
            yield Problem(
                (*place, section),
                f"may not {words}: no grant of the component covers it",
            )
    for section, end in override.expires.items():
        if section in granted.expires and end > granted.expires[section]:
            yield Problem(
                (*place, "expires", section),
                f"{section!r} cannot expire at {show_moment(end)}: the component's "
                f"grants do at {show_moment(granted.expires[section])}",
            )


def narrowed(
    override: CapabilitiesOverride, capabilities: Capabilities
) -> Capabilities:
    """Return a component's capabilities with what the override says instead."""
    sections: dict[str, Any] = dict(override)
    expires = {**capabilities.expires, **override.expires}
    return evolve(capabilities, **sections, expires=expires)
