"""Tricks with keys: a guest with a few of its own tries to reach more than those."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import StorageGrants
from airssys.core.limits import KIB, MIB, Quota
from airssys.host.storage import STORAGE, storage_interface
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.storage import MemoryStorage
from airssys.storage.keys import PER_KEY
from airssys.testing import Recorder
from airssys.witmodel.types import Variant

from ..relay import Relay, relay

pytestmark = pytest.mark.guest

GRANTS = Grants(
    storage=StorageGrants(
        read=["component:self/public/**", "component:self/exact"],
        write=["component:self/public/**", "component:self/drop/*"],
    )
)
BEFORE: Mapping[tuple[str, str], bytes] = {
    ("acme/a", "public/x"): b"mine",
    ("acme/a", "secret/x"): b"a secret",
    ("acme/a", "drop/x"): b"a secret",
    ("acme/b", "public/x"): b"another's",
    ("acme/b", "exact"): b"another's",
}

READ: tuple[str, ...] = (
    # out of the namespace
    "../acme/b/public/x",
    "../../acme/b/exact",
    "acme/b/public/x",
    "component:acme/b/public/x",
    "component:self/public/x",
    "/public/x",
    # out of what is granted of it
    "public/../secret/x",
    "public/./../secret/x",
    "public/..",
    "public//../../secret/x",
    "public//x",
    "public/",
    "secret/x",
    "exact/../secret/x",
    "exact/",
    "",
    ".",
    # in other words
    "public\\..\\secret\\x",
    "public%2f..%2fsecret%2fx",
    "%2e%2e/secret/x",
    "PUBLIC/x",
    "ｐublic/x",  # noqa: RUF001 - a full-width letter
    "рublic/x",  # noqa: RUF001 - a Cyrillic letter
    "public／x",  # noqa: RUF001 - a full-width slash
    "public∕x",  # noqa: RUF001 - a division slash
    "public\u200b/x",
    "public/\u202e..\u202c/secret/x",
    "exact\u0301",
    # patterns
    "*",
    "**",
    "secret/*",
    "pub*/x",
    "{public,secret}/x",
    "[ps]*/x",
    # control characters and length
    "public/x\0",
    "secret/x\0public/x",
    "public/x\nsecret/x",
    "public/\x7f",
    "public/" + "x" * 1024,
    "public/" + "é" * 512,
    "public/" + "../" * 1000 + "secret/x",
)
TRIED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    *(("get", (key,)) for key in READ),
    ("exists", ("secret/x",)),
    ("exists", ("public/../secret/x",)),
    ("set", ("secret/x", b"mine")),
    ("set", ("public/../secret/x", b"mine")),
    ("set", ("public/x\0", b"mine")),
    ("set", ("drop/../secret/x", b"mine")),
    ("set", ("drop/a/b", b"mine")),
    ("delete", ("public/x",)),
    ("delete", ("secret/x",)),
    # to find a value out that may be written only
    ("compare-and-set", ("drop/x", b"a secret", b"found")),
    ("compare-and-set", ("exact", None, b"mine")),
    ("compare-and-set", ("public/../secret/x", b"a secret", b"found")),
    # prefixes that tell of other keys
    ("list-keys", ("secret/",)),
    ("list-keys", ("s",)),
    ("list-keys", ("secret/x",)),
    ("list-keys", ("sec*",)),
    ("list-keys", ("drop",)),
    ("list-keys", ("../",)),
    ("list-keys", ("public\0",)),
    ("list-keys", ("public/" * 200,)),
)


@asynccontextmanager
async def confined(
    grants: Grants = GRANTS, budget: Budget | None = None
) -> AsyncIterator[tuple[Relay, MemoryStorage]]:
    recorder = Recorder()
    gate = Gate(recorder)
    store = MemoryStorage()
    for (namespace, key), value in BEFORE.items():
        await store.set(namespace, key, value)
    async with relay(
        [storage_interface(store, gate)],
        grants=Standing(grants, budget),
        guard=gate,
        recorder=recorder,
        name="acme/a",
    ) as guest:
        yield guest, store


async def left(store: MemoryStorage) -> dict[tuple[str, str], bytes | None]:
    return {
        (space, key): await store.get(space, key)
        for space in ("acme/a", "acme/b")
        for key in await store.keys(space)
    }


@pytest.mark.parametrize(
    ("function", "arguments"), TRIED, ids=lambda part: ascii(part)[:40]
)
async def test_no_other_key_is_reached(
    function: str, arguments: tuple[Any, ...]
) -> None:
    async with confined() as (guest, store):
        with pytest.raises(WitError) as refused:
            await guest(f"storage#{function}", *arguments)

        assert isinstance(refused.value.value, Variant)
        assert refused.value.value.case in {"denied", "invalid-key"}
        assert await left(store) == BEFORE
        (event,) = guest.denied
        assert event.subject == "acme/a"
        assert event.operation == f"{STORAGE}#{function}"
        assert len(event.needed) + len(event.reason) < 3000


async def test_a_list_of_all_keys_has_only_those_that_may_be_read() -> None:
    async with confined() as (guest, _):
        for prefix in (None, "", "p"):
            assert await guest("storage#list-keys", prefix) == ["public/x"]
        for prefix in ("*", "{", "private"):  # no wildcards: no granted key begins so
            with pytest.raises(WitError) as refused:
                await guest("storage#list-keys", prefix)
            assert isinstance(refused.value.value, Variant)
            assert refused.value.value.case == "denied"


# --- more than the quota ----------------------------------------------------------

OWN = Grants(
    storage=StorageGrants(
        read=["component:self/**"],
        write=["component:self/**"],
        delete=["component:self/**"],
    )
)
QUOTA = 8 * KIB


async def fill(guest: Relay, trick: str) -> None:
    """Store more and more, in one of several ways."""
    for number in range(200):
        match trick:
            case "many empty values":
                await guest("storage#set", f"{number}", b"")
            case "long keys":
                await guest("storage#set", f"{number:0>1000}", b"")
            case "one value that grows":
                await guest("storage#set", "a", bytes(100 * number))
            case "compare and set":
                key = f"{number}"
                await guest("storage#compare-and-set", key, None, bytes(64))
            case "set and delete another":
                await guest("storage#set", f"{number}", bytes(64))
                await guest("storage#set", "b", b"")
                await guest("storage#delete", "b")
            case "a value of all that there is":
                await guest("storage#set", "a", bytes(MIB // 4))
            case "replaced by a larger one":
                await guest("storage#set", "a", bytes(QUOTA - PER_KEY - 1000))
                await guest("storage#set", "a", bytes(QUOTA))
            case _:
                raise AssertionError(trick)


@pytest.mark.parametrize(
    "trick",
    [
        "many empty values",
        "long keys",
        "one value that grows",
        "compare and set",
        "set and delete another",
        "a value of all that there is",
        "replaced by a larger one",
    ],
)
async def test_no_more_is_stored_than_the_quota(trick: str) -> None:
    budget = Budget("acme/a", Quota(storage=QUOTA))
    async with confined(OWN, budget) as (guest, store):
        with pytest.raises(WitError) as refused:
            await fill(guest, trick)

        assert isinstance(refused.value.value, Variant)
        assert refused.value.value.case == "quota-exceeded"
        (event,) = guest.denied
        assert "quota of storage" in event.reason
        assert (await store.usage("acme/a")).bytes <= QUOTA


async def test_a_restart_does_not_renew_the_quota() -> None:
    store, recorder = MemoryStorage(), Recorder()
    gate = Gate(recorder)
    offered = [storage_interface(store, gate)]
    for life in range(4):
        standing = Standing(OWN, Budget("acme/a", Quota(storage=QUOTA)))
        async with relay(
            offered, grants=standing, guard=gate, recorder=recorder, name="acme/a"
        ) as guest:
            with pytest.raises(WitError):
                for number in range(200):
                    await guest("storage#set", f"{life}/{number}", bytes(64))
        assert len(recorder.events) == life + 1

    assert (await store.usage("acme/a")).bytes <= QUOTA
