"""Offer to a script's components what they import: a test host, and each other."""

from __future__ import annotations

from typing import Any

import anyio
from attrs import define

from airssys import Call, HostInterface, Instance
from airssys.witmodel.types import (
    Borrow,
    FuncType,
    InstanceType,
    List,
    Map,
    Opaque,
    Option,
    Own,
    RecordType,
    Result,
    Tuple,
    VariantType,
    WitType,
)

__all__ = ("exports_of", "test_host")


@define
class _Drops:
    """What was dropped of a resource."""

    count: int = 0
    latest: int = 0


def test_host() -> list[HostInterface]:
    """Return what wasmtime's own runner of scripts offers to components.

    All of it but the core module ``simple-module``: a host cannot offer modules here.
    """
    world = HostInterface("")
    host = HostInterface("host")
    nested = HostInterface("host#nested")

    @world.function
    def host_return_two(_: Call) -> int:
        return 2

    @world.function(name="host-echo-u32")
    @host.function
    async def echo_slowly(_: Call, value: int) -> int:
        await anyio.lowlevel.checkpoint()
        return value

    @host.function
    def return_three(_: Call) -> int:
        return 3

    @nested.function
    def return_four(_: Call) -> int:
        return 4

    @host.function
    def return_hi(_: Call) -> str:
        return "hi"

    @host.function
    async def return_two_slowly(_: Call) -> int:
        await anyio.lowlevel.checkpoint()
        return 2

    @host.function
    async def never_return(_: Call) -> None:
        await anyio.sleep_forever()

    _resources(host)
    return [world, host, nested]


def _resources(host: HostInterface) -> None:
    drops = _Drops()

    @host.resource(name="resource1-again")
    @host.resource(name="resource1")
    class Resource1:
        def __init__(self, rep: int) -> None:
            self.rep = rep

        def simple(self, rep: int) -> None:
            assert self.rep == rep

        def take_borrow(self, other: Resource1) -> None:
            assert isinstance(other, Resource1)

        def take_own(self, other: Resource1) -> None:
            assert isinstance(other, Resource1)

        async def never_return(self) -> None:
            await anyio.sleep_forever()

        @host.method(name="assert")
        @staticmethod
        def check(one: Resource1, rep: int) -> None:
            assert one.rep == rep

        @staticmethod
        def drops() -> int:
            return drops.count

        @staticmethod
        def last_drop() -> int:
            return drops.latest

        def drop(self) -> None:
            drops.count += 1
            drops.latest = self.rep

    @host.resource(name="resource2")
    class Resource2:
        pass


def exports_of(instance: Instance, name: str) -> list[HostInterface]:
    """Return what an instance exports, as interfaces that call it.

    Its own functions make the interface of the name given; its interfaces keep theirs.
    Functions that take or return resources are left out: a handle is of one instance.
    """
    interfaces = [_interface(instance, name, "", instance.component.exports)]
    for inner, extern in instance.component.exports.items():
        if isinstance(extern, InstanceType):
            found = _interface(instance, inner, f"{inner}#", extern.exports)
            interfaces.append(found)
    return [interface for interface in interfaces if interface.functions]


def _interface(
    instance: Instance, name: str, prefix: str, exports: Any
) -> HostInterface:
    interface = HostInterface(name)
    for function, type_ in exports.items():
        if isinstance(type_, FuncType) and not _any_handle(type_):
            body = _forward(instance, f"{prefix}{function}")
            # An async func is refused by the linker, whatever its type.
            wit = None if type_.is_async else str(type_)
            interface.function(body, name=function, wit=wit)
    return interface


def _forward(instance: Instance, export: str) -> Any:
    async def body(_: Call, *args: Any) -> Any:
        return await instance.call(export, *args)

    return body


def _any_handle(type_: FuncType) -> bool:
    """Tell whether a function's type holds what only its own instance can use."""
    types = [of for _, of in type_.params]
    return any(map(_handle, types)) or _handle(type_.result)


def _handle(type_: WitType | None) -> bool:
    match type_:
        case Own() | Borrow() | Opaque():
            return True
        case List(inner) | Option(inner):
            return _handle(inner)
        case Map(one, other) | Result(one, other):
            return _handle(one) or _handle(other)
        case Tuple(elements):
            return any(map(_handle, elements))
        case RecordType(parts) | VariantType(parts):
            return any(_handle(of) for _, of in parts)
        case _:
            return False
