"""Read the types of a component from wasmtime.

wasmtime-py's own view of types stops with an error at a map, so this reads what the C
API tells. Everything read is copied: nothing here keeps memory of C.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from ctypes import c_bool, c_char_p, c_size_t, c_void_p
from enum import IntEnum
from struct import Struct
from typing import Any, Final

from attrs import Factory, define

from ...witmodel.types import (
    Borrow,
    Enum,
    Extern,
    Flags,
    FuncType,
    InstanceType,
    List,
    Map,
    Opaque,
    Option,
    Own,
    RecordType,
    ResourceType,
    Result,
    Scalar,
    Tuple,
    TypeDef,
    VariantType,
    WitType,
)
from .. import _ffi

__all__ = ("TypeReader",)

_PARTS: Final = 5_000
"""Parts that the types of one function may have.

Two kilobytes of component can describe a type of a million parts, by tuples of tuples.
Compiling converters for it would take minutes of the event loop.
"""
_ALL_PARTS: Final = 200_000
"""Parts that all types of a component may have."""
_MANY: Final = 256
"""Names from which on each is asked for by itself: wasmtime passes all before it to
find the n-th."""
_PASSED: Final = 20_000_000
"""Names that may be passed so in all interfaces of a component: a second or two."""

# --- the C API's getters ------------------------------------------------------------

_P = c_void_p


def _get(name: str, *takes: Any, returns: Any = None) -> Any:
    return _ffi.function(f"wasmtime_component_{name}", returns, *takes)


_count = {
    what: _get(what, _P, returns=c_size_t)
    for what in (
        *("record_type_field_count", "tuple_type_types_count"),
        *("variant_type_case_count", "enum_type_names_count"),
        *("flags_type_names_count", "func_type_param_count"),
    )
}
_count_in_engine = {
    what: _get(f"{what}_count", _P, _P, returns=c_size_t)
    for what in ("type_import", "type_export", "instance_type_export")
}
_nth_extern = {
    what: _get(f"{what}_nth", _P, _P, c_size_t, _P, _P, _P, returns=c_bool)
    for what in _count_in_engine
}
_named_extern = {
    what: _get(f"{what}_get", _P, _P, c_char_p, c_size_t, _P, returns=c_bool)
    for what in ("type_import", "type_export")
}
_nth_name = {
    what: _get(what, _P, c_size_t, _P, _P, returns=c_bool)
    for what in ("enum_type_names_nth", "flags_type_names_nth")
}
_nth_field = {
    what: _get(what, _P, c_size_t, _P, _P, _P, returns=c_bool)
    for what in ("record_type_field_nth", "func_type_param_nth")
}
_nth_case = _get(
    "variant_type_case_nth", _P, c_size_t, *(_P, _P, _P, _P), returns=c_bool
)
_nth_type = _get("tuple_type_types_nth", _P, c_size_t, _P, returns=c_bool)
_part = {
    what: _get(what, _P, _P)
    for what in (
        "list_type_element",
        "option_type_ty",
        "map_type_key",
        "map_type_value",
    )
}
_optional_part = {
    what: _get(what, _P, _P, returns=c_bool)
    for what in ("result_type_ok", "result_type_err", "func_type_result")
}
_is_async = _get("func_type_async", _P, returns=c_bool)
_valtype_delete = _get("valtype_delete", _P)
_item_delete = _get("item_delete", _P)
_extern_type = _get("extern_type", _P, _P)
_extern_delete = _get("extern_delete", _P)
_type = _get("type", _P, returns=_P)
_type_delete = _get("type_delete", _P)
_resource_clone = _get("resource_type_clone", _P, returns=_P)
_resource_equal = _get("resource_type_equal", _P, _P, returns=c_bool)
_resource_delete = _get("resource_type_delete", _P)

_SCALARS: Final = {
    0: Scalar("bool"),
    1: Scalar("s8"),
    2: Scalar("s16"),
    3: Scalar("s32"),
    4: Scalar("s64"),
    5: Scalar("u8"),
    6: Scalar("u16"),
    7: Scalar("u32"),
    8: Scalar("u64"),
    9: Scalar("f32"),
    10: Scalar("f64"),
    11: Scalar("char"),
    12: Scalar("string"),
}
"""Scalars by the kind of their type: WASMTIME_COMPONENT_VALTYPE_*, whose numbers are
not those of values."""


class _Kind(IntEnum):
    """The kinds of value types after the scalars."""

    LIST = 13
    RECORD = 14
    TUPLE = 15
    VARIANT = 16
    ENUM = 17
    OPTION = 18
    RESULT = 19
    FLAGS = 20
    OWN = 21
    BORROW = 22
    MAP = 26


_OTHERS: Final = {23: "future", 24: "stream", 25: "error-context"}


class _Item(IntEnum):
    """The kinds of what a component imports or exports."""

    COMPONENT = 0
    INSTANCE = 1
    MODULE = 2
    FUNC = 3
    RESOURCE = 4
    CORE_FUNC = 5
    VALUE_TYPE = 6


_KIND_POINTER: Final = Struct("=B7xQ")


class _Out:
    """Memory for what a getter gives back: a name, and a type or a pointer."""

    __slots__ = ("_block", "at", "extra", "name", "size")

    def __init__(self) -> None:
        self._block = (ctypes.c_uint64 * 6)()
        self.at: int = ctypes.addressof(self._block)
        self.name: int = self.at + 24
        self.size: int = self.at + 32
        self.extra: int = self.at + 40

    @property
    def text(self) -> str:
        """The name."""
        return ctypes.string_at(self._block[3], self._block[4]).decode()

    @property
    def there(self) -> bool:
        """Whether a variant's case has a type."""
        return bool(self._block[5] & 0xFF)

    @property
    def kind(self) -> tuple[int, int]:
        """The kind of what was given back, and its pointer."""
        return _KIND_POINTER.unpack_from(self._block)

    @property
    def pointer(self) -> int:
        return self._block[0]


@define
class TypeReader:
    """Turns what the C API tells of types into values of ours.

    Where a type is too large, `Opaque` takes its place: the component can be used, only
    the function cannot.
    """

    engine: int
    """The address of wasmtime's engine."""
    check: Callable[[], object] = lambda: None
    """Raises where nobody waits for the types any more."""
    _passed: int = 0
    _left: int = _ALL_PARTS
    _here: int = 0
    """Parts left for the function at hand."""
    _home: str = ""
    """The interface at hand."""
    _importing: bool = True
    _resources: list[tuple[int, ResourceType]] = Factory(list)
    """Resources met so far: the C type, which knows its like, and ours."""

    @classmethod
    def read(
        cls,
        engine: int,
        component: int,
        names: tuple[Sequence[str], Sequence[str]] = ((), ()),
        check: Callable[[], object] = lambda: None,
    ) -> tuple[dict[str, Extern], dict[str, Extern]]:
        """Return what a component imports and exports, by name.

        Args:
            engine: The address of wasmtime's engine.
            component: The address of the compiled component.
            names: Those of its imports and exports, in their order, where they are
                known. Of many, each is found at once then.
            check: Called again and again; raises where nobody waits any more.
        """
        reader = cls(engine, check)
        type_ = _type(component)
        try:
            imports = reader._outer("type_import", type_, names[0])
            reader._importing = False
            return imports, reader._outer("type_export", type_, names[1])
        finally:
            for resource, _ in reader._resources:
                _resource_delete(resource)
            _type_delete(type_)

    def _outer(self, what: str, type_: int, names: Sequence[str]) -> dict[str, Extern]:
        if not _MANY < len(names) == _count_in_engine[what](type_, self.engine):
            return self._externs(what, type_)
        found: dict[str, Extern] = {}
        for name in names:
            out, text = _Out(), name.encode()
            if not _named_extern[what](type_, self.engine, text, len(text), out.at):
                return self._externs(what, type_)
            found[name] = self._item(name, out.pointer)
        return found

    def _externs(self, what: str, type_: int) -> dict[str, Extern]:
        found: dict[str, Extern] = {}
        for index in range(_count_in_engine[what](type_, self.engine)):
            out = _Out()
            _nth_extern[what](type_, self.engine, index, out.name, out.size, out.at)
            name = out.text
            found[name] = self._item(name, out.pointer)
        return found

    def _item(self, name: str, extern: int) -> Extern:
        """Read an import or export that was given to us, and give it back."""
        item = _Out()
        _extern_type(extern, item.at)
        try:
            self.check()
            return self._extern(name, item)
        finally:
            _item_delete(item.at)
            _extern_delete(extern)

    def _extern(self, name: str, item: _Out) -> Extern:
        kind, pointer = item.kind
        sort = _Item(kind)
        match sort:
            case _Item.FUNC:
                self._here = min(_PARTS, self._left)
                params = tuple(self._fields("func_type_param", pointer))
                result = self._optional("func_type_result", pointer)
                return FuncType(params, result, _is_async(pointer))
            case _Item.INSTANCE:
                count = _count_in_engine["instance_type_export"](pointer, self.engine)
                self._passed += count * count // 2
                if self._passed > _PASSED:
                    return Opaque("instance, of interfaces with too many functions")
                outside = self._home
                self._home = f"{outside}#{name}" if outside else name
                exports = self._externs("instance_type_export", pointer)
                self._home = outside
                return InstanceType(exports)
            case _Item.RESOURCE:
                return self._resource(pointer, name)
            case _Item.VALUE_TYPE:
                self._here = min(_PARTS, self._left)
                return TypeDef(self._read(item.at + 8))
            case _Item.COMPONENT | _Item.MODULE | _Item.CORE_FUNC:
                return Opaque(sort.name.lower())

    def _resource(self, pointer: int, name: str) -> ResourceType:
        for known, resource in self._resources:
            if _resource_equal(known, pointer):
                return resource
        resource = ResourceType(name, self._home, self._importing)
        self._resources.append((_resource_clone(pointer), resource))
        return resource

    def _read(self, at: int) -> WitType:
        """Read the C type at an address."""
        self._here -= 1
        self._left -= 1
        if self._here < 0:
            return Opaque(f"type of more than {_PARTS:_} parts")
        kind, pointer = _KIND_POINTER.unpack(ctypes.string_at(at, 16))
        if scalar := _SCALARS.get(kind):
            return scalar
        match kind:
            case _Kind.LIST:
                return List(self._part("list_type_element", pointer))
            case _Kind.RECORD:
                return RecordType(tuple(self._fields("record_type_field", pointer)))
            case _Kind.TUPLE:
                return Tuple(tuple(self._elements(pointer)))
            case _Kind.VARIANT:
                return VariantType(tuple(self._cases(pointer)))
            case _Kind.ENUM:
                return Enum(tuple(self._names("enum_type_names", pointer)))
            case _Kind.FLAGS:
                return Flags(tuple(self._names("flags_type_names", pointer)))
            case _Kind.OPTION:
                return Option(self._part("option_type_ty", pointer))
            case _Kind.RESULT:
                ok = self._optional("result_type_ok", pointer)
                return Result(ok, self._optional("result_type_err", pointer))
            case _Kind.OWN:
                return Own(self._resource(pointer, "resource"))
            case _Kind.BORROW:
                return Borrow(self._resource(pointer, "resource"))
            case _Kind.MAP:
                key = self._part("map_type_key", pointer)
                return Map(key, self._part("map_type_value", pointer))
            case _:
                return Opaque(_OTHERS.get(kind, f"type of kind {kind}"))

    def _part(self, what: str, pointer: int) -> WitType:
        out = _Out()
        _part[what](pointer, out.at)
        return self._taken(out)

    def _optional(self, what: str, pointer: int) -> WitType | None:
        out = _Out()
        there = _optional_part[what](pointer, out.at)
        return self._taken(out) if there else None

    def _taken(self, out: _Out) -> WitType:
        """Read a type that was given to us, and give it back."""
        try:
            return self._read(out.at)
        finally:
            _valtype_delete(out.at)

    def _fields(self, what: str, pointer: int) -> Iterator[tuple[str, WitType]]:
        for index in range(_count[f"{what}_count"](pointer)):
            out = _Out()
            _nth_field[f"{what}_nth"](pointer, index, out.name, out.size, out.at)
            yield out.text, self._taken(out)

    def _elements(self, pointer: int) -> Iterator[WitType]:
        for index in range(_count["tuple_type_types_count"](pointer)):
            out = _Out()
            _nth_type(pointer, index, out.at)
            yield self._taken(out)

    def _cases(self, pointer: int) -> Iterator[tuple[str, WitType | None]]:
        for index in range(_count["variant_type_case_count"](pointer)):
            out = _Out()
            _nth_case(pointer, index, out.name, out.size, out.extra, out.at)
            yield out.text, self._taken(out) if out.there else None

    def _names(self, what: str, pointer: int) -> Iterator[str]:
        for index in range(_count[f"{what}_count"](pointer)):
            out = _Out()
            _nth_name[f"{what}_nth"](pointer, index, out.name, out.size)
            yield out.text
