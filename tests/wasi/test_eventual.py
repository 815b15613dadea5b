from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve

from airssys.core.budget import Budget
from airssys.core.errors import StorageError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import StorageGrants
from airssys.core.limits import Quota
from airssys.host.offered import Facilities
from airssys.storage import MemoryStorage
from airssys.wasi.eventual import MOST_KEYS, KeyvalueError
from airssys.wasi.keyvalue import MOST_AT_ONCE, Bucket
from airssys.wasi.values import LARGEST_VALUE, MOST_HELD, OutgoingValue

from ..operations import operation
from ..relay import Relay
from .chosen import chosen, error

pytestmark = pytest.mark.guest

OWN = "component:self"
ALL = Grants(
    storage=StorageGrants(read=[f"{OWN}/**"], write=[f"{OWN}/**"], delete=[f"{OWN}/**"])
)
OPEN = "types#[static]bucket.open-bucket"
NEW = "types#[static]outgoing-value.new-outgoing-value"
STREAM = "types#[method]outgoing-value.outgoing-value-write-body-async"
FILL = "types#[method]outgoing-value.outgoing-value-write-body-sync"
SYNC = "types#[method]incoming-value.incoming-value-consume-sync"
ASYNC = "types#[method]incoming-value.incoming-value-consume-async"
SIZE = "types#[method]incoming-value.incoming-value-size"
TRACE = "wasi-keyvalue-error#[method]error.trace"
INTERFACES = ("types", "eventual", "eventual-batch", "wasi-keyvalue-error")
MIB = 2**20


def full(*functions: str) -> list[str]:
    made = []
    for function in functions:
        interface, _, name = function.partition("#")
        made.append(f"wasi:keyvalue/{interface}@0.1.0#{name}")
    return made


@asynccontextmanager
async def guest_of(grants: Grants = ALL, **options: Any) -> AsyncIterator[Relay]:
    names = [f"wasi:keyvalue/{each}@0.1.0" for each in INTERFACES]
    streams = "wasi:io/streams@0.2.12"
    async with chosen(
        *names, exact=True, bare=streams, grants=grants, **options
    ) as guest:
        yield guest


async def trace(guest: Relay, function: str, *args: Any) -> str:
    """Return what the error of a call says to the guest."""
    value = await error(guest, function, *args)
    assert isinstance(value, KeyvalueError)
    told: str = await guest(TRACE, value)
    return told


async def filled(guest: Relay, content: bytes) -> OutgoingValue:
    value: OutgoingValue = await guest(NEW)
    await guest(FILL, value, content)
    return value


@operation(
    *full(
        OPEN,
        NEW,
        FILL,
        STREAM,
        SYNC,
        ASYNC,
        SIZE,
        *(f"eventual#{each}" for each in ("get", "set", "delete", "exists")),
    ),
    allowed=True,
)
async def test_a_guest_keeps_values() -> None:
    async with guest_of() as guest:
        users = await guest(OPEN, "users")
        assert await guest("eventual#get", users, "a") is None
        await guest("eventual#set", users, "a", await filled(guest, b"0123"))
        streamed = await guest(NEW)
        body = await guest(STREAM, streamed)
        for content in (b"45", b"67"):
            await body.write(content)
        await guest("eventual#set", users, "b", streamed)
        first = await guest("eventual#get", users, "a")
        assert await guest(SIZE, first) == 4
        assert await guest(SYNC, first) == b"0123"
        second = await guest("eventual#get", users, "b")
        stream = await guest(ASYNC, second)
        assert [await stream.read(3) for _ in range(2)] == [b"456", b"7"]
        assert await guest("eventual#exists", users, "a") is True
        await guest("eventual#delete", users, "a")
        await guest("eventual#delete", users, "a")
        assert await guest("eventual#exists", users, "a") is False


@operation(
    *full(
        *(
            f"eventual-batch#{each}"
            for each in ("get-many", "keys", "set-many", "delete-many")
        )
    ),
    allowed=True,
)
async def test_a_guest_keeps_many_values_at_once() -> None:
    async with guest_of() as guest:
        bucket = await guest(OPEN, "")
        one, two = await filled(guest, b"1"), await filled(guest, b"2")
        for _ in range(3):  # a borrow that was not dropped would trap
            pairs = [("a", one), ("b/c", two), ("d", one)]
            await guest("eventual-batch#set-many", bucket, pairs)
        assert await guest("eventual-batch#keys", bucket) == ["a", "b/c", "d"]
        many = await guest("eventual-batch#get-many", bucket, ["b/c", "x", "a"])
        assert many[1] is None
        assert [await guest(SYNC, each) for each in (many[0], many[2])] == [b"2", b"1"]
        await guest("eventual-batch#delete-many", bucket, ["a", "x", "d"])
        assert await guest("eventual-batch#keys", bucket) == ["b/c"]


@operation(
    *full(
        OPEN,
        *(f"eventual#{each}" for each in ("get", "set", "delete", "exists")),
        *(
            f"eventual-batch#{each}"
            for each in ("get-many", "keys", "set-many", "delete-many")
        ),
    ),
    allowed=False,
)
async def test_a_guest_without_grants_keeps_nothing() -> None:
    facilities = Facilities()
    await facilities.storage.set("acme/guest", "users/a", b"1")
    async with guest_of(Grants(), facilities=facilities) as guest:
        bucket, value = Bucket("users"), await filled(guest, b"2")
        for function, args in (
            (OPEN, ("users",)),
            ("eventual#get", (bucket, "a")),
            ("eventual#set", (bucket, "a", value)),
            ("eventual#delete", (bucket, "a")),
            ("eventual#exists", (bucket, "a")),
            ("eventual-batch#get-many", (bucket, ["a"])),
            ("eventual-batch#keys", (bucket,)),
            ("eventual-batch#set-many", (bucket, [("a", value)])),
            ("eventual-batch#delete-many", (bucket, ["a"])),
        ):
            before = len(guest.denied)
            assert "may not" in await trace(guest, function, *args), function
            assert len(guest.denied) == before + 1, function

    assert await facilities.storage.get("acme/guest", "users/a") == b"1"


@operation(*full(TRACE), allowed=True)
async def test_a_guest_learns_what_went_wrong() -> None:
    async with guest_of() as guest:
        assert "longer" in await trace(guest, OPEN, "a" * 1025)
        bucket = await guest(OPEN, "")
        assert "empty" in await trace(guest, "eventual#exists", bucket, "")


async def test_a_value_is_taken_once() -> None:
    async with guest_of() as guest:
        bucket = await guest(OPEN, "")
        value = await filled(guest, b"1")
        await guest(STREAM, value)
        assert "already" in await trace(guest, STREAM, value)
        await guest("eventual#set", bucket, "a", value)
        incoming = await guest("eventual#get", bucket, "a")
        assert await guest(SYNC, incoming) == b"1"
        assert "already" in await trace(guest, SYNC, incoming)
        assert "already" in await trace(guest, ASYNC, incoming)


async def test_values_that_are_under_way_have_a_limit() -> None:
    async with guest_of() as guest:
        bucket = await guest(OPEN, "")
        value = await guest(NEW)
        for _ in range(LARGEST_VALUE // MIB):
            await guest(FILL, value, bytes(MIB))
        await guest("eventual#set", bucket, "a", value)
        twice = [("b", value), ("c", value)]
        assert "16_777_216" in await trace(
            guest, "eventual-batch#set-many", bucket, twice
        )
        assert "16_777_216" in await trace(guest, FILL, value, b"1")
        assert "16_777_216" in await trace(guest, "eventual#set", bucket, "a", value)
        await guest.drop(value)
        held = [
            await guest("eventual#get", bucket, "a")
            for _ in range(MOST_HELD // LARGEST_VALUE)
        ]
        assert "67_108_864" in await trace(guest, "eventual#get", bucket, "a")
        many = await trace(guest, "eventual-batch#get-many", bucket, ["x", "a"])
        assert "67_108_864" in many
        for each in held:
            await guest.drop(each)
        assert await guest(SIZE, await guest("eventual#get", bucket, "a")) > 0


async def test_what_does_not_fit_of_many_is_given_back() -> None:
    async with guest_of() as guest:
        bucket = await guest(OPEN, "")
        value = await guest(NEW)
        for _ in range(LARGEST_VALUE // MIB // 2):
            await guest(FILL, value, bytes(MIB))
        await guest("eventual#set", bucket, "a", value)
        held = [await guest("eventual#get", bucket, "a") for _ in range(6)]
        used = value.value._held.size
        two = ["a", "x", "a"]
        assert "67_108_864" in await trace(
            guest, "eventual-batch#get-many", bucket, two
        )

        assert value.value._held.size == used
        assert len(held) == 6


async def test_too_many_keys_are_refused() -> None:
    facilities = Facilities()
    for number in range(MOST_KEYS + 1):
        await facilities.storage.set("acme/guest", f"default/{number}", b"")
    async with guest_of(facilities=facilities) as guest:
        bucket = await guest(OPEN, "")
        many = ["a"] * (MOST_AT_ONCE + 1)
        value = await filled(guest, b"")
        for function, given in (
            ("get-many", (many,)),
            ("delete-many", (many,)),
            ("set-many", ([(key, value) for key in many],)),
            ("keys", ()),
        ):
            refused = await trace(guest, f"eventual-batch#{function}", bucket, *given)
            assert "keys" in refused


async def test_a_value_has_no_more_room_than_the_quota() -> None:
    budget = Budget("acme/a", evolve(Quota(), storage=4096))
    async with guest_of(budget=budget) as guest:
        bucket = await guest(OPEN, "")
        value = await filled(guest, bytes(8192))

        refused = await trace(guest, "eventual#set", bucket, "a", value)
        assert "quota of storage" in refused


class Broken(MemoryStorage):
    async def get(self, namespace: str, key: str) -> bytes | None:
        raise StorageError(namespace, key, "the disk is gone")


async def test_a_storage_that_fails_is_an_error_of_the_guest() -> None:
    async with guest_of(facilities=Facilities(storage=Broken())) as guest:
        bucket = await guest(OPEN, "")

        assert await trace(guest, "eventual#get", bucket, "a") == "the disk is gone"
