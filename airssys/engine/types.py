"""Describe WIT types, print them as WIT, and hold the values Python lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "Enum",
    "Err",
    "Flags",
    "FuncType",
    "InstanceType",
    "List",
    "Octets",
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
    "shortened",
    "snake",
)

# --- values -----------------------------------------------------------------------


class Record:  # noqa: PLW1641 - its fields can change, so it has no hash
    """A WIT record: attribute access, with ``-`` in field names written ``_``.

    Where a record is expected, any object or mapping with those fields will do.
    """

    __slots__ = ("__dict__",)

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


def shortened(type_: object) -> str:
    """Print a type for an error message, its end left out where it is long."""
    text = str(type_)
    return text if len(text) <= 200 else f"{text[:197]}..."


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
class Octets:
    """A ``list<u8>`` that crosses as a string, see `lane`; bytes in Python."""

    def __str__(self) -> str:
        return "list<u8>"


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
    | Octets
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
