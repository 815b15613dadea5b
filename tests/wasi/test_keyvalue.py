from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import evolve

from airssys.artifacts.namespaces import Claim
from airssys.core.budget import Budget
from airssys.core.errors import StorageError, WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import StorageGrants
from airssys.core.limits import Quota
from airssys.engine.component import Engine
from airssys.host.offered import Facilities
from airssys.host.storage import storage_interface
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.storage import MemoryStorage
from airssys.storage.keys import PER_KEY
from airssys.wasi import open_interfaces
from airssys.wasi.keyvalue import MOST_AT_ONCE, MOST_TOGETHER
from airssys.witmodel.types import Variant

from ..engine.lateness import turns
from ..operations import operation
from ..relay import Relay, relay, relay_text
from .chosen import chosen, error

pytestmark = pytest.mark.guest

DRAFTS = ("0.2.0-draft", "0.2.0-draft2")
OWN = "component:self"
ALL = Grants(
    storage=StorageGrants(read=[f"{OWN}/**"], write=[f"{OWN}/**"], delete=[f"{OWN}/**"])
)
DENIED = Variant("access-denied")
B = "store#[method]bucket."
KIB = 1024


def names(interface: str, *functions: str, drafts: Sequence[str] = DRAFTS) -> list[str]:
    return [
        f"wasi:keyvalue/{interface}@{draft}#{function}"
        for draft in drafts
        for function in functions
    ]


BUCKET = names(
    "store",
    "open",
    *(f"[method]bucket.{name}" for name in ("get", "set", "delete", "exists")),
    "[method]bucket.list-keys",
)
BATCH = names("batch", "get-many", "set-many", "delete-many")
INCREMENT = names("atomics", "increment")
CAS = names(
    "atomics", "[static]cas.new", "[method]cas.current", "swap", drafts=DRAFTS[1:]
)


@asynccontextmanager
async def guest_of(
    draft: str = DRAFTS[1], grants: Grants = ALL, **options: Any
) -> AsyncIterator[Relay]:
    interfaces = [f"wasi:keyvalue/{n}@{draft}" for n in ("store", "atomics", "batch")]
    async with chosen(*interfaces, exact=True, grants=grants, **options) as guest:
        yield guest


def storage(**patterns: list[str]) -> Grants:
    return Grants(
        storage=StorageGrants(
            **{
                action: [f"{OWN}/{each}" for each in each_of]
                for action, each_of in patterns.items()
            }
        )
    )


# --- granted ----------------------------------------------------------------------


@operation(*BUCKET, allowed=True)
async def test_a_guest_keeps_values_in_a_bucket() -> None:
    for draft in DRAFTS:
        async with guest_of(draft) as guest:
            bucket = await guest("store#open", "users")
            assert await guest(f"{B}get", bucket, "a") is None
            assert await guest(f"{B}exists", bucket, "a") is False
            await guest(f"{B}set", bucket, "a", b"1")
            await guest(f"{B}set", bucket, "a", b"2")
            await guest(f"{B}set", bucket, "b/c", b"")
            assert await guest(f"{B}get", bucket, "a") == b"2"
            assert await guest(f"{B}get", bucket, "b/c") == b""
            assert await guest(f"{B}exists", bucket, "a") is True
            listed = await guest(f"{B}list-keys", bucket, None)
            assert listed.keys == ["a", "b/c"]
            end = await guest(f"{B}list-keys", bucket, listed.cursor)
            assert (end.keys, end.cursor) == ([], None)
            for _ in range(2):  # what is not there is deleted as well
                await guest(f"{B}delete", bucket, "a")
            assert (await guest(f"{B}list-keys", bucket, None)).keys == ["b/c"]


@operation(*BATCH, allowed=True)
async def test_a_guest_keeps_many_values_at_once() -> None:
    for draft in DRAFTS:
        async with guest_of(draft) as guest:
            bucket = await guest("store#open", "")
            await guest("batch#set-many", bucket, [("a", b"1"), ("b", b"2")])
            many = await guest("batch#get-many", bucket, ["a", "x", "b"])
            await guest("batch#delete-many", bucket, ["a", "x"])
            left = (await guest(f"{B}list-keys", bucket, None)).keys

            missing = None if draft == DRAFTS[0] else ("x", None)
            assert many == [("a", b"1"), missing, ("b", b"2")]
            assert left == ["b"]


@operation(*INCREMENT, allowed=True)
async def test_a_guest_counts() -> None:
    for draft in DRAFTS:
        async with guest_of(draft) as guest:
            bucket = await guest("store#open", "")
            assert await guest("atomics#increment", bucket, "n", 2) == 2
            assert await guest("atomics#increment", bucket, "n", 40) == 42
            assert await guest(f"{B}get", bucket, "n") == b"42"
            await guest(f"{B}set", bucket, "n", b"-7")
            if draft == DRAFTS[1]:
                assert await guest("atomics#increment", bucket, "n", -1) == -8


async def test_guests_that_count_together_lose_nothing() -> None:
    facilities = Facilities()

    async def count() -> None:
        async with guest_of(facilities=facilities) as guest:
            bucket = await guest("store#open", "")
            for _ in range(20):
                await guest("atomics#increment", bucket, "n", 1)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(count)

    stored = await facilities.storage.get("acme/guest", "default/n")
    assert stored == b"100"


@operation(*CAS, allowed=True)
async def test_a_guest_swaps_what_nobody_else_has_written() -> None:
    async with guest_of() as guest:
        bucket = await guest("store#open", "")
        fresh = await guest("atomics#[static]cas.new", bucket, "a")
        assert await guest("atomics#[method]cas.current", fresh) is None
        await guest("atomics#swap", fresh, b"1")
        stale = await guest("atomics#[static]cas.new", bucket, "a")
        await guest(f"{B}set", bucket, "a", b"2")

        failed = await error(guest, "atomics#swap", stale, b"3")
        assert failed.case == "cas-failed"
        assert await guest("atomics#[method]cas.current", failed.value) == b"2"
        await guest("atomics#swap", failed.value, b"3")
        assert await guest(f"{B}get", bucket, "a") == b"3"


async def test_what_is_looked_at_again_can_be_swapped() -> None:
    async with guest_of() as guest:
        bucket = await guest("store#open", "")
        cas = await guest("atomics#[static]cas.new", bucket, "a")
        await guest(f"{B}set", bucket, "a", b"2")
        assert await guest("atomics#[method]cas.current", cas) == b"2"
        await guest("atomics#swap", cas, b"3")

        assert await guest(f"{B}get", bucket, "a") == b"3"


async def test_buckets_are_folders_of_the_components_storage() -> None:
    facilities = Facilities()
    async with guest_of(facilities=facilities) as guest:
        for identifier in ("", "users", "a/b"):
            bucket = await guest("store#open", identifier)
            await guest(f"{B}set", bucket, "k", b"1")
            assert (await guest(f"{B}list-keys", bucket, None)).keys == ["k"]

    kept = await facilities.storage.keys("acme/guest")
    assert kept == ["a%2Fb/k", "default/k", "users/k"]
    own = storage_interface(facilities.shelves, Gate())
    async with relay([own], grants=ALL) as guest:
        assert await guest("storage#get", "users/k") == b"1"


@pytest.mark.parametrize(
    "key", ["/counter", "a//b", "..", "a/../../b", "%41", "line\nbreak", "ü/ß", " "]
)
async def test_any_text_is_a_key(key: str) -> None:
    async with guest_of() as guest:
        bucket = await guest("store#open", "")
        await guest(f"{B}set", bucket, key, b"1")

        assert await guest(f"{B}get", bucket, key) == b"1"
        listed = await guest(f"{B}list-keys", bucket, None)
        assert (listed.keys, listed.cursor is None) == ([key], False)


@pytest.mark.parametrize(
    "key",
    # The last two would take minutes to spell.
    ["", "a" * 1025, "\n" * 400, "/" * 2**20, "\1" * 2**22],
    ids=["empty", "long", "long as spelled", "slashes", "unprintable"],
)
async def test_what_is_no_key_is_refused(key: str) -> None:
    async with guest_of() as guest:
        bucket = await guest("store#open", "")

        refused = await error(guest, f"{B}set", bucket, key, b"1")
        assert refused.case == "other"
        assert len(guest.denied) == 1


async def test_what_is_no_name_is_no_store() -> None:
    async with guest_of() as guest:
        for name in ("a" * 1025, "\1" * 2**22):
            no_store = await error(guest, "store#open", name)
            assert no_store == Variant("no-such-store")
        assert len(guest.denied) == 2


async def test_a_component_that_imports_it_has_a_namespace_of_its_name() -> None:
    async with open_interfaces() as offered:
        for package, reaches in (("wasi:keyvalue/store", True), ("wasi:config", False)):
            (chosen_one, *_) = (o for o in offered if o.name.startswith(package))
            engine = Engine(cache=False, optimize=False)
            component = await engine.compile(relay_text(chosen_one), name="acme/a")

            assert Claim(component).reaches is reaches


# --- refused ----------------------------------------------------------------------


CALLS: dict[str, tuple[Any, ...]] = {
    f"{B}get": ("a",),
    f"{B}set": ("a", b"1"),
    f"{B}delete": ("a",),
    f"{B}exists": ("a",),
    f"{B}list-keys": (None,),
    "batch#get-many": (["a"],),
    "batch#set-many": ([("a", b"1")],),
    "batch#delete-many": (["a"],),
    "atomics#increment": ("n", 1),
    "atomics#[static]cas.new": ("a",),
}


@operation(
    *BUCKET,
    *BATCH,
    *INCREMENT,
    *names("atomics", "[static]cas.new", drafts=DRAFTS[1:]),
    allowed=False,
)
async def test_a_guest_without_grants_keeps_nothing() -> None:
    for draft in DRAFTS:
        facilities = Facilities()
        async with guest_of(draft, facilities=facilities) as granted:
            bucket = await granted("store#open", "")
            await granted(f"{B}set", bucket, "a", b"1")
        async with guest_of(draft, Grants(), facilities=facilities) as guest:
            assert await error(guest, "store#open", "") == DENIED
            for function, args in CALLS.items():
                if draft == DRAFTS[0] and "cas" in function:
                    continue
                before = len(guest.denied)
                assert await error(guest, function, bucket, *args) == DENIED
                assert len(guest.denied) == before + 1, function
        kept = await facilities.storage.keys("acme/guest")
        assert kept == ["default/a"]


@operation(
    *names("atomics", "[method]cas.current", "swap", drafts=DRAFTS[1:]), allowed=False
)
async def test_a_cas_needs_its_grants_each_time() -> None:
    facilities = Facilities()
    async with guest_of(facilities=facilities) as granted:
        bucket = await granted("store#open", "")
        cas = await granted("atomics#[static]cas.new", bucket, "a")
    async with guest_of(grants=Grants(), facilities=facilities) as guest:
        assert await error(guest, "atomics#[method]cas.current", cas) == DENIED
        refused = await error(guest, "atomics#swap", cas, b"1")

    assert refused == Variant("store-error", DENIED)


async def test_a_guest_reaches_no_further_than_its_grants() -> None:
    grants = storage(read=["users/**"], write=["users/*"], delete=[])
    async with guest_of(grants=grants) as guest:
        bucket = await guest("store#open", "users")
        assert await error(guest, "store#open", "other") == DENIED
        await guest(f"{B}set", bucket, "a", b"1")
        assert await error(guest, f"{B}delete", bucket, "a") == DENIED
        for key in ("x/a", "x/../a", "../default/a"):
            assert await error(guest, f"{B}set", bucket, key, b"1") == DENIED
        many = [("b", b"1"), ("x/b", b"1")]
        assert await error(guest, "batch#set-many", bucket, many) == DENIED
        assert (await guest(f"{B}list-keys", bucket, None)).keys == ["a"]


async def test_a_list_names_no_key_that_may_not_be_read() -> None:
    facilities = Facilities()
    async with guest_of(facilities=facilities) as granted:
        bucket = await granted("store#open", "")
        for start in ("a", "s"):
            pairs = [(f"{start}{n:04}", b"") for n in range(MOST_AT_ONCE)]
            await granted("batch#set-many", bucket, pairs)
        await granted(f"{B}set", bucket, "z", b"")
    for draft in DRAFTS:
        grants = storage(read=["default/a*", "default/z"])
        async with guest_of(draft, grants, facilities=facilities) as guest:
            bucket = await guest("store#open", "")
            first = await guest(f"{B}list-keys", bucket, None)
            second = await guest(f"{B}list-keys", bucket, first.cursor)
            third = await guest(f"{B}list-keys", bucket, second.cursor)

            assert first.keys == [f"a{n:04}" for n in range(1000)]
            assert second.keys == ["z"]
            assert (third.keys, third.cursor) == ([], None)


async def test_a_cursor_of_another_bucket_is_refused() -> None:
    async with guest_of(DRAFTS[0]) as guest:
        bucket, other = await guest("store#open", "a"), await guest("store#open", "b")
        await guest(f"{B}set", bucket, "a", b"1")
        cursor = (await guest(f"{B}list-keys", bucket, None)).cursor

        for place, number in ((bucket, 2**64 - 1), (other, cursor)):
            refused = await error(guest, f"{B}list-keys", place, number)
            assert "there is no cursor" in refused.value
        assert (await guest(f"{B}list-keys", bucket, cursor)).keys == []


async def test_a_guest_has_a_bounded_number_of_cursors_in_all_its_buckets() -> None:
    async with guest_of(DRAFTS[0]) as guest:
        buckets = [await guest("store#open", f"b{n}") for n in range(11)]
        for bucket in buckets:
            await guest(f"{B}set", bucket, "a", b"1")
        cursors = [
            (bucket, (await guest(f"{B}list-keys", bucket, None)).cursor)
            for _ in range(91)
            for bucket in buckets
        ]
        assert len(cursors) == 1001

        assert (await error(guest, f"{B}list-keys", *cursors[0])).case == "other"
        assert (await guest(f"{B}list-keys", *cursors[-1])).keys == []


class Revoking(MemoryStorage):
    """Takes the grants of a caller while it waits."""

    standing: Standing
    grants: Grants = Grants()

    async def get(self, namespace: str, key: str) -> bytes | None:
        value = await super().get(namespace, key)
        self.standing.grants = self.grants
        return value

    async def keys(self, *args: Any, **kwargs: Any) -> list[str]:
        found = await super().keys(*args, **kwargs)
        self.standing.grants = self.grants
        return found

    async def exists(self, namespace: str, key: str) -> bool:
        found = await super().exists(namespace, key)
        self.standing.grants = self.grants
        return found


@pytest.mark.parametrize("function", [each for each in CALLS if "open" not in each])
async def test_what_is_taken_back_meanwhile_is_refused(function: str) -> None:
    store = Revoking()
    standing = store.standing = Standing(ALL)
    await store.set("acme/guest", "default/a", b"1")
    given = Facilities(storage=store)
    async with guest_of(facilities=given, standing=standing) as guest:
        bucket = await guest("store#open", "")
        refused = await error(guest, function, bucket, *CALLS[function])

    assert refused == DENIED
    assert (await store.usage("acme/guest")).bytes == PER_KEY + len("default/a") + 1


async def test_what_is_granted_still_goes_on_when_grants_change() -> None:
    store = Revoking()
    standing = store.standing = Standing(ALL)
    store.grants = storage(read=["default/**"], write=["**"])
    given = Facilities(storage=store)
    async with guest_of(facilities=given, standing=standing) as guest:
        bucket = await guest("store#open", "")
        await guest(f"{B}set", bucket, "a", b"1")

        assert standing.grants is store.grants
        assert await guest(f"{B}get", bucket, "a") == b"1"


async def test_a_key_that_was_written_otherwise_is_not_listed() -> None:
    facilities = Facilities()
    await facilities.storage.set("acme/guest", "default/%41", b"1")
    async with guest_of(facilities=facilities) as guest:
        bucket = await guest("store#open", "")

        assert (await guest(f"{B}list-keys", bucket, None)).keys == []


# --- hostile ----------------------------------------------------------------------


async def test_a_guest_stores_no_more_than_its_quota() -> None:
    budget = Budget("acme/a", evolve(Quota(), storage=4 * KIB))
    async with guest_of(budget=budget) as guest:
        bucket = await guest("store#open", "")
        await guest(f"{B}set", bucket, "a", bytes(2 * KIB))
        refused = await error(guest, f"{B}set", bucket, "b", bytes(2 * KIB))
        assert "quota of storage" in refused.value
        many = [(f"k{n}", b"") for n in range(MOST_AT_ONCE)]
        assert (await error(guest, "batch#set-many", bucket, many)).case == "other"
        used = budget.held("storage")
        assert 2 * KIB + PER_KEY < used <= 4 * KIB
        await guest("batch#delete-many", bucket, [key for key, _ in many])
        await guest(f"{B}delete", bucket, "a")

        assert budget.held("storage") == 0


async def test_what_is_kept_by_either_interface_counts_once() -> None:
    budget = Budget("acme/a", evolve(Quota(), storage=8 * KIB))
    facilities = Facilities()
    own = storage_interface(facilities.shelves, Gate())
    standing = Standing(ALL, budget)
    async with (
        guest_of(facilities=facilities, budget=budget) as guest,
        relay([own], grants=standing) as other,
    ):
        bucket = await guest("store#open", "")
        await guest(f"{B}set", bucket, "a", bytes(KIB))
        await other("storage#set", "b", bytes(KIB))
        stored = await facilities.storage.usage("acme/guest")
        assert budget.held("storage") == stored.bytes
        await other("storage#delete", "default/a")

        assert budget.held("storage") == KIB + PER_KEY + 1


async def test_too_many_keys_at_once_are_refused() -> None:
    async with guest_of() as guest:
        bucket = await guest("store#open", "")
        many = ["a"] * (MOST_AT_ONCE + 1)
        for function, given in (
            ("get-many", many),
            ("delete-many", many),
            ("set-many", [(key, b"") for key in many]),
        ):
            refused = await error(guest, f"batch#{function}", bucket, given)
            assert "1_000 are the most" in refused.value


async def test_a_thousand_keys_of_odd_texts_keep_nobody_waiting() -> None:
    odd = [f"{number}{chr(1) * 300}" for number in range(MOST_AT_ONCE)]
    async with guest_of() as guest, turns() as measured:
        bucket = await guest("store#open", "users")
        await guest("batch#set-many", bucket, [(key, b"") for key in odd])
        found = await guest("batch#get-many", bucket, odd)
        await guest("batch#delete-many", bucket, odd)
    assert found == [(key, b"") for key in odd]
    assert measured.longest < 0.1  # it was 0.4 seconds


async def test_a_large_value_is_swapped_by_what_it_was() -> None:
    large = bytes(2 * 2**20)
    async with guest_of() as guest:
        bucket = await guest("store#open", "users")
        await guest(f"{B}set", bucket, "a", large)
        cas = await guest("atomics#[static]cas.new", bucket, "a")
        assert await guest("atomics#[method]cas.current", cas) == large
        await guest("atomics#swap", cas, b"1")
        failed = await error(guest, "atomics#swap", cas, b"2")
        assert failed.case == "cas-failed"
        assert await guest(f"{B}get", bucket, "a") == b"1"


async def test_many_keys_are_kept_by_a_grant_that_expires_at_some_time() -> None:
    async with guest_of(grants=evolve(ALL, expires={"storage": 4e9})) as guest:
        bucket = await guest("store#open", "users")
        many = [str(number) for number in range(100)]
        await guest("batch#set-many", bucket, [(key, b"1") for key in many])
        await guest("batch#delete-many", bucket, many[1:])
        assert await guest("batch#get-many", bucket, many[:2]) == [
            ("0", b"1"),
            ("1", None),
        ]


async def test_values_that_are_too_much_together_are_refused() -> None:
    async with guest_of() as guest:
        bucket = await guest("store#open", "")
        await guest(f"{B}set", bucket, "a", bytes(2**20))
        fits = MOST_TOGETHER // 2**20

        refused = await error(guest, "batch#get-many", bucket, ["a"] * (fits + 1))
        assert "more than fits together" in refused.value


@pytest.mark.parametrize(
    ("draft", "value", "delta"),
    [
        (DRAFTS[0], str(2**64 - 1).encode(), 1),
        (DRAFTS[1], str(2**63 - 1).encode(), 1),
        (DRAFTS[1], str(-(2**63)).encode(), -1),
        (DRAFTS[0], b"-2", 1),
        (DRAFTS[1], b"one", 1),
        (DRAFTS[1], b"1_0", 1),
        (DRAFTS[1], b"", 1),
        (DRAFTS[1], b"1" * 100_000, 1),
        (DRAFTS[1], b"99999999999999999999", 1),
    ],
)
async def test_what_is_no_number_or_none_any_more_is_not_counted(
    draft: str, value: bytes, delta: int
) -> None:
    async with guest_of(draft) as guest:
        bucket = await guest("store#open", "")
        await guest(f"{B}set", bucket, "n", value)

        refused = await error(guest, "atomics#increment", bucket, "n", delta)
        assert refused.case == "other"
        assert await guest(f"{B}get", bucket, "n") == value


class Contended(MemoryStorage):
    """Somebody else writes before each swap."""

    async def compare_and_set(self, *args: Any, **kwargs: Any) -> bool:
        del args, kwargs
        return False


async def test_a_count_gives_up_where_others_write_all_the_time() -> None:
    async with guest_of(facilities=Facilities(storage=Contended())) as guest:
        bucket = await guest("store#open", "")

        refused = await error(guest, "atomics#increment", bucket, "n", 1)
        assert refused == Variant("other", "others write that key all the time")
        cas = await guest("atomics#[static]cas.new", bucket, "n")
        assert (await error(guest, "atomics#swap", cas, b"1")).case == "cas-failed"


class Broken(MemoryStorage):
    async def get(self, namespace: str, key: str) -> bytes | None:
        raise StorageError(namespace, key, "the disk is gone")


async def test_a_storage_that_fails_is_an_error_of_the_guest() -> None:
    async with guest_of(facilities=Facilities(storage=Broken())) as guest:
        bucket = await guest("store#open", "")
        broken = Variant("other", "the disk is gone")

        assert await error(guest, f"{B}get", bucket, "a") == broken
        assert await error(guest, f"{B}set", bucket, "a", b"1") == broken


async def test_a_draft_is_served_as_itself_alone() -> None:
    async with guest_of(DRAFTS[0]) as guest:
        bucket = await guest("store#open", "")
        with pytest.raises(WitError):
            await guest(f"{B}list-keys", bucket, 1)
