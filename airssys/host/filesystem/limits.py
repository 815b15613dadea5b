"""Bound what one call may ask of the file system."""

from __future__ import annotations

from attrs import field, frozen, validators

from ...core.limits import MIB

__all__ = ("FileLimits",)

_POSITIVE = validators.and_(validators.instance_of(int), validators.gt(0))


@frozen(kw_only=True)
class FileLimits:
    """What a call may read, write and list. There is no quota of space on the disk."""

    transfer: int = field(default=MIB, validator=_POSITIVE)
    """Bytes of one read or write; more is a short one."""
    entries: int = field(default=10_000, validator=_POSITIVE)
    """Entries of a listing, or of a tree."""
    names: int = field(default=4 * MIB, validator=_POSITIVE)
    """Characters of the names in a listing or a tree, each with what is before it."""
    depth: int = field(default=64, validator=[_POSITIVE, validators.le(256)])
    """Levels of a tree. Each holds a descriptor while a call is in it."""
    paths: int = field(default=1_000, validator=_POSITIVE)
    """Paths in one call."""
    file_size: int | None = field(
        default=None, validator=validators.optional(_POSITIVE)
    )
    """Bytes that a file may grow to by what a guest writes; None: what the disk has."""
