"""Count what an actor uses against its quota, and against those of its supervisors."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, Literal, TypeAlias, get_args

from attrs import define, field, setters, validators

from .errors import QuotaExceeded
from .limits import QUOTAS, Holding, Quota, Rate, SharedQuota

__all__ = (
    "Budget",
    "Level",
    "Store",
    "TokenBucket",
    "Warn",
)

Level: TypeAlias = Literal["warning", "critical"]
Warn: TypeAlias = Callable[[str, str, Level, float], object]
"""Takes the owner, the quota's word, the level, and the share that is in use."""
_WARNING: Final = 0.8
_CRITICAL: Final = 0.95
_CALM: Final = 0.5
"""Below this share the next warning may come."""
_RATES: Final[tuple[Rate, ...]] = get_args(Rate)
_HOLDINGS: Final[tuple[Holding, ...]] = get_args(Holding)


@define(eq=False)
class _Watched:
    """A quota of which some is in use, and the level that was last warned of."""

    owner: str
    word: str
    warn: Warn | None = None
    _reached: Level | None = field(default=None, init=False)

    def watch(self, share: float) -> None:
        """Warn where the share in use has reached a higher level than before."""
        before = self._reached
        if share < _WARNING:
            if before is not None and share < _CALM:
                self._reached = None
            return
        level: Level = "critical" if share >= _CRITICAL else "warning"
        if before in (level, "critical"):
            return
        self._reached = level
        if self.warn is not None:
            self.warn(self.owner, self.word, level, share)


@define(eq=False, on_setattr=setters.NO_OP)  # else each change runs the validators
class TokenBucket(_Watched):
    """A rate: tokens come in steadily, and whatever is done takes some.

    No more than ``rate * (1 + t)`` tokens are taken in any ``t`` seconds: it holds a
    second's worth, and is full at first. ``now`` is a reading in seconds of any clock;
    if it goes back, nothing comes in meanwhile.
    """

    rate: float = field(kw_only=True, validator=validators.gt(0))
    """Tokens that come in each second."""
    tokens: float = field(init=False)
    """What there was at `since`; below zero where more were charged."""
    since: float = field(default=-inf, init=False)
    _half: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tokens = self.rate
        self._half = self.rate * (1 - _CALM)

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much is there: 0 if it is, infinity if never."""
        rate = self.rate
        if now > self.since:
            tokens = self.tokens + (now - self.since) * rate
            # On the way of every host call, where min() would be noticed.
            self.tokens = tokens if tokens < rate else rate  # noqa: FURB136
            self.since = now
        if amount <= self.tokens:
            return 0.0
        return inf if amount > rate else (amount - self.tokens) / rate

    def charge(self, amount: float) -> None:
        """Take so much, if need be on credit, after a look at what to `wait`."""
        self.tokens -= amount
        if self.tokens < self._half or self._reached is not None:  # else it is no news
            self.watch(1 - self.tokens / self.rate)


@define(eq=False)
class Store(_Watched):
    """How much of a quota is held, until it is released."""

    limit: int = field(kw_only=True)
    used: int = field(default=0, init=False)

    def add(self, amount: int) -> None:
        """Hold so much more, or less."""
        self.used += amount
        self.watch(self.used / self.limit)


@define(eq=False)
class Budget:
    """What is left of a quota: an actor's own, or what a supervisor's children share.

    Whatever an actor uses counts towards its own quota and those of all supervisors
    above it that carry one. It is taken from all of them or from none.
    """

    owner: str
    """The actor's id, or the supervisor's."""
    quota: Quota | SharedQuota
    parent: Budget | None = None
    """The budget of the next supervisor above that carries a quota."""
    warn: Warn | None = None
    """Called when a quota is used up by 80 % and by 95 %, and again once less than half
    of it was in use."""
    rates: dict[Rate, tuple[TokenBucket, ...]] = field(init=False)
    """For each rate the bucket of this budget, then those of the budgets above it."""
    stores: dict[Holding, tuple[Store, ...]] = field(init=False)
    _held: dict[Holding, int] = field(factory=dict, init=False)
    """What its own actor holds, whether that has a limit of its own or not."""

    def __attrs_post_init__(self) -> None:
        self.rates = {rate: self._buckets(rate) for rate in _RATES}
        self.stores = {holding: self._stores(holding) for holding in _HOLDINGS}

    def _buckets(self, rate: Rate) -> tuple[TokenBucket, ...]:
        amount = getattr(self.quota, rate)
        above = () if self.parent is None else self.parent.rates[rate]
        # One actor computes in one place at a time: a second in each second is no
        # limit for it.
        alone = rate == "cpu" and isinstance(self.quota, Quota)
        if amount is None or (alone and amount >= 1):
            return above
        return (TokenBucket(self.owner, rate, self.warn, rate=amount), *above)

    def _stores(self, holding: Holding) -> tuple[Store, ...]:
        amount = getattr(self.quota, holding)
        above = () if self.parent is None else self.parent.stores[holding]
        if amount is None:
            return above
        return (Store(self.owner, holding, self.warn, limit=amount), *above)

    # Rates.

    def take(self, rate: Rate, amount: float, now: float) -> float:
        """Take so much, or nothing where it is not there.

        Args:
            rate: Of what.
            amount: How much; no more than `most` at a time.
            now: Seconds of any clock, always the same.

        Returns:
            The seconds until so much is there: 0 where it was taken, infinity where
            it never will be.
        """
        buckets = self.rates[rate]
        longest = 0.0
        for bucket in buckets:
            if wait := bucket.wait(amount, now):
                longest = max(longest, wait)
        if not longest:
            for bucket in buckets:
                bucket.charge(amount)
        return longest

    def charge(self, rate: Rate, amount: float, now: float) -> None:
        """Take so much, on credit if need be: for what is known only afterwards."""
        for bucket in self.rates[rate]:
            bucket.wait(amount, now)
            bucket.charge(amount)

    def refund(self, rate: Rate, amount: float, now: float) -> None:
        """Give back what was charged for something that is not done after all."""
        for bucket in self.rates[rate]:
            bucket.wait(0, now)
            bucket.tokens = min(bucket.tokens + amount, bucket.rate)

    def debt(self, rate: Rate, now: float) -> float:
        """Return the seconds until what was charged is paid."""
        return max((bucket.wait(0, now) for bucket in self.rates[rate]), default=0.0)

    def most(self, rate: Rate) -> float:
        """Return how much can be taken at a time; infinity where there is no limit."""
        return min((bucket.rate for bucket in self.rates[rate]), default=inf)

    def refusal(self, rate: Rate, wait: float) -> QuotaExceeded:
        """Return the error for what was not taken.

        Args:
            rate: Of what.
            wait: What `take` returned.
        """
        advice = f"the next may go in {wait:.3g} s"
        if wait == inf:
            advice = "that much never fits"
        limit = f"{self.most(rate):_.10g} a second"
        return QuotaExceeded(
            f"actor {self.owner!r}", QUOTAS[rate].phrase, limit, advice
        )

    # Holdings.

    def hold(self, holding: Holding, amount: int = 1) -> None:
        """Hold so much more, until it is released.

        Raises:
            QuotaExceeded: There is not so much left; nothing more is held.
        """
        for store in self.stores[holding]:
            if store.used + amount > store.limit:
                owner = store.owner
                whose = "" if owner == self.owner else f" of supervisor {owner!r}"
                raise QuotaExceeded(
                    f"actor {self.owner!r}",
                    f"{QUOTAS[holding].phrase}{whose}",
                    f"{store.limit:_}",
                    f"{store.used:_} in use",
                )
        self._held[holding] = self._held.get(holding, 0) + amount
        for store in self.stores[holding]:
            store.add(amount)

    def release(self, holding: Holding, amount: int = 1) -> None:
        """Give back what was held; no more than that."""
        held = self._held.get(holding, 0)
        amount = min(amount, held)
        self._held[holding] = held - amount
        for store in self.stores[holding]:
            store.add(-amount)

    def held(self, holding: Holding) -> int:
        """Return how much its own actor holds."""
        return self._held.get(holding, 0)

    def limit(self, holding: Holding) -> int | None:
        """Return how much may be held; None where nothing limits it."""
        return min((store.limit for store in self.stores[holding]), default=None)

    def close(self) -> None:
        """Give all that is held back to the supervisors: the actor ended for good."""
        for holding, held in self._held.items():
            self.release(holding, held)
