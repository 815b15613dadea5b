"""Read the types of a component from wasmtime."""

from __future__ import annotations

from typing import Any, Final

from attrs import define
from wasmtime import component as _wasmtime

from .types import (
    Enum,
    Extern,
    Flags,
    FuncType,
    InstanceType,
    List,
    Opaque,
    Option,
    RecordType,
    Result,
    Scalar,
    Tuple,
    TypeDef,
    VariantType,
    WitType,
)

__all__ = ("TypeReader",)

_PARTS: Final = 5_000
"""Parts that the types of one function may have.

Two kilobytes of component can describe a type of a million parts, by tuples of tuples.
Compiling converters for it would take minutes of the event loop.
"""
_ALL_PARTS: Final = 200_000
"""Parts that all types of a component may have."""

_SCALARS: Final[dict[type, Scalar]] = {
    getattr(_wasmtime, name): Scalar(name.lower())
    for name in (
        *("Bool", "S8", "S16", "S32", "S64", "U8", "U16", "U32", "U64"),
        *("F32", "F64", "Char", "String"),
    )
}


@define
class TypeReader:
    """Turns wasmtime-py's view of types into ours, which owns no memory of C.

    Where a type is too large, `Opaque` takes its place: the component can be used, only
    the function cannot.
    """

    engine: Any
    """wasmtime's engine."""
    _left: int = _ALL_PARTS
    _here: int = 0
    """Parts left for the function at hand."""

    def extern(self, item: Any) -> Extern:
        """Return what a component imports or exports under a name."""
        match item:
            case _wasmtime.FuncType():
                self._begin()
                params = tuple((name, self._type(type_)) for name, type_ in item.params)
                return FuncType(params, self._optional(item.result))
            case _wasmtime.ComponentInstanceType():
                exports = item.exports(self.engine)
                return InstanceType(
                    {name: self.extern(each.ty) for name, each in exports.items()}
                )
            case _wasmtime.ValType():
                self._begin()
                return TypeDef(self._type(item))
            case _:
                return Opaque(type(item).__name__.removesuffix("Type").lower())

    def _begin(self) -> None:
        self._here = min(_PARTS, self._left)

    def _optional(self, type_: Any) -> WitType | None:
        return None if type_ is None else self._type(type_)

    def _type(self, type_: Any) -> WitType:
        self._here -= 1
        self._left -= 1
        if self._here < 0:
            return Opaque(f"type of more than {_PARTS:_} parts")
        if scalar := _SCALARS.get(type(type_)):
            return scalar
        match type_:
            case _wasmtime.ListType():
                return List(self._type(type_.element))
            case _wasmtime.RecordType():
                return RecordType(self._fields(type_.fields))
            case _wasmtime.TupleType():
                return Tuple(tuple(map(self._type, type_.elements)))
            case _wasmtime.VariantType():
                cases = [(name, self._optional(case)) for name, case in type_.cases]
                return VariantType(tuple(cases))
            case _wasmtime.EnumType():
                return Enum(tuple(type_.names))
            case _wasmtime.FlagsType():
                return Flags(tuple(type_.names))
            case _wasmtime.OptionType():
                return Option(self._type(type_.payload))
            case _wasmtime.ResultType():
                return Result(self._optional(type_.ok), self._optional(type_.err))
            case _:
                return Opaque(type(type_).__name__.removesuffix("Type").lower())

    def _fields(self, fields: Any) -> tuple[tuple[str, WitType], ...]:
        return tuple((name, self._type(field)) for name, field in fields)
