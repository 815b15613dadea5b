"""Let guests keep keys and values of their own: ``airssys:core/storage``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakKeyDictionary

import anyio
from attrs import define, field

from ..core.budget import Budget
from ..core.defaults import LISTED
from ..core.errors import QuotaExceeded, StorageError, WitError
from ..core.grants.capabilities import Storage as Needed
from ..core.grants.pattern import overlaps
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, Inside, Requires, offer
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..storage import keys
from ..storage.protocol import Storage
from ..witmodel.signatures import SIGNATURES
from ..witmodel.types import Variant

__all__ = ("MOST_LISTED", "STORAGE", "storage")

STORAGE: Final = "airssys:core/storage@1.0.0"
_TYPES: Final = SIGNATURES[STORAGE]
MOST_LISTED: Final = 10_000
"""Keys that one call lists at the most."""


def storage(store: Storage, gate: Gate) -> HostInterface:
    """Return the interface for all components of a system.

    Each component has a namespace of its own, by its name: its actors share it, and
    find it again after a restart. What is in it counts towards the quota of who wrote
    it, and no component stores more than its quota, however many its actors are.

    Args:
        store: Where it is kept.
        gate: Checks what shows only inside.
    """
    interface = HostInterface(STORAGE)
    shelves: dict[str, _Shelf] = {}

    @contextmanager
    def told(call: Call, key: str) -> Iterator[None]:
        """Check a key's form, and tell the guest of what goes wrong with it."""
        try:
            keys.check_key(key)
        except ValueError as error:
            gate.refused(call, "use that key", str(error))
            raise WitError(Variant("invalid-key", str(error))) from error
        try:
            yield
        except QuotaExceeded as error:
            gate.refused(call, f"write key {keys.target(key)!r}", str(error))
            raise WitError(Variant("quota-exceeded", str(error))) from error
        except StorageError as error:
            raise WitError(Variant("io-error", error.reason)) from error

    async def put(
        call: Call, key: str, value: bytes, write: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Write a value, once its bytes are held; give them back where it fails."""
        shelf = shelves.setdefault(call.component, _Shelf())
        budget = call.budget
        async with shelf.lock:
            before = await store.get(call.component, key)
            growth = keys.cost(key, len(value))
            if before is not None:
                growth -= keys.cost(key, len(before))
            used = (await store.usage(call.component)).bytes
            shelf.settle(budget, used, growth)
            done = False
            try:
                done = await write()
            finally:
                # Where it failed what was held is let go; else what is there no more.
                shelf.release(budget, -growth if done else growth)
        return done

    @offer(
        interface,
        needs=Requires("storage.read", keys.target),
        denied=_denied,
        wit=_TYPES["get"],
    )
    async def get(call: Call, key: str) -> bytes | None:
        with told(call, key):
            return await store.get(call.component, key)

    @offer(
        interface,
        needs=Requires("storage.write", lambda key, _: keys.target(key)),
        denied=_denied,
        wit=_TYPES["set"],
        name="set",
    )
    async def set_(call: Call, key: str, value: bytes) -> None:
        async def write() -> bool:
            await store.set(call.component, key, value)
            return True

        with told(call, key):
            await put(call, key, value, write)

    @offer(
        interface,
        needs=Requires("storage.delete", keys.target),
        denied=_denied,
        wit=_TYPES["delete"],
    )
    async def delete(call: Call, key: str) -> None:
        with told(call, key):
            shelf = shelves.setdefault(call.component, _Shelf())
            async with shelf.lock:
                before = await store.get(call.component, key)
                if before is None or not await store.delete(call.component, key):
                    raise WitError(Variant("not-found", f"there is no key {key!r}"))
                shelf.release(call.budget, keys.cost(key, len(before)))

    @offer(
        interface,
        needs=Requires("storage.read", keys.target),
        denied=_denied,
        wit=_TYPES["exists"],
    )
    async def exists(call: Call, key: str) -> bool:
        with told(call, key):
            return await store.exists(call.component, key)

    @offer(
        interface,
        needs=Inside(
            ("storage.read",),
            "for each key that is listed; refused where no grant reaches below the "
            "prefix",
        ),
        wit=_TYPES["list-keys"],
    )
    async def list_keys(call: Call, prefix: str | None) -> list[str]:
        start = prefix or ""
        try:
            keys.check_prefix(start)
        except ValueError as error:
            gate.refused(call, "list keys with that prefix", str(error))
            raise WitError(Variant("invalid-key", str(error))) from error
        granted = call.grants.at(gate.clock()).patterns("storage", "read")
        if not overlaps(granted, keys.under(start)):
            # Whether there are such keys must not show.
            denial = gate.judge(call, Needed("read", keys.target(f"{start}**")))
            assert denial is not None, "no pattern meets it, so none covers it"
            gate.report(call, denial)
            raise WitError(_denied(gate.words(denial)))
        listed: list[str] = []
        last = ""
        try:
            while page := await store.keys(
                call.component, start, after=last, most=LISTED
            ):
                last = page[-1]
                listed += (
                    key
                    for key in page
                    if gate.judge(call, Needed("read", keys.target(key))) is None
                )
                if len(listed) > MOST_LISTED:
                    reason = f"there are more than {MOST_LISTED:_} keys: ask by prefix"
                    raise WitError(Variant("quota-exceeded", reason))
        except StorageError as error:
            raise WitError(Variant("io-error", error.reason)) from error
        return listed

    @offer(
        interface,
        needs=Free("tells only how much the caller itself stores"),
        wit=_TYPES["usage"],
    )
    async def usage(call: Call) -> dict[str, int | None]:
        try:
            stored = await store.usage(call.component)
        except StorageError as error:
            raise WitError(Variant("io-error", error.reason)) from error
        return {
            "used_bytes": stored.bytes,
            "quota_bytes": call.budget.limit("storage") if call.budget else None,
            "key_count": stored.keys,
        }

    @offer(
        interface,
        needs=Inside(("storage.read", "storage.write"), "both on the key"),
        wit=_TYPES["compare-and-set"],
    )
    async def compare_and_set(
        call: Call, key: str, expected: bytes | None, value: bytes
    ) -> bool:
        async def write() -> bool:
            return await store.compare_and_set(call.component, key, expected, value)

        for need in (
            Needed("read", keys.target(key)),
            Needed("write", keys.target(key)),
        ):
            if problem := gate.allowed(call, need):
                raise WitError(_denied(problem))
        with told(call, key):
            if await store.get(call.component, key) != expected:
                return False
            return await put(call, key, value, write)

    return interface


@define(eq=False)
class _Shelf:
    """A component's namespace: what is under way in it, and who holds its bytes."""

    lock: anyio.Lock = field(factory=anyio.Lock)
    held: WeakKeyDictionary[Budget, int] = field(factory=WeakKeyDictionary)

    def settle(self, budget: Budget | None, used: int, growth: int) -> None:
        """Hold what a write adds, and what nobody holds: what an ended actor left.

        Args:
            budget: Of who writes.
            used: Bytes in the namespace.
            growth: Bytes that the write adds; one that adds none is let through.

        Raises:
            QuotaExceeded: There is not so much left; nothing more is held.
        """
        for each, amount in list(self.held.items()):
            # A budget that was closed holds nothing any more, though it may be around.
            self.held[each] = min(amount, each.held("storage"))
        owed = used - sum(self.held.values())
        if owed < 0:
            self.release(budget, -owed)
        if budget is None or growth <= 0:
            return
        limit = budget.limit("storage")
        if limit is not None and used + growth > limit:
            raise QuotaExceeded(
                f"actor {budget.owner!r}",
                "quota of storage",
                f"{limit:_}",
                f"{used:_} in use, {growth:_} more wanted",
            )
        more = max(owed, 0) + growth
        budget.hold("storage", more)
        self.held[budget] = self.held.get(budget, 0) + more

    def release(self, budget: Budget | None, amount: int) -> None:
        """Give back bytes: those of who acts first, then others'; none below zero."""
        holders = list(self.held)
        if budget in holders:
            holders.remove(budget)
            holders.insert(0, budget)
        for holder in holders:
            if amount <= 0:
                return
            part = min(amount, self.held[holder])
            holder.release("storage", part)
            self.held[holder] -= part
            amount -= part


def _denied(reason: str) -> Variant:
    return Variant("denied", reason)
