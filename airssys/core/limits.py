"""Limit what an instance and an actor may use, and count what was used."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal, TypeAlias

from attrs import Factory, converters, field, fields, frozen, validators

from .checks import seconds
from .defaults import PAYLOAD
from .units import Bytes, BytesRate, Count, CountRate, Seconds, Share

__all__ = (
    "CACHE_SIZE",
    "GIB",
    "HANDLES",
    "KIB",
    "LEAST_TO_COMPILE",
    "LONGEST_TO_COMPILE",
    "MEMORIES",
    "MIB",
    "PAGE",
    "QUOTAS",
    "CompileLimits",
    "Holding",
    "Limits",
    "Quota",
    "QuotaKey",
    "QuotaKind",
    "Rate",
    "SharedQuota",
    "Usage",
)

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
CACHE_SIZE: Final = GIB
"""Bytes of compiled code that are kept on disk."""
MEMORIES: Final = 16
"""Linear memories that an instance may have, if nothing else is said."""
HANDLES: Final = 10_000
"""Handles that a guest may have, if nothing else is said."""
LEAST_TO_COMPILE: Final = 128 * MIB
"""Bytes of address space that a compiler takes before it has anything to compile."""
LONGEST_TO_COMPILE: Final = 86_400.0
"""Seconds; the system's own limits and timers hold no number of any size."""
PAGE: Final = 64 * KIB
"""A WebAssembly memory grows in pages of this many bytes."""

# Larger numbers do not fit C's, where they would mean no limit at all.
_POSITIVE = validators.and_(
    validators.instance_of(int), validators.gt(0), validators.lt(2**63)
)


_LEAST_VALUES: Final = MIB


@frozen(kw_only=True)
class CompileLimits:
    """What it may take to compile a component, which its bytes do not tell.

    A CPython guest of 18 MB takes 0.45 GiB and 19 s; hostile ones take all there is.
    """

    memory: Bytes = field(default=GIB, validator=_POSITIVE)
    """Bytes of address space of the process that compiles."""
    time: Seconds = field(
        default=60.0,
        converter=seconds,
        validator=[validators.gt(0), validators.le(LONGEST_TO_COMPILE)],
    )
    """Seconds of processor time. On the clock it may take five times as long."""
    size: Bytes = field(default=128 * MIB, validator=_POSITIVE)
    """Bytes of the component itself."""


@frozen(kw_only=True)
class Limits:
    """What one instance may use.

    Fuel, timeout and computing hold for each call (and for the instantiation, which may
    run a start function), the other limits as long as the instance lives.

    By default what the usual compilers make runs: a CPython guest has 38 core instances
    and 13 MiB of memory from the start, one of StarlingMonkey a table of 7,700
    elements, one of QuickJS three memories; and so do several of them that are composed
    to one component.
    """

    memory: int = field(default=64 * MIB, validator=_POSITIVE)
    """Bytes of the largest linear memory."""
    total_memory: int = field(
        default=Factory(lambda limits: 2 * limits.memory, takes_self=True),
        validator=_POSITIVE,
    )
    """Bytes of all linear memories together, with what airssys itself has in the
    instance to pass values on: twice ``memory``, if nothing else is said. wasmtime
    limits each memory for itself, so where there are several each may have as much as
    an equal share of this; see `share`."""
    fuel: int | None = field(default=None, validator=validators.optional(_POSITIVE))
    """Fuel per call, about one unit per wasm instruction. None: unmetered."""
    timeout: float | None = field(
        default=None,
        converter=converters.optional(seconds),
        validator=validators.optional(validators.gt(0)),
    )
    """Seconds per call, waits in host functions included. None: no end."""
    computing: float | None = field(
        default=None,
        converter=converters.optional(seconds),
        validator=validators.optional(validators.gt(0)),
    )
    """Seconds of processor time per call that the guest computes; neither waits nor
    what host functions do count. It is looked at after each slice, some 0.1 ms. None:
    no end."""
    table_elements: int = field(default=100_000, validator=_POSITIVE)
    """Elements in each table."""
    memories: int = field(default=MEMORIES, validator=_POSITIVE)
    """Linear memories. Most compilers make one, some three; a component that is
    composed of others has those of all. They share ``total_memory``."""
    tables: int = field(default=32, validator=_POSITIVE)
    """Tables. Compilers make two or three."""
    instances: int = field(default=256, validator=_POSITIVE)
    """Core instances inside the component. Compilers make 3 to 38."""
    handles: int = field(
        default=HANDLES,
        validator=validators.and_(_POSITIVE, validators.lt(2**28)),
    )
    """Handles in the guest's table, of its own resources and of the host's; each table
    for itself, as a component has one for each that it is composed of. They have
    nothing to do with `Quota.handles`, which counts files and the like that the host
    holds open for an actor."""
    values: int = field(
        default=Factory(
            lambda limits: max(limits.memory // 2, _LEAST_VALUES), takes_self=True
        ),
        validator=_POSITIVE,
    )
    """Bytes, as they lie in Python, of the values that cross in one call, each way: its
    arguments or its result, or those of one call of a host function. Half of
    ``memory``, and at least 1 MiB, if nothing else is said. Of what the host passes
    lists and maps count. What wasmtime makes of them meanwhile may be
    twice as much, and 12 MiB."""

    def share(self, memories: int) -> int:
        """Return the bytes that each of so many memories may have."""
        return min(self.memory, self.total_memory // max(memories, 1))


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


class QuotaKind(Enum):
    """What happens to a quota when some of it is used."""

    RATE = "rate"
    """The used amount comes back with time."""
    HOLDING = "holding"
    """The held amount comes back when it is released."""
    SINGLE = "single"
    """Nothing is used up: it bounds each single thing, so it cannot be shared."""


@frozen
class QuotaKey:
    """What there is to know of a quota beside its type and its default."""

    kind: QuotaKind
    phrase: str
    """What errors call it."""


def _row(kind: QuotaKind, phrase: str) -> Mapping[object, QuotaKey]:
    return {QuotaKey: QuotaKey(kind, phrase)}


@frozen(kw_only=True)
class Quota:
    """What one actor may use, over all its calls. The defaults are a manifest's.

    These fields are the one table of quotas, which `QUOTAS` is made of; a type's word
    says how files write it. `Rate`, `Holding`, `SharedQuota` and a manifest's
    `Resources` spell the keys once more for the type checker; a test compares them.
    """

    storage: Bytes = field(
        default=100 * MIB,
        validator=_POSITIVE,
        metadata=_row(QuotaKind.HOLDING, "quota of storage"),
    )
    """Bytes kept in storage."""
    network: BytesRate = field(
        default=10 * MIB,
        validator=_POSITIVE,
        metadata=_row(QuotaKind.RATE, "quota of network bytes"),
    )
    """Bytes a second over the network."""
    messages: CountRate = field(
        default=1000,
        validator=_POSITIVE,
        metadata=_row(QuotaKind.RATE, "quota of messages"),
    )
    """Messages sent a second."""
    payload: Bytes = field(
        default=PAYLOAD,
        validator=_POSITIVE,
        metadata=_row(QuotaKind.SINGLE, "payload quota"),
    )
    """Bytes of one message."""
    cpu: Share = field(
        default=1.0,
        converter=seconds,
        validator=validators.gt(0.0),
        metadata=_row(QuotaKind.RATE, "quota of computing time"),
    )
    """Seconds of computing in each second."""
    handles: Count = field(
        default=256,
        validator=_POSITIVE,
        metadata=_row(QuotaKind.HOLDING, "quota of open handles"),
    )
    """Files, sockets, pools and child processes open at one time."""
    host_calls: CountRate = field(
        default=100_000,
        validator=_POSITIVE,
        metadata=_row(QuotaKind.RATE, "quota of host calls"),
    )
    """Calls of host functions a second. One more waits until it may go on."""
    log: BytesRate = field(
        default=MIB,
        validator=_POSITIVE,
        metadata=_row(QuotaKind.RATE, "quota of log lines"),
    )
    """Bytes of log lines a second. More are left out; how many is told."""


QUOTAS: Final[Mapping[str, QuotaKey]] = {
    key.name: key.metadata[QuotaKey] for key in fields(Quota)
}
"""The quotas by the words that manifests have for them."""

Rate: TypeAlias = Literal["messages", "network", "cpu", "host_calls", "log"]
"""The quotas of the kind `QuotaKind.RATE`, for the type checker."""
Holding: TypeAlias = Literal["storage", "handles"]
"""The quotas of the kind `QuotaKind.HOLDING`, for the type checker."""


@frozen(kw_only=True)
class SharedQuota:
    """What all actors below a supervisor may use together; None is no limit."""

    storage: Bytes | None = field(
        default=None, validator=validators.optional(_POSITIVE)
    )
    network: BytesRate | None = field(
        default=None, validator=validators.optional(_POSITIVE)
    )
    messages: CountRate | None = field(
        default=None, validator=validators.optional(_POSITIVE)
    )
    cpu: Share | None = field(
        default=None,
        converter=converters.optional(seconds),
        validator=validators.optional(validators.gt(0.0)),
    )
    """May be more than a second in each second, as several compute side by side."""
    handles: Count | None = field(
        default=None, validator=validators.optional(_POSITIVE)
    )
    host_calls: CountRate | None = field(
        default=None, validator=validators.optional(_POSITIVE)
    )
    log: BytesRate | None = field(
        default=None, validator=validators.optional(_POSITIVE)
    )
