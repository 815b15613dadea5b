"""The table ``[resources]``: what an instance and its actor may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ..defaults import MAILBOX, MAILBOX_BYTES
from ..limits import HANDLES, KIB, MEMORIES, MIB, QUOTAS, Limits, Quota
from ..message import Overflow
from ..units import Bytes, BytesRate, Count, CountRate, Seconds, Share

__all__ = (
    "CEILING",
    "LEAST_MEMORY",
    "LIMIT_KEYS",
    "MAILBOX_KEYS",
    "Resources",
    "ResourcesOverride",
)

LEAST_MEMORY: Final = 512 * KIB
"""Bytes; a component needs that much for its stack and data."""
CEILING: Final = 64 * MIB
"""Bytes a component may have at the most, if the host says nothing else."""
_QUOTA: Final = Quota()


@frozen(kw_only=True)
class Resources:
    """What an instance may use. The first three are required: nothing runs without.

    Each key is one of `LIMIT_KEYS`, of `MAILBOX_KEYS` or of the table of quotas.
    """

    memory: Bytes
    fuel: Count
    """Per call."""
    timeout: Seconds
    """Of wall clock, per call."""
    computing: Seconds | None = None
    """Of processor time that the guest computes, per call. None: no end."""
    total_memory: Bytes | None = None
    """Of all linear memories together. None: twice ``memory``."""
    memories: Count = MEMORIES
    """Linear memories. Most compilers make one; guests with an interpreter inside, and
    those that are composed of others, have more."""
    resource_handles: Count = HANDLES
    """Handles of resources in the guest's own tables, whatever they stand for; unlike
    ``handles``, which counts what the host holds open."""
    values: Bytes | None = None
    """Of what the guest passes in one call, as it lies in Python. None: half of
    ``memory``, and at least 1 MiB."""
    mailbox: Count = MAILBOX
    """Messages that may wait."""
    mailbox_bytes: Bytes = MAILBOX_BYTES
    """Bytes of their payloads; one message may always wait."""
    overflow: Overflow = Overflow.WAIT
    storage: Bytes = _QUOTA.storage
    network: BytesRate = _QUOTA.network
    messages: CountRate = _QUOTA.messages
    payload: Bytes = _QUOTA.payload
    cpu: Share = _QUOTA.cpu
    handles: Count = _QUOTA.handles
    """Files, sockets, pools and child processes open at one time."""
    host_calls: CountRate = _QUOTA.host_calls
    log: BytesRate = _QUOTA.log

    @property
    def limits(self) -> Limits:
        """What an instance may use."""
        given = {limit: getattr(self, key) for key, limit in LIMIT_KEYS.items()}
        return Limits(**{key: one for key, one in given.items() if one is not None})

    @property
    def quota(self) -> Quota:
        """What the actor may use over all its calls."""
        return Quota(**{key: getattr(self, key) for key in QUOTAS})


LIMIT_KEYS: Final[Mapping[str, str]] = {
    "memory": "memory",
    "fuel": "fuel",
    "timeout": "timeout",
    "computing": "computing",
    "total_memory": "total_memory",
    "memories": "memories",
    "resource_handles": "handles",
    "values": "values",
}
"""The keys of `Resources` that are limits of the instance, with their names there."""
MAILBOX_KEYS: Final = ("mailbox", "mailbox_bytes", "overflow")
"""The keys of `Resources` that say how messages wait for the actor."""


@frozen(kw_only=True)
class ResourcesOverride:
    """What a component may use instead of what its manifest says; never more.

    The same keys as in `Resources`; what is None stays as it is.
    """

    memory: Bytes | None = None
    fuel: Count | None = None
    timeout: Seconds | None = None
    computing: Seconds | None = None
    total_memory: Bytes | None = None
    memories: Count | None = None
    resource_handles: Count | None = None
    values: Bytes | None = None
    mailbox: Count | None = None
    mailbox_bytes: Bytes | None = None
    overflow: Overflow | None = None
    storage: Bytes | None = None
    network: BytesRate | None = None
    messages: CountRate | None = None
    payload: Bytes | None = None
    cpu: Share | None = None
    handles: Count | None = None
    host_calls: CountRate | None = None
    log: BytesRate | None = None
