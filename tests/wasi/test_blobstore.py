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
from airssys.hostcalls.call import Call, Standing
from airssys.storage import MemoryStorage
from airssys.wasi.blobstore import MOST_NAMES, Container
from airssys.wasi.streams import StreamClosed
from airssys.wasi.values import (
    LARGEST_VALUE,
    MOST_HELD,
    HeldInput,
    HeldOutput,
    OutgoingValue,
    TooMuchHeld,
    Values,
)
from airssys.witmodel.types import Record

from ..operations import operation
from ..relay import Relay
from .chosen import chosen, error

pytestmark = pytest.mark.guest

OWN = "component:self"
ALL = Grants(
    storage=StorageGrants(read=[f"{OWN}/**"], write=[f"{OWN}/**"], delete=[f"{OWN}/**"])
)
NEW = "types#[static]outgoing-value.new-outgoing-value"
BODY = "types#[method]outgoing-value.outgoing-value-write-body"
FINISH = "types#[static]outgoing-value.finish"
SYNC = "types#[static]incoming-value.incoming-value-consume-sync"
ASYNC = "types#[static]incoming-value.incoming-value-consume-async"
SIZE = "types#[method]incoming-value.size"
C = "container#[method]container."
NAMES = "container#[method]stream-object-names."
READ = "streams#[method]input-stream.read"
WRITE = "streams#[method]output-stream.write"
CHECK = "streams#[method]output-stream.check-write"
LAST = 2**64 - 1
MIB = 2**20


def full(*functions: str) -> list[str]:
    made = []
    for function in functions:
        interface, _, name = function.partition("#")
        made.append(f"wasi:blobstore/{interface}@0.2.0-draft#{name}")
    return made


@asynccontextmanager
async def guest_of(grants: Grants = ALL, **options: Any) -> AsyncIterator[Relay]:
    async with chosen("wasi:io", "wasi:blobstore", grants=grants, **options) as guest:
        yield guest


def storage(**patterns: list[str]) -> Grants:
    spelled: Any = {
        action: [f"{OWN}/{each}" for each in each_of]
        for action, each_of in patterns.items()
    }
    return Grants(storage=StorageGrants(**spelled))


async def put(guest: Relay, container: Container, name: str, content: bytes) -> None:
    """Write an object as programs do: the stream is written once it has its place."""
    value = await guest(NEW)
    body = await guest(BODY, value)
    await guest(f"{C}write-data", container, name, value)
    for start in range(0, len(content), MIB):
        await guest(WRITE, body, content[start : start + MIB])
    await guest.drop(body)
    await guest(FINISH, value)


async def got(guest: Relay, container: Container, name: str) -> bytes:
    incoming = await guest(f"{C}get-data", container, name, 0, LAST)
    content: bytes = await guest(SYNC, incoming)
    return content


def at(container: str, name: str) -> Record:
    return Record(container=container, object=name)


# --- granted ----------------------------------------------------------------------


@operation(
    *full(
        "blobstore#create-container",
        "blobstore#get-container",
        "blobstore#container-exists",
        "blobstore#delete-container",
        f"{C}name",
        f"{C}info",
    ),
    allowed=True,
)
async def test_a_guest_makes_and_removes_containers() -> None:
    async with guest_of() as guest:
        assert await guest("blobstore#container-exists", "photos") is False
        made = await guest("blobstore#create-container", "photos")
        assert await guest("blobstore#container-exists", "photos") is True
        again = await error(guest, "blobstore#create-container", "photos")
        assert again == "there is a container 'photos' already"
        found = await guest("blobstore#get-container", "photos")
        assert await guest(f"{C}name", found) == "photos"
        info = await guest(f"{C}info", made)
        assert info.name == "photos"
        assert info.created_at > 1_700_000_000
        await put(guest, found, "a", b"1")
        await guest("blobstore#delete-container", "photos")
        for function in ("get-container", "delete-container"):
            missing = await error(guest, f"blobstore#{function}", "photos")
            assert missing == "there is no container 'photos'"


@operation(
    *full(
        NEW,
        BODY,
        FINISH,
        SYNC,
        ASYNC,
        SIZE,
        f"{C}write-data",
        f"{C}get-data",
        f"{C}has-object",
        f"{C}object-info",
        f"{C}delete-object",
        f"{C}delete-objects",
        f"{C}clear",
    ),
    allowed=True,
)
async def test_a_guest_writes_reads_and_deletes_objects() -> None:
    async with guest_of() as guest:
        photos = await guest("blobstore#create-container", "photos")
        for name in ("a", "/b", "c", "d"):
            await put(guest, photos, name, b"0123456789")
        assert await guest(f"{C}has-object", photos, "/b") is True
        info = await guest(f"{C}object-info", photos, "a")
        assert (info.name, info.container, info.size) == ("a", "photos", 10)
        part = await guest(f"{C}get-data", photos, "a", 2, 4)
        assert await guest(SIZE, part) == 3
        assert await guest(SYNC, part) == b"234"
        whole = await guest(f"{C}get-data", photos, "a", 0, LAST)
        stream = await guest(ASYNC, whole)
        assert await guest(READ, stream, 4) == b"0123"
        assert await guest(READ, stream, 99) == b"456789"
        await guest(f"{C}delete-object", photos, "a")
        await guest(f"{C}delete-objects", photos, ["a", "/b"])
        assert await guest(f"{C}has-object", photos, "/b") is False
        await guest(f"{C}clear", photos)
        assert await guest(f"{C}has-object", photos, "d") is False
        assert await guest("blobstore#container-exists", "photos") is True


@operation(
    *full(
        f"{C}list-objects",
        f"{NAMES}read-stream-object-names",
        f"{NAMES}skip-stream-object-names",
    ),
    allowed=True,
)
async def test_a_guest_lists_objects() -> None:
    facilities = Facilities()
    for number in range(2500):
        await facilities.storage.set("acme/guest", f"photos/{number:04}", b"")
    async with guest_of(facilities=facilities) as guest:
        photos = await guest("blobstore#get-container", "photos")
        names = await guest(f"{C}list-objects", photos)
        read, skip = (f"{NAMES}{how}-stream-object-names" for how in ("read", "skip"))
        assert await guest(read, names, 0) == ([], False)
        assert await guest(read, names, 2) == (["0000", "0001"], False)
        assert await guest(skip, names, 1500) == (1500, False)
        many, ended = await guest(read, names, LAST)
        assert (many[0], many[-1], ended) == ("1502", "2499", True)
        assert await guest(read, names, 1) == ([], True)
        again = await guest(f"{C}list-objects", photos)
        assert await guest(skip, again, 2500) == (2500, True)
        assert await guest(skip, again, LAST) == (0, True)
        third = await guest(f"{C}list-objects", photos)
        assert len((await guest(read, third, LAST))[0]) == MOST_NAMES
        assert await guest(skip, third, LAST) == (1500, True)
        await guest(f"{C}clear", photos)
        assert await facilities.storage.keys("acme/guest") == []


@operation(*full("blobstore#copy-object", "blobstore#move-object"), allowed=True)
async def test_a_guest_copies_and_moves_objects() -> None:
    async with guest_of() as guest:
        one = await guest("blobstore#create-container", "one")
        two = await guest("blobstore#create-container", "two")
        await put(guest, one, "a", b"1")
        await guest("blobstore#copy-object", at("one", "a"), at("two", "b"))
        await guest("blobstore#move-object", at("one", "a"), at("one", "c"))
        await guest("blobstore#move-object", at("one", "c"), at("one", "c"))
        assert await got(guest, two, "b") == b"1"
        assert await got(guest, one, "c") == b"1"
        assert await guest(f"{C}has-object", one, "a") is False
        for function in ("copy-object", "move-object"):
            missing = at("one", "x"), at("two", "b")
            refused = await error(guest, f"blobstore#{function}", *missing)
            assert refused == "there is no object 'x'"
            nowhere = at("one", "c"), at("none", "b")
            refused = await error(guest, f"blobstore#{function}", *nowhere)
            assert refused == "there is no container 'none'"


async def test_an_object_is_stored_when_it_is_finished() -> None:
    async with guest_of() as guest:
        photos = await guest("blobstore#create-container", "photos")
        dropped = await guest(NEW)
        await guest(f"{C}write-data", photos, "a", dropped)
        await guest(WRITE, await guest(BODY, dropped), b"1")
        assert await guest(f"{C}has-object", photos, "a") is False
        await guest.drop(dropped)
        assert await guest(f"{C}has-object", photos, "a") is False
        nowhere = await guest(NEW)
        await guest(FINISH, nowhere)


async def test_containers_are_folders_of_the_storage() -> None:
    facilities = Facilities()
    await facilities.storage.set("acme/guest", "assets/logo", b"png")
    async with guest_of(facilities=facilities) as guest:
        assets = await guest("blobstore#get-container", "assets")
        assert await got(guest, assets, "logo") == b"png"
        assert (await guest(f"{C}info", assets)).created_at == 0
        await guest("blobstore#create-container", "a/b")
        await put(guest, assets, "x/y", b"1")

    kept = await facilities.storage.keys("acme/guest")
    assert kept == ["a%2Fb/%container", "assets/logo", "assets/x/y"]


async def test_a_stream_is_had_once_and_an_object_has_one_place() -> None:
    async with guest_of() as guest:
        photos = await guest("blobstore#create-container", "photos")
        value = await guest(NEW)
        await guest(BODY, value)
        assert await error(guest, BODY, value) is None
        await guest(f"{C}write-data", photos, "a", value)
        second = await error(guest, f"{C}write-data", photos, "b", value)
        assert "already" in second


# --- refused ----------------------------------------------------------------------


@operation(
    *full(
        "blobstore#create-container",
        "blobstore#get-container",
        "blobstore#container-exists",
        "blobstore#delete-container",
        "blobstore#copy-object",
        "blobstore#move-object",
        f"{C}info",
        f"{C}get-data",
        f"{C}write-data",
        f"{C}list-objects",
        f"{C}delete-object",
        f"{C}delete-objects",
        f"{C}has-object",
        f"{C}object-info",
        f"{C}clear",
        f"{NAMES}read-stream-object-names",
        f"{NAMES}skip-stream-object-names",
        FINISH,
    ),
    allowed=False,
)
async def test_a_guest_without_grants_has_no_objects() -> None:
    facilities = Facilities()
    async with guest_of(facilities=facilities) as granted:
        photos = await granted("blobstore#create-container", "photos")
        await put(granted, photos, "a", b"1")
        names = await granted(f"{C}list-objects", photos)
        value = await granted(NEW)
        placed = await granted(NEW)
        await granted(f"{C}write-data", photos, "z", placed)
        async with guest_of(Grants(), facilities=facilities) as guest:
            here, there = at("photos", "a"), at("photos", "b")
            for function, args in (
                ("blobstore#create-container", ("other",)),
                ("blobstore#get-container", ("photos",)),
                ("blobstore#container-exists", ("photos",)),
                ("blobstore#delete-container", ("photos",)),
                ("blobstore#copy-object", (here, there)),
                ("blobstore#move-object", (here, there)),
                (f"{C}info", (photos,)),
                (f"{C}get-data", (photos, "a", 0, 1)),
                (f"{C}write-data", (photos, "b", value)),
                (f"{C}list-objects", (photos,)),
                (f"{C}delete-object", (photos, "a")),
                (f"{C}delete-objects", (photos, ["a"])),
                (f"{C}has-object", (photos, "a")),
                (f"{C}object-info", (photos, "a")),
                (f"{C}clear", (photos,)),
                (f"{NAMES}read-stream-object-names", (names, 1)),
                (f"{NAMES}skip-stream-object-names", (names, 1)),
                (FINISH, (placed,)),
            ):
                before = len(guest.denied)
                assert "may not" in await error(guest, function, *args), function
                assert len(guest.denied) == before + 1, function

    kept = await facilities.storage.keys("acme/guest")
    assert kept == ["photos/%container", "photos/a"]


async def test_a_guest_does_not_learn_of_objects_that_it_may_not_read() -> None:
    facilities = Facilities()
    for name in ("photos/open", "photos/secret/1"):
        await facilities.storage.set("acme/guest", name, b"1")
    grants = storage(read=["photos/*"], write=["photos/*"], delete=["photos/*"])
    async with guest_of(grants, facilities=facilities) as guest:
        photos = await guest("blobstore#get-container", "photos")
        names = await guest(f"{C}list-objects", photos)
        listed = await guest(f"{NAMES}read-stream-object-names", names, LAST)
        assert listed == (["open"], True)
        for function, args in (
            (f"{C}clear", (photos,)),
            ("blobstore#delete-container", ("photos",)),
        ):
            refused = await error(guest, function, *args)
            assert "may not delete" in refused
            assert "secret" not in refused

    assert await facilities.storage.exists("acme/guest", "photos/secret/1")


class Revoking(MemoryStorage):
    """Takes the grants of a caller while it waits."""

    standing: Standing

    async def get(self, namespace: str, key: str) -> bytes | None:
        value = await super().get(namespace, key)
        self.standing.grants = Grants()
        return value

    async def keys(self, *args: Any, **kwargs: Any) -> list[str]:
        found = await super().keys(*args, **kwargs)
        self.standing.grants = Grants()
        return found


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("blobstore#get-container", ("photos",)),
        ("blobstore#container-exists", ("photos",)),
        ("blobstore#delete-container", ("photos",)),
        ("blobstore#create-container", ("other",)),
        ("blobstore#copy-object", (at("photos", "a"), at("photos", "b"))),
        (f"{C}info", (Container("photos"),)),
        (f"{C}clear", (Container("photos"),)),
        (f"{C}get-data", (Container("photos"), "a", 0, 1)),
    ],
)
async def test_what_is_taken_back_meanwhile_is_refused(
    function: str, args: tuple[Any, ...]
) -> None:
    store = Revoking()
    standing = store.standing = Standing(ALL)
    await store.set("acme/guest", "photos/a", b"1")
    given = Facilities(storage=store)
    async with guest_of(facilities=given, standing=standing) as guest:
        assert "may not" in await error(guest, function, *args)

    assert (await store.usage("acme/guest")).keys == 1


# --- hostile ----------------------------------------------------------------------


async def test_a_value_has_a_largest_size() -> None:
    async with guest_of() as guest:
        photos = await guest("blobstore#create-container", "photos")
        value = await guest(NEW)
        body = await guest(BODY, value)
        await guest(f"{C}write-data", photos, "a", value)
        for _ in range(LARGEST_VALUE // MIB):
            await guest(WRITE, body, bytes(MIB))
        full_up = await error(guest, CHECK, body)
        assert full_up.case == "last-operation-failed"
        assert "16_777_216" in await error(guest, FINISH, value)
        assert await guest(f"{C}has-object", photos, "a") is False
        assert (await error(guest, WRITE, body, b"1")).case == "closed"


async def test_all_values_of_a_guest_have_a_limit_and_give_it_back() -> None:
    async with guest_of() as guest:
        photos = await guest("blobstore#create-container", "photos")
        await put(guest, photos, "a", bytes(LARGEST_VALUE))
        held = [
            await guest(f"{C}get-data", photos, "a", 0, LAST)
            for _ in range(MOST_HELD // LARGEST_VALUE)
        ]
        refused = await error(guest, f"{C}get-data", photos, "a", 0, 0)
        assert "67_108_864" in refused
        body = await guest(BODY, await guest(NEW))
        assert (await error(guest, CHECK, body)).case == "last-operation-failed"
        await guest.drop(held.pop())
        stream = await guest(ASYNC, held.pop())
        assert len(await guest(READ, stream, MIB)) == MIB
        await guest.drop(stream)
        for each in held:
            await guest.keep(each)
        assert await guest(CHECK, body) == MIB


async def test_what_a_guest_leaves_is_given_back() -> None:
    standing = Standing(ALL)
    facilities = Facilities()
    async with guest_of(standing=standing, facilities=facilities) as guest:
        value = await guest(NEW)
        await guest(WRITE, await guest(BODY, value), bytes(MIB))
        await guest.keep(value)
        assert value.value._held.size == MIB

    assert value.value._held.size == 0


@pytest.mark.parametrize(
    ("start", "end", "content"),
    [(0, 0, b"0"), (9, LAST, b"9"), (10, 10, b""), (LAST, LAST, b"")],
)
async def test_a_part_may_lie_anywhere(start: int, end: int, content: bytes) -> None:
    async with guest_of() as guest:
        photos = await guest("blobstore#create-container", "photos")
        await put(guest, photos, "a", b"0123456789")

        part = await guest(f"{C}get-data", photos, "a", start, end)
        assert await guest(SYNC, part) == content
        refused = await error(guest, f"{C}get-data", photos, "a", 2, 1)
        assert "is after the last" in refused


async def test_too_many_names_and_odd_ones_are_refused() -> None:
    async with guest_of() as guest:
        photos = await guest("blobstore#create-container", "photos")
        many = ["a"] * (MOST_NAMES + 1)
        assert "at once" in await error(guest, f"{C}delete-objects", photos, many)
        for name in ("", "a" * 1025):
            assert "key" in await error(guest, f"{C}has-object", photos, name)
        assert "longer" in await error(guest, "blobstore#get-container", "a" * 1025)
        missing = await error(guest, f"{C}object-info", photos, "x")
        assert missing == "there is no object 'x'"


async def test_an_object_has_no_more_room_than_the_quota() -> None:
    budget = Budget("acme/a", evolve(Quota(), storage=4096))
    async with guest_of(budget=budget) as guest:
        photos = await guest("blobstore#create-container", "photos")
        value = await guest(NEW)
        await guest(f"{C}write-data", photos, "a", value)
        await guest(WRITE, await guest(BODY, value), bytes(8192))
        assert "quota of storage" in await error(guest, FINISH, value)


class Broken(MemoryStorage):
    async def get(self, namespace: str, key: str) -> bytes | None:
        raise StorageError(namespace, key, "the disk is gone")


async def test_a_storage_that_fails_is_an_error_of_the_guest() -> None:
    async with guest_of(facilities=Facilities(storage=Broken())) as guest:
        refused = await error(guest, "blobstore#create-container", "photos")

        assert refused == "the disk is gone"


async def test_a_value_is_nobodys_once_it_is_finished() -> None:
    async with guest_of() as guest:
        value = await guest(NEW)
        assert isinstance(value, OutgoingValue)
        body = await guest(BODY, value)
        await guest(FINISH, value)

        assert (await error(guest, CHECK, body)).case == "closed"


async def test_a_stream_of_what_is_let_go_of_is_closed() -> None:
    values = Values()
    value = values.new(Call("acme/a", grants=Standing()), b"abc")
    reader, writer = HeldInput(value), HeldOutput(value)
    assert reader.ready()
    value.close()

    with pytest.raises(StreamClosed):
        await writer.write(b"d")
    with pytest.raises(StreamClosed):
        await reader.read(1)


async def test_a_value_takes_no_more_than_fits() -> None:
    value = Values().new(Call("acme/a", grants=Standing()))
    with pytest.raises(TooMuchHeld):
        value.add(bytes(LARGEST_VALUE + 1))

    assert value.cut
    assert not value.content
