from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import define, evolve, field

from airssys.core.budget import Budget
from airssys.core.errors import StorageError, WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import StorageGrants
from airssys.core.limits import Quota, SharedQuota
from airssys.host.storage import MOST_LISTED, STORAGE, storage_interface
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.storage import MemoryStorage
from airssys.storage.keys import LONGEST_KEY, PER_KEY, cost
from airssys.testing import Recorder
from airssys.witmodel.signatures import SIGNATURES
from airssys.witmodel.types import Variant

from ..operations import operation
from ..relay import Relay, relay

pytestmark = pytest.mark.guest

OWN = "component:self"
ALL = Grants(
    storage=StorageGrants(read=[f"{OWN}/**"], write=[f"{OWN}/**"], delete=[f"{OWN}/**"])
)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "get": ("a",),
    "set": ("a", b"1"),
    "delete": ("a",),
    "exists": ("a",),
    "list-keys": (None,),
    "usage": (),
    "compare-and-set": ("a", None, b"1"),
}
FREE = {"usage"}


def full(function: str) -> str:
    return f"{STORAGE}#{function}"


@define(eq=False)
class Host:
    """One storage, for all the guests of a test."""

    store: Any = field(factory=MemoryStorage)
    gate: Gate = field(factory=lambda: Gate(Recorder()))

    def __attrs_post_init__(self) -> None:
        self.interface = storage_interface(self.store, self.gate)

    interface: Any = field(init=False, default=None)

    @asynccontextmanager
    async def guest(
        self,
        grants: Grants = ALL,
        *,
        budget: Budget | None = None,
        name: str = "acme/a",
    ) -> AsyncIterator[Relay]:
        recorder = self.gate.instrument
        assert isinstance(recorder, Recorder)
        async with relay(
            [self.interface],
            grants=Standing(grants, budget),
            guard=self.gate,
            recorder=recorder,
            name=name,
        ) as guest:
            yield guest


def reading(*keys: str) -> Grants:
    return Grants(storage=StorageGrants(read=[f"{OWN}/{key}" for key in keys]))


def limited(storage: int, parent: Budget | None = None) -> Budget:
    return Budget("acme/a", Quota(storage=storage), parent)


async def error(guest: Relay, function: str, *args: Any) -> Variant:
    with pytest.raises(WitError) as caught:
        await guest(f"storage#{function}", *args)
    value = caught.value.value
    assert isinstance(value, Variant)
    return value


# --- the operations ---------------------------------------------------------------


@operation(*map(full, ARGUMENTS), allowed=True)
async def test_a_guest_stores_reads_lists_and_deletes() -> None:
    async with Host().guest() as guest:
        assert await guest("storage#get", "a/b") is None
        assert await guest("storage#exists", "a/b") is False
        await guest("storage#set", "a/b", b"\0\xff")
        await guest("storage#set", "a/b", b"one")
        await guest("storage#set", "c", b"")
        assert await guest("storage#get", "a/b") == b"one"
        assert await guest("storage#get", "c") == b""
        assert await guest("storage#exists", "c") is True
        assert await guest("storage#list-keys", None) == ["a/b", "c"]
        assert await guest("storage#list-keys", "a") == ["a/b"]
        assert await guest("storage#compare-and-set", "c", b"", b"two") is True
        await guest("storage#delete", "a/b")
        assert await guest("storage#get", "a/b") is None

        usage = await guest("storage#usage")
        assert (usage.used_bytes, usage.key_count) == (PER_KEY + 1 + 3, 1)
        assert usage.quota_bytes is None
        assert guest.denied == []


@operation(*(full(name) for name in ARGUMENTS if name not in FREE), allowed=False)
@pytest.mark.parametrize(
    "operation", [full(name) for name in ARGUMENTS if name not in FREE]
)
async def test_without_a_grant_nothing_is_stored_or_read(operation: str) -> None:
    host = Host()
    function = operation.partition("#")[2]
    await host.store.set("acme/a", "a", b"0")
    async with host.guest(Grants()) as guest:
        refused = await error(guest, function, *ARGUMENTS[function])

    assert refused.case == "denied"
    assert str(refused.value).startswith("may not ")
    assert await host.store.get("acme/a", "a") == b"0"


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("read", {"get", "exists", "list-keys"}),
        ("write", {"set"}),
        ("delete", {"delete"}),
    ],
)
async def test_each_operation_needs_its_own_grant(
    action: str, allowed: set[str]
) -> None:
    host = Host()
    some: Any = {action: [f"{OWN}/**"]}
    async with host.guest(Grants(storage=StorageGrants(**some))) as guest:
        for function, arguments in ARGUMENTS.items():
            await host.store.set("acme/a", "a", b"0")
            if function in allowed | FREE:
                await guest(f"storage#{function}", *arguments)
            else:
                assert (await error(guest, function, *arguments)).case == "denied"


def test_all_functions_are_offered_with_their_types() -> None:
    functions = Host().interface.functions

    assert {name: one.wit for name, one in functions.items()} == SIGNATURES[STORAGE]


# --- keys -------------------------------------------------------------------------


async def test_components_have_namespaces_of_their_own_that_restarts_keep() -> None:
    host = Host()
    async with host.guest() as first:
        await first("storage#set", "a", b"1")
    async with host.guest(name="acme/b") as other:
        assert await other("storage#get", "a") is None
        assert await other("storage#list-keys", None) == []
    async with host.guest() as again:
        assert await again("storage#get", "a") == b"1"


async def test_only_keys_that_may_be_read_are_listed() -> None:
    host = Host()
    for key in ("open/a", "open/b", "shut/a", "top"):
        await host.store.set("acme/a", key, b"")
    async with host.guest(reading("open/*", "top")) as guest:
        assert await guest("storage#list-keys", None) == ["open/a", "open/b", "top"]
        assert await guest("storage#list-keys", "o") == ["open/a", "open/b"]
        refused = await error(guest, "list-keys", "shut/")
        unknown = await error(guest, "list-keys", "shit/")

    assert (refused.case, unknown.case) == ("denied", "denied")
    assert str(refused.value).replace("shut", "shit") == unknown.value


@pytest.mark.parametrize("key", ["é/ü", "a*b", "{a}", "[x]", "a b", "k" * LONGEST_KEY])
async def test_any_printable_text_is_a_key(key: str) -> None:
    async with Host().guest() as guest:
        await guest("storage#set", key, b"1")
        assert await guest("storage#get", key) == b"1"
        assert await guest("storage#list-keys", key) == [key]


async def test_a_key_that_is_not_there_cannot_be_deleted() -> None:
    async with Host().guest() as guest:
        refused = await error(guest, "delete", "a")

    assert refused == Variant("not-found", "there is no key 'a'")


async def test_more_keys_than_a_call_lists_are_to_be_asked_for_by_prefix() -> None:
    host = Host()
    for number in range(MOST_LISTED + 1):
        host.store._set("acme/a", f"{number % 2}/{number}", b"")
    async with host.guest() as guest:
        refused = await error(guest, "list-keys", None)
        some = await guest("storage#list-keys", "0/")

    assert refused.case == "quota-exceeded"
    assert len(some) == MOST_LISTED // 2 + 1


# --- compare and set --------------------------------------------------------------


async def test_a_value_is_set_only_if_the_expected_one_is_there() -> None:
    async with Host().guest() as guest:
        swap = "storage#compare-and-set"
        assert await guest(swap, "a", b"", b"1") is False
        assert await guest(swap, "a", None, b"1") is True
        assert await guest(swap, "a", None, b"2") is False
        assert await guest(swap, "a", b"1", b"2") is True
        assert await guest("storage#get", "a") == b"2"


async def test_of_several_who_compare_and_set_at_once_one_wins() -> None:
    host = Host()
    won: list[int] = []

    async def swap(guest: Relay, number: int) -> None:
        if await guest("storage#compare-and-set", "a", None, b"%d" % number):
            won.append(number)

    async with (
        host.guest() as one,
        host.guest() as two,
        host.guest() as three,
        anyio.create_task_group() as tasks,
    ):
        for number, guest in enumerate((one, two, three)):
            tasks.start_soon(swap, guest, number)

    assert len(won) == 1
    assert await host.store.get("acme/a", "a") == b"%d" % won[0]


# --- quota ------------------------------------------------------------------------


async def test_a_write_beyond_the_quota_changes_nothing() -> None:
    host = Host()
    budget = limited(cost("a", 10))
    async with host.guest(budget=budget) as guest:
        await guest("storage#set", "a", b"0123456789")
        for function, arguments in (
            ("set", ("a", b"0123456789+")),
            ("set", ("b", b"")),
            ("compare-and-set", ("b", None, b"")),
        ):
            refused = await error(guest, function, *arguments)
            assert refused.case == "quota-exceeded"
        assert await guest("storage#get", "a") == b"0123456789"
        assert await guest("storage#list-keys", None) == ["a"]
        assert len(guest.denied) == 3
        usage = await guest("storage#usage")

    assert usage.used_bytes == usage.quota_bytes == cost("a", 10)
    assert budget.stores["storage"][0].used == cost("a", 10)


async def test_what_is_replaced_or_deleted_is_given_back() -> None:
    host = Host()
    budget = limited(cost("a", 10))
    store = budget.stores["storage"][0]
    async with host.guest(budget=budget) as guest:
        await guest("storage#set", "a", b"0123456789")
        await guest("storage#set", "a", b"9876543210")
        await guest("storage#set", "a", b"01")
        assert store.used == cost("a", 2)
        await guest("storage#delete", "a")
        assert store.used == 0
        await guest("storage#set", "b", b"0123456789")

    assert store.used == cost("b", 10)


async def test_supervisors_quotas_count_what_their_children_store() -> None:
    host = Host()
    shared = Budget("shop", SharedQuota(storage=cost("a", 5)))
    async with (
        host.guest(budget=limited(1000, shared)) as one,
        host.guest(budget=limited(1000, shared), name="acme/b") as two,
    ):
        await one("storage#set", "a", b"12345")
        refused = await error(two, "set", "a", b"")
        await one("storage#delete", "a")
        await two("storage#set", "a", b"")

    assert refused.case == "quota-exceeded"
    assert shared.stores["storage"][0].used == cost("a", 0)


async def test_actors_of_one_component_do_not_store_more_together() -> None:
    host = Host()
    most = cost("a", 10)
    first, second = limited(most), limited(most)
    async with host.guest(budget=first) as one, host.guest(budget=second) as two:
        await one("storage#set", "a", b"0123456789")
        refused = await error(two, "set", "b", b"")
        await two("storage#delete", "a")
        await two("storage#set", "b", b"0123456789")

    assert refused.case == "quota-exceeded"
    assert [each.stores["storage"][0].used for each in (first, second)] == [0, most]


async def test_supervisors_count_on_what_an_ended_actor_left() -> None:
    host = Host()
    shared = Budget("shop", SharedQuota(storage=1000))
    first, second = limited(1000, shared), limited(1000, shared)
    async with host.guest(budget=first) as guest:
        await guest("storage#set", "a", b"0123456789")
    first.close()
    assert shared.stores["storage"][0].used == 0
    async with host.guest(budget=second) as guest:
        await guest("storage#set", "b", b"")

    assert shared.stores["storage"][0].used == cost("a", 10) + cost("b", 0)


async def test_what_an_ended_actor_left_counts_towards_the_next_ones_quota() -> None:
    host = Host()
    await host.store.set("acme/a", "old", b"0123456789")
    budget = limited(cost("old", 10) + cost("new", 0))
    async with host.guest(budget=budget) as guest:
        await guest("storage#set", "new", b"")
        assert (await error(guest, "set", "new", b"1")).case == "quota-exceeded"
        await guest("storage#delete", "old")

    assert budget.stores["storage"][0].used == cost("new", 0)


async def test_keys_that_are_gone_otherwise_are_given_back_with_the_next_write() -> (
    None
):
    host = Host()
    budget = limited(1000)
    async with host.guest(budget=budget) as guest:
        await guest("storage#set", "a", b"0123456789")
        await host.store.delete("acme/a", "a")
        await guest("storage#set", "b", b"")

    assert budget.stores["storage"][0].used == cost("b", 0)


# --- a storage that fails ---------------------------------------------------------


class Broken(MemoryStorage):
    """A storage whose disk is gone, from a certain moment on."""

    broken = False

    async def usage(self, namespace: str) -> Any:
        self._check()
        return await super().usage(namespace)

    async def keys(self, namespace: str, *args: Any, **options: Any) -> list[str]:
        self._check()
        return await super().keys(namespace, *args, **options)

    def _set(self, namespace: str, key: str, value: bytes) -> None:
        self._check()
        super()._set(namespace, key, value)

    def _check(self) -> None:
        if self.broken:
            raise StorageError("disk", "a", "it is gone")


@pytest.mark.parametrize("function", ["set", "compare-and-set", "list-keys", "usage"])
async def test_a_storage_that_fails_is_an_error_of_the_guests(function: str) -> None:
    host = Host(Broken())
    host.store.broken = True
    async with host.guest(budget=limited(1000)) as guest:
        failed = await error(guest, function, *ARGUMENTS[function])
        assert failed == Variant("io-error", "it is gone")
        host.store.broken = False
        await guest("storage#set", "a", b"1")


async def test_what_could_not_be_written_is_not_held() -> None:
    host = Host(MemoryStorage(most=cost("a", 5)))
    budget = limited(1000)
    async with host.guest(budget=budget) as guest:
        await guest("storage#set", "a", b"12345")
        failed = await error(guest, "set", "b", b"")
        assert failed.case == "io-error"
        await guest("storage#set", "a", b"1")
        assert (await error(guest, "set", "a", b"123456")).case == "io-error"

    assert budget.stores["storage"][0].used == cost("a", 1)
    assert host.store.size == cost("a", 1)


async def test_a_revoked_grant_is_refused_at_the_next_call() -> None:
    host = Host()
    recorder = Recorder()
    standing = Standing(ALL)
    async with relay(
        [host.interface], grants=standing, guard=host.gate, recorder=recorder
    ) as guest:
        await guest("storage#set", "a", b"1")
        standing.grants = evolve(ALL, storage=StorageGrants())
        assert (await error(guest, "get", "a")).case == "denied"
