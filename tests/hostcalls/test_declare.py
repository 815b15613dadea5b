from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from attrs import define

from airssys.core.grants.capabilities import Filesystem, Storage
from airssys.hostcalls.call import Call
from airssys.hostcalls.declare import (
    Free,
    Inside,
    Requires,
    interface_of,
    needs_of,
    operation,
)
from airssys.hostcalls.interface import HostResource

READS = Requires("storage.read", lambda key: f"component:self/{key}")
TYPES: Mapping[str, str] = {
    "add-up": "func(one: u8, two: u8) -> u8",
    "get": "func(key: string) -> result<string, string>",
    "other-name": "func()",
    "[method]old.name": "func()",
}


@define(eq=False)
class Store:
    interface: ClassVar[str] = "acme:kv/store@1.0.0"
    most: int = 200

    @operation(needs=Free("it only adds"))
    def add_up(self, _: Call, one: int, two: int) -> int:
        return min(one + two, self.most)

    @operation(needs=READS)
    def get(self, _: Call, key: str) -> str:
        return key

    @operation(
        "other-name",
        "[method]old.name",
        needs=Inside(("filesystem.read", "filesystem.write"), "by the mode"),
    )
    def name(self, _: Call) -> None: ...

    def unmarked(self, _: Call) -> None: ...


def test_a_function_of_our_own_must_say_what_it_needs() -> None:
    unfinished: Any = operation

    with pytest.raises(TypeError, match="needs"):
        unfinished("get")
    with pytest.raises(ValueError, match="say why"):
        Free("  ")
    with pytest.raises(ValueError, match="name the capabilities"):
        Inside((), "whenever it likes")
    with pytest.raises(TypeError, match=r"say how .* storage\.read is denied"):
        interface_of(Store(), types=TYPES)


@pytest.mark.parametrize("capability", ["storage", "storage.", "disk.read", ""])
def test_what_is_needed_must_be_a_capability(capability: str) -> None:
    with pytest.raises(ValueError, match="no capability such as"):
        Requires(capability, str)
    with pytest.raises(ValueError, match="no capability such as"):
        Inside(("storage.read", capability), "now and then")


def test_what_a_function_needs_or_why_nothing_is_kept() -> None:
    kv = interface_of(Store(), denied=str.upper, types=TYPES)

    assert kv.name == "acme:kv/store@1.0.0"
    assert {name: each.needed for name, each in kv.functions.items()} == {
        "add-up": "nothing: it only adds",
        "get": "storage.read",
        "other-name": "filesystem.read, filesystem.write: by the mode",
        "[method]old.name": "filesystem.read, filesystem.write: by the mode",
    }
    assert {name: each.wit for name, each in kv.functions.items()} == TYPES
    needs = kv.functions["get"].needs
    assert needs is not None
    assert needs("k") == Storage("read", "component:self/k")
    assert kv.functions["get"].denied is str.upper
    assert kv.functions["add-up"].needs is None
    assert kv.functions["add-up"].denied is None
    assert Requires("filesystem.list", str)("/a") == Filesystem("list", "/a")


def test_an_operation_is_a_method_of_the_object_that_is_offered() -> None:
    kv = interface_of(Store(most=5), denied=str.upper, types=TYPES)

    assert kv.functions["add-up"].body(Call("acme/a"), 3, 4) == 5
    assert kv.functions["add-up"].takes(2)
    assert not kv.functions["add-up"].takes(3)


def test_the_class_alone_tells_what_its_operations_need() -> None:
    assert {name: each.capabilities for name, each in needs_of(Store).items()} == {
        "add-up": (),
        "get": ("storage.read",),
        "other-name": ("filesystem.read", "filesystem.write"),
        "[method]old.name": ("filesystem.read", "filesystem.write"),
    }


def test_a_resource_of_our_own_is_dropped_as_it_says() -> None:
    @define
    class Nothing:
        interface: ClassVar[str] = "acme:kv/store@1.0.0"

    closed: list[bytearray] = []
    kv = interface_of(
        Nothing(),
        resources=[HostResource("file", bytearray, closed.append)],
        types=TYPES,
    )

    drop = kv.resources["file"].drop
    assert drop is not None
    drop(bytearray(b"x"))
    assert closed == [bytearray(b"x")]
    assert kv.functions == {}, "its functions are offered one by one"
