"""Read sections of a component, and write them again with other types and indices.

See the binary format of the Component Model (design/mvp/Binary.md) for the grammar.
Which functions have bytes is worked out along the way, so types are read as a validator
would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from attrs import define

from ...witmodel.types import (
    Borrow,
    Enum,
    Flags,
    FuncType,
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
    VariantType,
    WitType,
)
from .abi import BYTES
from .binary import Section, leb
from .coretypes import past_core_type
from .cursor import Cursor, unknown
from .scope import (
    COMPONENT,
    CORE_FUNC,
    CORE_INSTANCE,
    CORE_MEMORY,
    CORE_MODULE,
    FUNC,
    INSTANCE,
    PLAIN,
    TYPE,
    Known,
    Maybe,
    Scope,
    Unreadable,
)

__all__ = ("Reader",)

_SCALARS: Final = {
    0x7F: Known(Scalar("bool")),
    0x7E: Known(Scalar("s8")),
    0x7D: Known(Scalar("u8")),
    0x7C: Known(Scalar("s16")),
    0x7B: Known(Scalar("u16")),
    0x7A: Known(Scalar("s32")),
    0x79: Known(Scalar("u32")),
    0x78: Known(Scalar("s64")),
    0x77: Known(Scalar("u64")),
    0x76: Known(Scalar("f32")),
    0x75: Known(Scalar("f64")),
    0x74: Known(Scalar("char")),
    0x73: Known(Scalar("string")),
}
_NAME: Final = re.compile(r"[\w.:/@+\[\]<>=-]+")
"""Names as they are, of functions and interfaces."""
_ERROR_CONTEXT: Final = 0x64
_STRING: Final = b"\x73"
_RESOURCE: Final = ResourceType("resource")
_OWN: Final = Known(Own(_RESOURCE), handles=True)
_BORROW: Final = Known(Borrow(_RESOURCE), handles=True)


@define
class Reader:
    """Reads the definitions of a section, and writes them again."""

    cursor: Cursor
    scope: Scope
    retype: bool
    """Whether bytes become strings."""

    def entry(self, kind: int) -> Callable[[], object]:
        """Return what reads an entry of a section of this kind."""
        read: dict[int, Callable[[], object]] = {
            Section.CORE_INSTANCE: self.core_instance,
            Section.INSTANCE: self.instance,
            Section.TYPE: self.type,
            Section.IMPORT: self.import_,
            Section.EXPORT: self.export,
        }
        return read[kind]

    def core(self, sort: int) -> int:
        """Read the index of a core definition, and write its new one."""
        start = self.cursor.at
        old = self.cursor.number()
        new = self.scope.core(sort, old)
        if new != old:
            self.cursor.replace(start, leb(new))
        return new

    # Types.

    def type(self) -> None:
        """Read a definition, of a value's type, a function's or an instance's."""
        start, code = self.cursor.at, self.cursor.byte()
        match code:
            case 0x40 | 0x43:
                known = self.function(is_async=code == 0x43)
            case 0x41 | 0x42:
                known = Known(exports=self.nested(components=code == 0x41))
            case 0x3F:
                self.cursor.byte()
                if self.cursor.byte():
                    self.core(CORE_FUNC)
                known = PLAIN
            case 0x70:
                known = self.listed(start)
            case _:
                known = self.defined(code)
        self.scope.add(TYPE, known)

    def function(self, *, is_async: bool) -> Known:
        params = [
            (self.cursor.name(), self.value()) for _ in range(self.cursor.number())
        ]
        result = None
        if self.cursor.byte() == 0:
            result = self.value()
        elif self.cursor.byte() != 0:
            raise Unreadable("several results")
        inner = [param for _, param in params]
        return Known.of(
            lambda: FuncType(
                tuple((name, param.value) for name, param in params),
                None if result is None else result.value,
                is_async,
            ),
            *inner,
            *(() if result is None else (result,)),
        )

    def listed(self, start: int) -> Known:
        """Read the element of a list; a list of u8 becomes a string."""
        element = self.value()
        if self.retype and element.is_u8:
            self.cursor.replace(start, _STRING)
            return Known(BYTES, bytes=True)
        return Known.of(lambda: List(element.value), element)

    def defined(self, code: int) -> Known:
        if code in _SCALARS:
            return _SCALARS[code]
        match code:
            case 0x72:
                named = [
                    (self.cursor.name(), self.value())
                    for _ in range(self.cursor.number())
                ]
                return Known.of(
                    lambda: RecordType(tuple((n, t.value) for n, t in named)),
                    *(type_ for _, type_ in named),
                )
            case 0x71:
                cases = [self.case() for _ in range(self.cursor.number())]
                return Known.of(
                    lambda: VariantType(tuple((n, _value(t)) for n, t in cases)),
                    *(type_ for _, type_ in cases if type_ is not None),
                )
            case 0x6F:
                inner = [self.value() for _ in range(self.cursor.number())]
                return Known.of(lambda: Tuple(tuple(t.value for t in inner)), *inner)
            case 0x6E:
                return Known(Flags(self.cursor.names()))
            case 0x6D:
                return Known(Enum(self.cursor.names()))
            case 0x6B:
                some = self.value()
                return Known.of(lambda: Option(some.value), some)
            case 0x6A:
                ok, err = self.optional(), self.optional()
                return Known.of(
                    lambda: Result(_value(ok), _value(err)),
                    *(type_ for type_ in (ok, err) if type_ is not None),
                )
            case 0x69 | 0x68:
                self.cursor.number()
                return _OWN if code == 0x69 else _BORROW
            case 0x66 | 0x65:
                streamed = self.optional()
                has_bytes = streamed is not None and streamed.bytes
                return Known(Opaque("stream"), has_bytes, handles=True)
            case 0x63:
                key, value = self.value(), self.value()
                return Known.of(lambda: Map(key.value, value.value), key, value)
            case 0x64:
                return Known(Opaque("error-context"))
            case _:
                raise unknown("a type", code)

    def value(self) -> Known:
        """Read a primitive type or the index of one."""
        code = self.cursor.byte()
        if code in _SCALARS:
            return _SCALARS[code]
        if code == _ERROR_CONTEXT:
            return Known(Opaque("error-context"))
        if code & 0xC0 == 0x40:
            raise unknown("a type", code)
        self.cursor.back()
        known = self.scope.find(TYPE, self.cursor.number())
        if known is None:
            raise Unreadable("a type of another component")
        return known

    def optional(self) -> Known | None:
        return self.value() if self.cursor.byte() else None

    def case(self) -> tuple[str, Known | None]:
        name, value = self.cursor.name(), self.optional()
        if self.cursor.byte():
            raise Unreadable("a case that refines another")
        return name, value

    def nested(self, *, components: bool) -> Mapping[str, Known]:
        """Read the type of an instance or a component, which has types of its own."""
        outside = self.scope
        inner = self.scope = Scope(outside)
        self.cursor.each(lambda: self.part(imports=components))
        self.scope = outside
        return inner.exports

    def part(self, *, imports: bool) -> None:
        match self.cursor.byte():
            case 0:
                past_core_type(self.cursor)
            case 1:
                self.type()
            case 2:
                self.alias()
            case 3 if imports:
                self.import_()
            case 4:
                name, known = self.import_()
                if known is not None:
                    self.scope.exports[name] = known
            case code:
                raise unknown("a part of a type", code)

    # Imports, exports, aliases, instances.

    def import_(self) -> tuple[str, Maybe]:
        """Read an import, or an export within a type: a name and what it stands for."""
        name = self.cursor.extern_name()
        sort, known = self.described()
        if sort == COMPONENT and self.retype:
            raise Unreadable("a component that is given another one")
        if sort in {FUNC, INSTANCE} and _NAME.fullmatch(name):
            labels = self.scope.labels if sort == FUNC else self.scope.places
            labels[self.scope.count(sort)] = name
        self.scope.add(sort, known)
        return name, known

    def described(self) -> tuple[int, Maybe]:
        match self.cursor.byte():
            case 0:
                if (code := self.cursor.byte()) != CORE_MODULE & 0xFF:
                    raise unknown("a core import", code)
                self.cursor.number()
                return CORE_MODULE, None
            case 3:
                if self.cursor.byte():
                    return TYPE, PLAIN
                return TYPE, self.scope.find(TYPE, self.cursor.number())
            case (1 | 4 | 5) as sort:
                return sort, self.scope.find(TYPE, self.cursor.number())
            case code:
                raise unknown("an import", code)

    def export(self) -> None:
        name = self.cursor.extern_name()
        sort, known = self.pointed()
        if self.cursor.byte():
            self.described()
        self.scope.add(sort, known)
        if known is not None:
            self.scope.exports[name] = known
        if sort in {TYPE, INSTANCE}:
            self.scope.exported[name] = self.scope.count(sort) - 1

    def pointed(self) -> tuple[int, Maybe]:
        """Read a sort and an index."""
        sort = self.sort()
        if sort in _MOVED:
            self.core(sort)
            return sort, None
        return sort, self.scope.find(sort, self.cursor.number())

    def sort(self) -> int:
        sort = self.cursor.byte()
        return 0x100 + self.cursor.byte() if sort == 0 else sort

    def alias(self) -> None:
        """Read an alias."""
        sort = self.sort()
        match self.cursor.byte():
            case 0:
                at = self.cursor.number()
                instance = self.scope.find(INSTANCE, at)
                exports = instance.exports if instance is not None else None
                name = self.cursor.name()
                place = self.scope.places.get(at)
                if place and sort in {FUNC, INSTANCE} and _NAME.fullmatch(name):
                    labels = self.scope.labels if sort == FUNC else self.scope.places
                    labels[self.scope.count(sort)] = f"{place}#{name}"
                self.scope.add(sort, None if exports is None else exports.get(name))
            case 1:
                self.core(CORE_INSTANCE)
                self.cursor.name()
                self.scope.add(sort)
            case 2:
                scope: Scope | None = self.scope
                for _ in range(self.cursor.number()):
                    scope = None if scope is None else scope.outside
                if scope is None:
                    raise Unreadable("an alias of what is not there")
                start = self.cursor.at
                old = self.cursor.number()
                if sort == CORE_MODULE:
                    self.cursor.replace(start, leb(scope.core(sort, old)))
                self.scope.add(sort, scope.find(sort, old))
            case code:
                raise unknown("an alias", code)

    def instance(self) -> None:
        match self.cursor.byte():
            case 0:
                component = self.scope.find(COMPONENT, self.cursor.number())
                for _ in range(self.cursor.number()):
                    self.cursor.name()
                    self.pointed()
                if component is not None:
                    self.scope.grow(component.added)
                    if component.counts:
                        self.scope.counting.append(self.scope.count(INSTANCE))
                self.scope.add(INSTANCE, component)
            case 1:
                exports = {}
                for _ in range(self.cursor.number()):
                    name = self.cursor.extern_name()
                    _, known = self.pointed()
                    if known is not None:
                        exports[name] = known
                self.scope.add(INSTANCE, Known(exports=exports))
            case code:
                raise unknown("an instance", code)

    def core_instance(self) -> None:
        match self.cursor.byte():
            case 0:
                self.core(CORE_MODULE)
                for _ in range(self.cursor.number()):
                    self.cursor.name()
                    if (code := self.cursor.byte()) != CORE_INSTANCE & 0xFF:
                        raise unknown("an argument", code)
                    self.core(CORE_INSTANCE)
            case 1:
                for _ in range(self.cursor.number()):
                    self.cursor.name()
                    sort = 0x100 + self.cursor.byte()
                    if sort in _MOVED:
                        self.core(sort)
                    else:
                        self.cursor.number()
            case code:
                raise unknown("a core instance", code)
        self.scope.add(CORE_INSTANCE)


_MOVED: Final = {CORE_FUNC, CORE_MEMORY, CORE_MODULE, CORE_INSTANCE}
"""Core definitions whose indices change."""


def _value(known: Known | None) -> WitType | None:
    return None if known is None else known.value
