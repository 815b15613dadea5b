# ruff: noqa: PT017 - errors are judged here, not expected
"""Compile and run whatever a fuzzer made: only our own errors may come of it."""

from __future__ import annotations

from typing import Any, Final

from airssys.core.errors import AirssysError, InvalidComponent
from airssys.core.limits import KIB, MIB, Limits
from airssys.engine.component import Component
from airssys.engine.resource import Handle
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import (
    Borrow,
    Enum,
    Extern,
    Flags,
    FuncType,
    InstanceType,
    List,
    Map,
    Ok,
    Option,
    Own,
    Record,
    RecordType,
    ResourceType,
    Result,
    Scalar,
    Tuple,
    Variant,
    VariantType,
    WitType,
)

from .made import Bucket
from .values import engine

__all__ = ("compiled", "tried")

_NAME: Final = "broken"
_LIMITS: Final = Limits(
    memory=4 * MIB, fuel=30_000, timeout=2.0, table_elements=1000, memories=3
)
_MANY: Final = 12
"""Functions that are called."""
_SMALLEST: Final = {"bool": False, "char": "a", "string": "text", "f32": 0.5}


async def compiled(source: bytes | str) -> Component | None:
    """Compile it, with and without the lane; None where it is no component."""
    found: list[Component | None] = []
    for lane in (True, False):
        try:
            chosen = engine(bytes_lane=lane)
            found.append(await chosen.compile(source, name=_NAME))
        except InvalidComponent as error:
            assert error.component == _NAME, error
            assert error.reason, error
            assert len(str(error)) < 8 * KIB, error
            found.append(None)
    one, other = found
    assert (one is None) == (other is None), "only the lane makes a difference"
    if one is not None and other is not None:
        assert list(one.functions()) == list(other.functions())
        repr(one)
    return one


async def tried(component: Component) -> None:
    """Instantiate it and call what it exports."""
    functions = component.functions()
    handles: list[Handle] = []
    try:
        with await component.instantiate(stubs(component), limits=_LIMITS) as instance:
            for export in list(functions)[:_MANY]:
                args = [_plain(type_, handles) for _, type_ in functions[export].params]
                try:
                    back = await instance.call(export, *args)
                except AirssysError as error:
                    assert str(error), error
                    continue
                if isinstance(back, Handle):
                    handles.append(back)
    except AirssysError as error:
        assert str(error), error


def stubs(component: Component) -> list[HostInterface]:
    """Offer all that a component imports, by hosts that return the least."""
    offered: list[HostInterface] = []

    def look(name: str, externs: Any) -> None:
        host = HostInterface(name)
        offered.append(host)
        for inner, extern in externs.items():
            match extern:
                case ResourceType():
                    host.resource(Bucket, name=inner)
                case InstanceType():
                    look(f"{name}#{inner}" if name else inner, extern.exports)
                case _:
                    pass
        for inner, extern in externs.items():
            if isinstance(extern, FuncType) and inner not in host.functions:
                host.function(_stub(extern), name=inner)

    interfaces: dict[str, Extern] = dict(component.imports)
    look("", interfaces)
    return offered


def _stub(type_: FuncType) -> Any:
    def answer(_call: Call, *_args: Any) -> Any:
        if isinstance(type_.result, Result):
            return None if type_.result.ok is None else _plain(type_.result.ok, [])
        return None if type_.result is None else _plain(type_.result, [])

    return answer


def _plain(type_: WitType, handles: list[Handle]) -> Any:
    """Return the plainest value of a type."""
    match type_:
        case Scalar(name):
            return _SMALLEST.get(name, 1)
        case List(Scalar("u8")):
            return b"bytes"
        case List(element):
            return [_plain(element, handles)] * 2
        case Map(key, value):
            return {_plain(key, handles): _plain(value, handles)}
        case RecordType(fields):
            known = {name.replace("-", "_"): _plain(t, handles) for name, t in fields}
            return Record(**known)
        case Tuple(elements):
            return tuple(_plain(each, handles) for each in elements)
        case VariantType(cases):
            name, case = cases[-1]
            return Variant(name, None if case is None else _plain(case, handles))
        case Enum(names):
            return names[-1]
        case Flags(names):
            return {names[-1]}
        case Result(ok):
            return Ok(None if ok is None else _plain(ok, handles))
        case Own() | Borrow():
            return handles[-1] if handles else Bucket()
        case Option():
            return None
        case _:
            return None
