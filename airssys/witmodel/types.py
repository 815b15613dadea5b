"""Describe WIT types, print them as WIT, and hold the values Python lacks."""

from __future__ import annotations

import enum
import keyword
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import TypeVar

    _T_co = TypeVar("_T_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    _T_co = TypeVar("_T_co", covariant=True)

__all__ = (
    "SCALARS",
    "Borrow",
    "Enum",
    "Err",
    "Flags",
    "FuncType",
    "InstanceType",
    "List",
    "Map",
    "Ok",
    "Opaque",
    "Option",
    "Own",
    "Record",
    "RecordType",
    "ResourceType",
    "Result",
    "Scalar",
    "Shapes",
    "Some",
    "Tuple",
    "TypeDef",
    "Variant",
    "VariantType",
    "WitType",
    "attribute",
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
        if name.endswith("_") and keyword.iskeyword(name[:-1]) and name[:-1] in self:
            return self.__dict__[name[:-1]]
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
class Some(Generic[_T_co]):
    """A present value where options nest: ``Some(None)`` is not ``None``."""

    value: _T_co


@frozen
class Ok(Generic[_T_co]):
    """The ``ok`` of a result inside another value."""

    value: _T_co = None  # type: ignore[assignment]  # where there is none


@frozen
class Err(Generic[_T_co]):
    """The ``err`` of a result inside another value."""

    value: _T_co = None  # type: ignore[assignment]  # where there is none


# --- types ------------------------------------------------------------------------


def snake(name: str) -> str:
    """Return the Python spelling of a WIT name."""
    return name.replace("-", "_")


def attribute(name: str) -> str:
    """Return the attribute for a WIT name: ``from`` is a keyword, so it is ``from_``.

    A `Record` answers to both.
    """
    return f"{snake(name)}_" if keyword.iskeyword(name) else snake(name)


def shortened(type_: object) -> str:
    """Print a type for an error message, its end left out where it is long."""
    text = str(type_)
    return text if len(text) <= 200 else f"{text[:197]}..."


SCALARS: Final = (
    *("bool", "char", "string", "f32", "f64"),
    *(f"{sign}{bits}" for sign in "su" for bits in (8, 16, 32, 64)),
)
"""The names of all scalars; a test names the tables that have to know one more."""


@frozen
class Scalar:
    """A type that is not made of others, by its WIT name: one of `SCALARS`."""

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
class Map:
    """A map; a dict in Python."""

    key: WitType
    value: WitType

    def __str__(self) -> str:
        return f"map<{self.key}, {self.value}>"


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


@frozen(eq=False)
class ResourceType:
    """A resource. Two of the same name are different ones."""

    name: str
    """The name it is first imported or exported under."""
    home: str = ""
    """The interface of that name; empty for the world itself."""
    imported: bool = False
    """Whether the host makes it; otherwise the component does."""

    def __str__(self) -> str:
        return "resource"


@frozen
class Own:
    """A handle to a resource that passes its ownership on."""

    resource: ResourceType

    def __str__(self) -> str:
        return self.resource.name


@frozen
class Borrow:
    """A handle to a resource that is lent for one call."""

    resource: ResourceType

    def __str__(self) -> str:
        return f"borrow<{self.resource.name}>"


@frozen
class Opaque:
    """A type whose values cannot be passed, such as a stream."""

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
    | Map
    | Own
    | Borrow
    | Opaque
)


@frozen
class FuncType:
    """A function's parameters, by name, and its result."""

    params: tuple[tuple[str, WitType], ...]
    result: WitType | None = None
    is_async: bool = False
    """Whether it is an ``async func``, which may wait while others go on."""

    def __str__(self) -> str:
        params = ", ".join(f"{name}: {type_}" for name, type_ in self.params)
        result = f" -> {self.result}" if self.result is not None else ""
        return f"{'async ' * self.is_async}func({params}){result}"


@frozen
class InstanceType:
    """An interface: its functions, and whatever else it holds, by name."""

    exports: Mapping[str, Extern] = field(factory=dict)

    def functions(self) -> Iterator[tuple[str, FuncType]]:
        """Yield the functions by name; ``a#b`` is the function b of the instance a."""
        for name, extern in self.exports.items():
            if isinstance(extern, FuncType):
                yield name, extern
            elif isinstance(extern, InstanceType):
                for inner, type_ in extern.functions():
                    yield f"{name}#{inner}", type_

    def __str__(self) -> str:
        lines = "".join(f"  {n}: {t};\n" for n, t in self.exports.items())
        return f"interface {{\n{lines}}}"


@frozen
class TypeDef:
    """A named type that an interface exports."""

    type: WitType

    def __str__(self) -> str:
        return f"type = {self.type}"


@frozen
class Shapes:
    """Python classes for the values of named types, in place of the general ones.

    A component has one class for all its types of the same structure: wasmtime does not
    tell such types apart.
    """

    records: Mapping[RecordType, Callable[..., object]] = field(factory=dict)
    """Called with the fields' values in order; values have the fields as attributes."""
    variants: Mapping[VariantType, Mapping[str, type]] = field(factory=dict)
    """A class for each case: called with the case's value, where it has one, which its
    instances have as ``value``."""
    enums: Mapping[Enum, Mapping[str, str]] = field(factory=dict)
    """The member for each case, a `enum.StrEnum`'s."""
    flags: Mapping[Flags, type[enum.Flag]] = field(factory=dict)
    """A class whose members have the bits of the names: the first 1, the second 2 …"""
    lane: bool = False
    """Whether ``list<u8>`` crosses as a string, as it does to a rewritten component
    (see `lane`)."""
    resources: Mapping[ResourceType, Callable[..., object]] = field(factory=dict)
    """Called with the `Handle` of a resource that the component makes; what it returns
    has it as ``handle``."""


Extern: TypeAlias = FuncType | InstanceType | TypeDef | ResourceType | Opaque
"""What a component imports or exports under a name."""
