"""Describe WIT types, print them as WIT, and hold the values Python lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import field, frozen
from wasmtime import component as _wasmtime

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "Enum",
    "Err",
    "Flags",
    "FuncType",
    "InstanceType",
    "List",
    "Ok",
    "Opaque",
    "Option",
    "Record",
    "RecordType",
    "Result",
    "Scalar",
    "Some",
    "Tuple",
    "TypeDef",
    "Variant",
    "VariantType",
    "WitType",
    "read_extern",
    "read_type",
    "snake",
)

# --- values -----------------------------------------------------------------------


class Record:
    """A WIT record: attribute access, with ``-`` in field names written ``_``.

    Where a record is expected, any object or mapping with those fields will do.
    """

    __slots__ = ("__dict__",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, **fields: Any) -> None:
        self.__dict__ = fields

    def __getattr__(self, name: str) -> Any:  # only for names that are not there
        raise AttributeError(
            f"record has no field {name!r} (fields: {', '.join(self)})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.__dict__ == other.__dict__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"Record({fields})"


@frozen
class Variant:
    """A WIT variant: the case by name, and its value where the case has one."""

    case: str
    value: Any = None


@frozen
class Some:
    """A present value where options nest: ``Some(None)`` is not ``None``."""

    value: Any


@frozen
class Ok:
    """The ``ok`` of a result inside another value."""

    value: Any = None


@frozen
class Err:
    """The ``err`` of a result inside another value."""

    value: Any = None


# --- types ------------------------------------------------------------------------


def snake(name: str) -> str:
    """Return the Python spelling of a WIT name."""
    return name.replace("-", "_")


@frozen
class Scalar:
    """bool, an integer, a float, char or string, by its WIT name."""

    name: str

    def __str__(self) -> str:
        return self.name


@frozen
class List:
    """A list; ``list<u8>`` is bytes in Python."""

    element: WitType

    def __str__(self) -> str:
        return f"list<{self.element}>"


@frozen
class RecordType:
    """A record's field names and types, in order."""

    fields: tuple[tuple[str, WitType], ...]

    def __str__(self) -> str:
        return f"record {{ {', '.join(f'{n}: {t}' for n, t in self.fields)} }}"


@frozen
class Tuple:
    """A tuple's element types."""

    elements: tuple[WitType, ...]

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.elements))}>"


@frozen
class VariantType:
    """A variant's case names, each with its type or None."""

    cases: tuple[tuple[str, WitType | None], ...]

    def __str__(self) -> str:
        cases = (f"{n}({t})" if t is not None else n for n, t in self.cases)
        return f"variant {{ {', '.join(cases)} }}"


@frozen
class Enum:
    """An enum's case names; a str in Python."""

    cases: tuple[str, ...]

    def __str__(self) -> str:
        return f"enum {{ {', '.join(self.cases)} }}"


@frozen
class Flags:
    """The names of flags; a frozenset of str in Python."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"flags {{ {', '.join(self.names)} }}"


@frozen
class Option:
    """A value or None."""

    some: WitType

    def __str__(self) -> str:
        return f"option<{self.some}>"


@frozen
class Result:
    """An ok or an err, each with a type or None."""

    ok: WitType | None
    err: WitType | None

    def __str__(self) -> str:
        match self.ok, self.err:
            case None, None:
                return "result"
            case ok, None:
                return f"result<{ok}>"
            case ok, err:
                return f"result<{'_' if ok is None else ok}, {err}>"


@frozen
class Opaque:
    """A type whose values this version cannot pass, such as a resource or a stream."""

    name: str

    def __str__(self) -> str:
        return self.name


WitType: TypeAlias = (
    Scalar
    | List
    | RecordType
    | Tuple
    | VariantType
    | Enum
    | Flags
    | Option
    | Result
    | Opaque
)


@frozen
class FuncType:
    """A function's parameters, by name, and its result."""

    params: tuple[tuple[str, WitType], ...]
    result: WitType | None = None

    def __str__(self) -> str:
        params = ", ".join(f"{name}: {type_}" for name, type_ in self.params)
        result = f" -> {self.result}" if self.result is not None else ""
        return f"func({params}){result}"


@frozen
class InstanceType:
    """An interface: its functions, and whatever else it holds, by name."""

    exports: Mapping[str, Extern] = field(factory=dict)

    def functions(self) -> Iterator[tuple[str, FuncType]]:
        """Yield the functions by name."""
        for name, extern in self.exports.items():
            if isinstance(extern, FuncType):
                yield name, extern

    def __str__(self) -> str:
        lines = "".join(f"  {n}: {t};\n" for n, t in self.exports.items())
        return f"interface {{\n{lines}}}"


@frozen
class TypeDef:
    """A named type that an interface exports."""

    type: WitType

    def __str__(self) -> str:
        return f"type = {self.type}"


Extern: TypeAlias = FuncType | InstanceType | TypeDef | Opaque
"""What a component imports or exports under a name."""

# --- from wasmtime ----------------------------------------------------------------

_SCALARS: Final[dict[type, Scalar]] = {
    getattr(_wasmtime, name): Scalar(name.lower())
    for name in (
        *("Bool", "S8", "S16", "S32", "S64", "U8", "U16", "U32", "U64"),
        *("F32", "F64", "Char", "String"),
    )
}


def _optional(type_: Any) -> WitType | None:
    return None if type_ is None else read_type(type_)


def read_type(type_: Any) -> WitType:
    """Turn wasmtime-py's view of a value type into ours, which owns no memory of C."""
    if scalar := _SCALARS.get(type(type_)):
        return scalar
    match type_:
        case _wasmtime.ListType():
            return List(read_type(type_.element))
        case _wasmtime.RecordType():
            return RecordType(tuple((n, read_type(t)) for n, t in type_.fields))
        case _wasmtime.TupleType():
            return Tuple(tuple(map(read_type, type_.elements)))
        case _wasmtime.VariantType():
            return VariantType(tuple((n, _optional(t)) for n, t in type_.cases))
        case _wasmtime.EnumType():
            return Enum(tuple(type_.names))
        case _wasmtime.FlagsType():
            return Flags(tuple(type_.names))
        case _wasmtime.OptionType():
            return Option(read_type(type_.payload))
        case _wasmtime.ResultType():
            return Result(_optional(type_.ok), _optional(type_.err))
        case _:
            return Opaque(type(type_).__name__.removesuffix("Type").lower())


def read_extern(item: Any, engine: Any) -> Extern:
    """Turn wasmtime-py's view of an import or export into ours."""
    match item:
        case _wasmtime.FuncType():
            params = tuple((name, read_type(type_)) for name, type_ in item.params)
            return FuncType(params, _optional(item.result))
        case _wasmtime.ComponentInstanceType():
            exports = item.exports(engine)
            return InstanceType(
                {
                    name: read_extern(extern.ty, engine)
                    for name, extern in exports.items()
                }
            )
        case _wasmtime.ValType():
            return TypeDef(read_type(item))
        case _:
            return Opaque(type(item).__name__.removesuffix("Type").lower())
