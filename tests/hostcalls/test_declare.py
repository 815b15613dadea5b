from __future__ import annotations

from typing import Any

import pytest

from airssys.core.grants.capabilities import Filesystem, Storage
from airssys.hostcalls.call import Call
from airssys.hostcalls.declare import Free, Inside, Requires, hold, offer
from airssys.hostcalls.interface import HostInterface

READS = Requires("storage.read", lambda key: f"component:self/{key}")
GET = "func(key: string) -> result<string, string>"


@pytest.fixture
def kv() -> HostInterface:
    return HostInterface("acme:kv/store@1.0.0")


def test_a_function_of_our_own_must_say_what_it_needs(kv: HostInterface) -> None:
    unfinished: Any = offer

    with pytest.raises(TypeError, match="needs"):
        unfinished(kv)
    with pytest.raises(ValueError, match="say why"):
        offer(kv, needs=Free("  "), wit="func()")
    with pytest.raises(ValueError, match="name the capabilities"):
        offer(kv, needs=Inside((), "whenever it likes"), wit="func()")
    with pytest.raises(TypeError, match=r"say how .* storage\.read is denied"):
        offer(kv, needs=READS, wit=GET)


@pytest.mark.parametrize("capability", ["storage", "storage.", "disk.read", ""])
def test_what_is_needed_must_be_a_capability(capability: str) -> None:
    with pytest.raises(ValueError, match="no capability such as"):
        Requires(capability, str)
    with pytest.raises(ValueError, match="no capability such as"):
        Inside(("storage.read", capability), "now and then")


def test_what_a_function_needs_or_why_nothing_is_kept(kv: HostInterface) -> None:
    @offer(kv, needs=Free("it only adds"), wit="func(one: u8, two: u8) -> u8")
    def add_up(_: Call, one: int, two: int) -> int:
        return one + two

    @offer(kv, needs=READS, denied=str.upper, wit=GET)
    def get(_: Call, key: str) -> str:
        return key

    @offer(
        kv,
        needs=Inside(("filesystem.read", "filesystem.write"), "by the mode"),
        wit="func()",
        name="other-name",
    )
    def name(_: Call) -> None: ...

    assert {name: each.needed for name, each in kv.functions.items()} == {
        "add-up": "nothing: it only adds",
        "get": "storage.read",
        "other-name": "filesystem.read, filesystem.write: by the mode",
    }
    needs = kv.functions["get"].needs
    assert needs is not None
    assert needs("k") == Storage("read", "component:self/k")
    assert kv.functions["get"].denied is str.upper
    assert kv.functions["add-up"].needs is None
    assert Requires("filesystem.list", str)("/a") == Filesystem("list", "/a")


def test_a_resource_of_our_own_is_dropped_as_it_says(kv: HostInterface) -> None:
    closed: list[bytearray] = []
    hold(kv, "file", bytearray, drop=closed.append)

    drop = kv.resources["file"].drop
    assert drop is not None
    drop(bytearray(b"x"))
    assert closed == [bytearray(b"x")]
    assert kv.functions == {}, "its functions are offered one by one"
