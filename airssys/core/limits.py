"""Say how much a component may use, and how much it has used."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen, validators

from .defaults import PAYLOAD

__all__ = ("KIB", "MIB", "PAGE", "Limits", "Quota", "SharedQuota", "Usage")

KIB: Final = 1024
MIB: Final = 1024 * KIB
PAGE: Final = 64 * KIB
"""A WebAssembly memory grows in pages of this many bytes."""

# Larger numbers do not fit C's, where they would mean no limit at all.
_POSITIVE = validators.and_(
    validators.instance_of(int), validators.gt(0), validators.lt(2**63)
)


@frozen(kw_only=True)
class Limits:
    """What one instance may use.

    Fuel and timeout hold for each call (and for the instantiation, which may run a
    start function), the other limits as long as the instance lives.
    """

    memory: int = field(default=64 * MIB, validator=_POSITIVE)
    """Bytes of linear memory; each memory for itself, where there may be several."""
    fuel: int | None = field(default=None, validator=validators.optional(_POSITIVE))
    """Fuel per call, about one unit per wasm instruction. None: unmetered."""
    timeout: float | None = field(
        default=None, validator=validators.optional(validators.gt(0))
    )
    """Seconds per call, waits in host functions included. None: no end."""
    table_elements: int = field(default=100_000, validator=_POSITIVE)
    """Elements in each table."""
    memories: int = field(default=1, validator=_POSITIVE)
    """Linear memories. One is what compilers make; composed components need more."""
    tables: int = field(default=8, validator=_POSITIVE)
    instances: int = field(default=128, validator=_POSITIVE)
    """Core instances inside the component."""


@frozen(kw_only=True)
class Usage:
    """What one instance has used since it was made."""

    fuel: int = 0
    """Fuel of all calls so far, the instantiation included."""
    calls: int = 0
    """Calls of exported functions that were started."""
    host_calls: int = 0
    """Calls the guest made of host functions."""
    memory: int | None = None
    """Bytes of linear memory now, where the runtime tells; None where it does not."""
    memory_peak: int | None = None
    threaded: float = 0.0
    """Seconds of processor time in worker threads, where longer calls compute."""


@frozen(kw_only=True)
class Quota:
    """What one actor may use, over all its calls. The defaults are a manifest's."""

    storage: int = field(default=100 * MIB, validator=_POSITIVE)
    """Bytes kept in storage."""
    network: int = field(default=10 * MIB, validator=_POSITIVE)
    """Bytes a second over the network."""
    messages: int = field(default=1000, validator=_POSITIVE)
    """Messages sent a second."""
    payload: int = field(default=PAYLOAD, validator=_POSITIVE)
    """Bytes of one message."""
    cpu: float = field(default=1.0, validator=validators.gt(0.0))
    """Seconds of computing in each second."""
    handles: int = field(default=256, validator=_POSITIVE)
    """Files, sockets, pools and child processes open at one time."""
    host_calls: int = field(default=100_000, validator=_POSITIVE)
    """Calls of host functions a second. One more waits until it may go on."""


@frozen(kw_only=True)
class SharedQuota:
    """What all children of a supervisor may use together; None: no limit of its own."""

    storage: int | None = field(default=None, validator=validators.optional(_POSITIVE))
    network: int | None = field(default=None, validator=validators.optional(_POSITIVE))
    messages: int | None = field(default=None, validator=validators.optional(_POSITIVE))
    cpu: float | None = field(
        default=None, validator=validators.optional(validators.gt(0.0))
    )
    """Seconds of computing in each second; more than 1 where several compute."""
    handles: int | None = field(default=None, validator=validators.optional(_POSITIVE))
    host_calls: int | None = field(
        default=None, validator=validators.optional(_POSITIVE)
    )
