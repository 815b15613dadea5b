"""Let guests keep keys and values of their own: ``airssys:core/storage``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import ClassVar, Final

from attrs import define

from ..core.defaults import LISTED
from ..core.errors import QuotaExceeded, StorageError, WitError
from ..core.grants.capabilities import Storage as Needed
from ..core.grants.grants import Grants
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, Inside, Requires, interface_of, operation
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..hostcalls.pieces import in_pieces
from ..storage import keys
from ..storage.protocol import Storage
from ..witmodel.types import Variant
from .errors import as_wit_errors, denied
from .shelves import Shelves

__all__ = ("MOST_LISTED", "STORAGE", "StorageOperations", "storage_interface")

STORAGE: Final = "airssys:core/storage@1.0.0"
MOST_LISTED: Final = 10_000
"""Keys that one call lists at the most."""
_AS_WIT_ERRORS: Final = as_wit_errors(
    lambda error: Variant("io-error", error.reason), StorageError
)


def storage_interface(store: Storage | Shelves, gate: Gate) -> HostInterface:
    """Return the interface for all components of a system.

    Each component has a namespace of its own, by its name or as the host says: its
    actors share it, and find it again after a restart. What is in it counts towards the
    quota of who wrote it, and no component stores more than its quota, however many its
    actors are.

    Args:
        store: Where it is kept; `Shelves`, where other interfaces write there too.
        gate: Checks what shows only inside.
    """
    shelves = store if isinstance(store, Shelves) else Shelves(store)
    return interface_of(StorageOperations(shelves, gate), denied=denied)


@define(eq=False)
class StorageOperations:
    """The operations of ``airssys:core/storage``."""

    interface: ClassVar[str] = STORAGE
    shelves: Shelves
    gate: Gate

    @property
    def store(self) -> Storage:
        """What is behind the shelves."""
        return self.shelves.store

    @operation(needs=Requires("storage.read", keys.target))
    async def get(self, call: Call, key: str) -> bytes | None:
        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            return await self.store.get(call.namespace, key)

    @operation(needs=Requires("storage.write", lambda key, _: keys.target(key)))
    async def set_(self, call: Call, key: str, value: bytes) -> None:
        async def write() -> bool:
            self._still(call, Needed("write", keys.target(key)))
            await self.store.set(call.namespace, key, value)
            return True

        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            await self._put(call, key, value, write)

    @operation(needs=Requires("storage.delete", keys.target))
    async def delete(self, call: Call, key: str) -> None:
        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            need = Needed("delete", keys.target(key))
            if not await self.shelves.remove(
                call, key, lambda: self._still(call, need)
            ):
                raise WitError(Variant("not-found", f"there is no key {key!r}"))

    @operation(needs=Requires("storage.read", keys.target))
    async def exists(self, call: Call, key: str) -> bool:
        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            return await self.store.exists(call.namespace, key)

    @operation(
        needs=Inside(
            ("storage.read",),
            "for each key that is listed; refused where no grant reaches below the "
            "prefix",
        )
    )
    async def list_keys(self, call: Call, prefix: str | None) -> list[str]:
        start = prefix or ""
        try:
            keys.check_prefix(start)
        except ValueError as error:
            self.gate.refused(call, "list keys with that prefix", str(error))
            raise WitError(Variant("invalid-key", str(error))) from error
        self._may_list(call, start)
        with _AS_WIT_ERRORS:
            return await self._listed(call, start)

    def _may_list(self, call: Call, start: str) -> None:
        grants = call.grants
        if not (
            grants.holds("storage", self.gate.clock())
            and grants.reach("storage", "read", keys.target(start))
        ):
            # The denial must not show whether there are such keys.
            denial = self.gate.judge(call, Needed("read", keys.target(f"{start}**")))
            assert denial is not None, "no grant reaches it, so none covers it"
            self.gate.report(call, denial)
            raise WitError(denied(self.gate.words(denial)))

    def _still(self, call: Call, *needs: Needed) -> None:
        """Let a call go on, after a wait, that was granted something before it."""
        for need in needs:
            if self.gate.judge(call, need) is not None:
                raise WitError(denied(self.gate.allowed(call, need)))

    @operation(needs=Free("tells only how much the caller itself stores"))
    async def usage(self, call: Call) -> dict[str, int | None]:
        with _AS_WIT_ERRORS:
            stored = await self.store.usage(call.namespace)
        return {
            "used_bytes": stored.bytes,
            "quota_bytes": call.budget.limit("storage") if call.budget else None,
            "key_count": stored.keys,
        }

    @operation(needs=Inside(("storage.read", "storage.write"), "both on the key"))
    async def compare_and_set(
        self, call: Call, key: str, expected: bytes | None, value: bytes
    ) -> bool:
        needs = Needed("read", keys.target(key)), Needed("write", keys.target(key))

        async def write() -> bool:
            self._still(call, *needs)
            return await self.store.compare_and_set(
                call.namespace, key, expected, value
            )

        for need in needs:
            if problem := self.gate.allowed(call, need):
                raise WitError(denied(problem))
        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            found = await self.store.get(call.namespace, key)
            done = found == expected and await self._put(call, key, value, write)
        self._still(call, *needs)
        return done

    async def _listed(self, call: Call, prefix: str) -> list[str]:
        """Return the keys that begin so and that the caller may read."""
        listed: list[str] = []
        last, before = "", call.grants
        while True:
            page = await self.store.keys(
                call.namespace, prefix, after=last, most=LISTED
            )
            if call.grants is not before or before.expires:
                before, listed = await self._again(call, prefix, listed)
            if not page:
                return listed
            last = page[-1]
            listed += await in_pieces(self._readable(call, page))
            if len(listed) > MOST_LISTED:
                reason = f"there are more than {MOST_LISTED:_} keys: ask by prefix"
                raise WitError(Variant("quota-exceeded", reason))

    async def _again(
        self, call: Call, prefix: str, listed: list[str]
    ) -> tuple[Grants, list[str]]:
        """Return by which grants some keys may be read, and which of them."""
        while True:
            before = call.grants
            self._may_list(call, prefix)
            listed = await in_pieces(self._readable(call, listed))
            if call.grants is before:
                return before, listed

    def _readable(
        self, call: Call, found: list[str]
    ) -> Generator[int, None, list[str]]:
        """Return those of some keys that the caller may read, in pieces."""
        readable = []
        for key in found:
            yield len(key)
            if self._may_read(call, key):
                readable.append(key)
        return readable

    def _may_read(self, call: Call, key: str) -> bool:
        return self.gate.judge(call, Needed("read", keys.target(key))) is None

    def _check_key(self, call: Call, key: str) -> None:
        """Refuse what cannot be a key, and tell of it."""
        try:
            keys.check_key(key)
        except ValueError as error:
            self.gate.refused(call, "use that key", str(error))
            raise WitError(Variant("invalid-key", str(error))) from error

    async def _put(
        self, call: Call, key: str, value: bytes, write: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Write a value, once its bytes are held; give them back where it fails."""
        try:
            return await self.shelves.put(call, key, value, write)
        except QuotaExceeded as error:
            self.gate.refused(call, f"write key {keys.target(key)!r}", str(error))
            raise WitError(Variant("quota-exceeded", str(error))) from error
