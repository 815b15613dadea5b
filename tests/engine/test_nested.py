"""Instances within instances, in imports and exports."""

from __future__ import annotations

from typing import Any

import pytest

from airssys.core.errors import MissingExport, UnknownImport
from airssys.hostcalls.interface import HostInterface

pytestmark = pytest.mark.guest

NESTED = """(component
  (import "acme:deep/outer@1.0.0" (instance $outer
    (export "inner" (instance (export "ask" (func (result u32)))))))
  (alias export $outer "inner" (instance $inner))
  (core func $ask (canon lower (func $inner "ask")))
  (core module $code
    (import "" "ask" (func $ask (result i32)))
    (func (export "f") (result i32) (i32.add (call $ask) (i32.const 1))))
  (core instance $c (instantiate $code (with "" (instance
    (export "ask" (func $ask))))))
  (func $f (result u32) (canon lift (core func $c "f")))
  (instance $one (export "f" (func $f)))
  (instance $two (export "one" (instance $one)))
  (export "acme:deep/api@1.0.0" (instance $two)))"""


async def test_functions_of_nested_instances_are_linked_and_called(make: Any) -> None:
    inner = HostInterface("acme:deep/outer@1.0.0#inner")
    inner.function(lambda _call: 41, name="ask")
    with await make(NESTED, [inner]) as instance:
        assert await instance.call("acme:deep/api@1.0.0#one#f") == 42
        with pytest.raises(MissingExport, match="acme:deep/api@1.0.0#one#f"):
            await instance.call("acme:deep/api@1.0.0#f")


async def test_a_missing_nested_instance_is_named(make: Any) -> None:
    with pytest.raises(UnknownImport) as raised:
        await make(NESTED, [HostInterface("acme:deep/outer@1.0.0")])

    assert raised.value.problems == (
        "interface 'acme:deep/outer@1.0.0#inner' is missing",
    )


async def test_a_nested_instance_of_a_compatible_version_is_taken(make: Any) -> None:
    inner = HostInterface("acme:deep/outer@1.0.3#inner")
    inner.function(lambda _call: 1, name="ask")
    with await make(NESTED, [inner]) as instance:
        assert await instance.call("acme:deep/api@1.0.0#one#f") == 2


DEEP = """(component
  (core module $code (global $n (mut i32) (i32.const 0))
    (func (export "end") (param i32) (global.set $n (local.get 0)))
    (func (export "ended") (result i32) (global.get $n)))
  (core instance $c (instantiate $code))
  (alias core export $c "end" (core func $end))
  (type $r (resource (rep i32) (dtor (core func $end))))
  (core func $new (canon resource.new $r))
  (func $make (param "n" u32) (result (own $r)) (canon lift (core func $new)))
  (component $names
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (param "n" u32) (result (own $r))))
    (export $out "thing" (type $r))
    (export "make" (func $make) (func (param "n" u32) (result (own $out)))))
  (instance $in (instantiate $names (with "r" (type $r)) (with "make" (func $make))))
  (instance $outer (export "inner" (instance $in)))
  (export "acme:deep/api" (instance $outer))
  (func (export "ended") (result u32) (canon lift (core func $c "ended"))))"""


async def test_a_resource_of_a_nested_instance_is_destroyed(make: Any) -> None:
    with await make(DEEP) as instance:
        thing = await instance.call("acme:deep/api#inner#make", 7)
        assert thing.type.home == "acme:deep/api#inner"
        await thing.close()
        assert await instance.call("ended") == 7
