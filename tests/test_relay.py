from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field

from airssys.core.errors import CapabilityDenied, ValueMismatch, WitError
from airssys.core.grants.capabilities import Custom
from airssys.core.grants.grants import Grants
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import Ok, Record, Variant

from .relay import relay

pytestmark = pytest.mark.guest

ERROR = "variant { no(string), other }"
MODE = "record { mode: enum { read, write }, size: u64, name: option<string> }"
MANY = f"tuple<{', '.join(['u32'] * 17)}>"


@define(eq=False)
class File:
    name: str
    content: bytes = b""
    closed: int = 0

    def drop(self) -> None:
        self.closed += 1


@define(eq=False)
class Pool:
    files: list[File] = field(factory=list)


@pytest.fixture
def files() -> HostInterface:
    interface = HostInterface("test:host/files@1.0.0")
    interface.resource(File)
    interface.functions.clear()  # they carry no types

    @interface.function(
        wit=f"func(name: string, mode: {MODE}) -> result<file, {ERROR}>"
    )
    async def open(call: Call, name: str, mode: Record) -> File:  # noqa: A001
        if mode.mode == "read" and not mode.size:
            raise WitError(Variant("no", name))
        return File(name, bytes(mode.size))

    @interface.function(
        name="[method]file.read",
        wit=f"func(self: borrow<file>, most: u32) -> result<list<u8>, {ERROR}>",
    )
    def read(call: Call, file: File, most: int) -> bytes:
        return file.content[:most]

    @interface.function(
        name="[method]file.write", wit="func(self: borrow<file>, more: list<u8>) -> u64"
    )
    def write(call: Call, file: File, more: bytes) -> int:
        file.content += more
        return len(file.content)

    @interface.function(
        name="[static]file.join",
        wit="func(a: own<file>, b: own<file>, how: option<borrow<file>>) -> file",
    )
    def join(call: Call, a: File, b: File, how: File | None) -> File:
        return File(a.name + b.name + (how.name if how else ""))

    return interface


@pytest.fixture
def pools() -> HostInterface:
    interface = HostInterface("test:host/pools@1.0.0")
    interface.resource(Pool)
    interface.functions.clear()

    @interface.function(name="[constructor]pool", wit="func() -> pool")
    def new(call: Call) -> Pool:
        return Pool()

    @interface.function(wit="func(a: borrow<pool>, file: file)")
    def put(call: Call, pool: Pool, file: File) -> None:
        pool.files.append(file)

    @interface.function(wit=f"func(a: borrow<file>, b: {MANY}) -> {MANY}")
    def many(call: Call, a: File, b: tuple[int, ...]) -> tuple[int, ...]:
        return b

    @interface.function(wit="func(a: borrow<file>, b: borrow<file>) -> bool")
    def same(call: Call, a: File, b: File) -> bool:
        return a is b

    @interface.function(wit="func(p: borrow<pool>) -> list<tuple<string, file>>")
    def take(call: Call, p: Pool) -> list[tuple[str, File]]:
        taken, p.files = p.files, []
        return [(file.name, file) for file in taken]

    return interface


MODE_VALUE = {"mode": "write", "size": 3, "name": None}


async def test_values_and_errors_pass_through(files: HostInterface) -> None:
    async with relay([files]) as guest:
        file = await guest("files#open", "a", MODE_VALUE)
        with pytest.raises(WitError) as refused:
            await guest("files#open", "b", {"mode": "read", "size": 0, "name": "x"})

        assert (file.name, file.content) == ("a", b"\0\0\0")
        assert refused.value.value == Variant("no", "b")


async def test_the_hosts_objects_come_out_and_go_in_again(files: HostInterface) -> None:
    async with relay([files]) as guest:
        file = await guest("files#open", "a", MODE_VALUE)
        for _ in range(3):  # a borrow that was not dropped would trap
            assert await guest("files#[method]file.read", file, 2) == b"\0\0"
        assert await guest("files#[method]file.write", file, b"\xff" * 70_000) == 70_003
        other = await guest("files#open", "b", MODE_VALUE)
        assert (await guest("files#[static]file.join", file, other, None)).name == "ab"
        joined = await guest("files#[static]file.join", file, other, file)

        assert joined.name == "aba"
        assert file.content[3:] == b"\xff" * 70_000


async def test_interfaces_share_resources(
    files: HostInterface, pools: HostInterface
) -> None:
    async with relay([pools, files]) as guest:
        file = await guest("files#open", "a", MODE_VALUE)
        other = await guest("files#open", "b", MODE_VALUE)
        pool = await guest("pools#[constructor]pool")
        seventeen = tuple(range(17))

        assert await guest("pools#same", file, file) is True
        assert await guest("pools#same", file, other) is False
        assert await guest("pools#many", file, seventeen) == seventeen
        await guest("pools#put", pool, file)
        assert await guest("pools#take", pool) == [("a", file)]
        with pytest.raises(ValueMismatch):
            await guest("pools#same", file, pool)


async def test_a_guest_drops_and_keeps_what_it_is_given(files: HostInterface) -> None:
    async with relay([files]) as guest:
        dropped = await guest("files#open", "a", MODE_VALUE)
        kept = await guest("files#open", "b", MODE_VALUE)
        await guest.drop(dropped)
        await guest.keep(kept)
        assert (dropped.closed, kept.closed) == (1, 0)

    assert (dropped.closed, kept.closed) == (1, 1)


async def test_the_guard_stands_between(files: HostInterface) -> None:
    @files.function(
        wit="func(key: string) -> result<_, string>",
        needs=lambda key: Custom("test:host/files", key),
    )
    def remove(call: Call, key: str) -> None: ...

    granted = Grants(custom={"test:host/files": ["a"]})
    async with relay([files], grants=granted, actor="acme/guest#1") as guest:
        assert await guest("test:host/files@1.0.0#remove", "a") is None
        assert guest.denied == []
        with pytest.raises(CapabilityDenied):
            await guest("files#remove", "b")
        (denied,) = guest.denied
        assert denied.subject == "acme/guest#1"


async def test_a_guest_needs_the_types_of_the_functions(files: HostInterface) -> None:
    @files.function
    def untyped(call: Call) -> None: ...

    with pytest.raises(AssertionError, match="untyped"):
        async with relay([files]):
            raise AssertionError


async def test_results_inside_values_pass_through() -> None:
    interface = HostInterface("test:host/odd@1.0.0")
    type_ = "list<result<option<list<u8>>, flags { a, b }>>"

    @interface.function(wit=f"func(a: {type_}, b: f64, c: s64, d: char) -> {type_}")
    def echo(call: Call, *args: Any) -> Any:
        seen.append(args[1:])
        return args[0]

    seen: list[Any] = []
    async with relay([interface]) as guest:
        value = [Ok(b"\0\xff"), Ok(None)]
        assert await guest("odd#echo", value, 0.5, -1, "ü") == value
    assert seen == [(0.5, -1, "ü")]
