"""Say how much a component may use, and how much it has used."""

from __future__ import annotations

from math import inf
from typing import Final

from attrs import Factory, evolve, field, frozen, validators

__all__ = ("KIB", "MIB", "PAGE", "Limits", "Quota", "TokenBucket", "Usage")

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
    payload: int = field(default=MIB, validator=_POSITIVE)
    """Bytes of one message."""
    cpu: float = field(default=1.0, validator=validators.gt(0.0))
    """Seconds of computing in each second."""


@frozen
class TokenBucket:
    """A rule for a rate: tokens come in steadily, and whatever is done takes some.

    No more than ``burst + rate * t`` tokens are taken in any ``t`` seconds. ``now`` is
    a reading in seconds of any clock; if it goes back, nothing comes in meanwhile.
    """

    rate: float = field(validator=validators.gt(0))
    """Tokens that come in each second."""
    burst: float = field(validator=validators.gt(0))
    """Tokens it holds. It is full at first."""
    level: float = field(default=Factory(lambda self: self.burst, takes_self=True))
    """Tokens there were at `since`; below zero where more were charged."""
    since: float = -inf

    def at(self, now: float) -> TokenBucket:
        """Return the bucket with what has come in until now."""
        if now <= self.since:
            return self
        level = min(self.burst, self.level + (now - self.since) * self.rate)
        return evolve(self, level=level, since=now)

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much is there: 0 if it is, infinity if never."""
        if amount > self.burst:
            return inf
        return max(0.0, (amount - self.at(now).level) / self.rate)

    def take(self, amount: float, now: float) -> tuple[TokenBucket, float]:
        """Take so much, or nothing where it is not there.

        Returns:
            The bucket, and the seconds to `wait`: 0 where the tokens were taken.
        """
        wait = self.wait(amount, now)
        return (self.at(now) if wait else self.charge(amount, now)), wait

    def charge(self, amount: float, now: float) -> TokenBucket:
        """Take so much, if need be on credit: ``wait(0, now)`` is until it is paid."""
        bucket = self.at(now)
        return evolve(bucket, level=bucket.level - amount)
