"""Read sections of a component, and write them again with other types and indices.

See the binary format of the Component Model (design/mvp/Binary.md) for the grammar.
Which functions have bytes is worked out along the way, so types are read as a validator
would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from attrs import Factory, define, evolve, frozen

from ...witmodel.types import (
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
from .binary import leb
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

__all__ = ("Entry", "Options", "Reader")

_SCALARS: Final = {
    code: Known(Scalar(name))
    for code, name in zip(
        range(0x7F, 0x72, -1),
        (
            *("bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"),
            *("f32", "f64", "char", "string"),
        ),
        strict=True,
    )
}
_ERROR_CONTEXT: Final = 0x64
_STRING: Final = b"\x73"
_HANDLE: Final = Known(Own(ResourceType("resource")))
_OF_RESOURCES: Final = {0x02, 0x03, 0x04}
_BUILTINS: Final = {
    # What follows the code: a type, a number, a flag, options, a result or a memory.
    **dict.fromkeys((*_OF_RESOURCES, 0x07, 0x0E, 0x13, 0x14, 0x15, 0x1A, 0x1B), "t"),
    **dict.fromkeys((0x0F, 0x10, 0x16, 0x17), "to"),
    **dict.fromkeys((0x11, 0x12, 0x18, 0x19), "tb"),
    **dict.fromkeys((0x20, 0x21), "bm"),
    **dict.fromkeys((0x06, 0x0C), "b"),
    **dict.fromkeys((0x0A, 0x0B), "bn"),
    **dict.fromkeys((0x05, 0x0D, 0x1F, 0x22, 0x23, 0x24, 0x25), ""),
    0x09: "ro",
}
"""Canonical functions that are neither lifted nor lowered, by code."""


@frozen
class Options:
    """The options of a canonical function, with new indices."""

    memory: int | None = None
    realloc: int | None = None
    post_return: int | None = None
    plain: bool = True
    """Whether strings are UTF-8, and values lie in memory."""
    is_async: bool = False


@frozen
class Entry:
    """A canonical function."""

    function: int | None = None
    """What is lifted, by its new index, or lowered; None for a builtin."""
    lifts: bool = False
    known: Maybe = None
    """What is known of its type."""
    type: int = 0
    """The type's index, of what is lifted."""
    options: Options = Options()


def _unknown(what: str, code: int) -> NoReturn:
    raise Unreadable(f"{what} of code {code:#x}")


@define
class Reader:
    """Reads a section and writes it again."""

    _binary: memoryview
    _scope: Scope
    _retype: bool
    """Whether bytes become strings."""
    _at: int = 0
    _kept: int = 0
    """Where the part begins that is not written yet."""
    _out: list[bytes | memoryview] = Factory(list)

    def entry(self, kind: int) -> Callable[[], object]:
        """Return what reads an entry of a section of this kind."""
        read: dict[int, Callable[[], object]] = {
            2: self.core_instance,
            5: self.instance,
            7: self.type,
            10: self.import_,
            11: self.export,
        }
        return read[kind]

    def begin(self) -> None:
        """Leave out what was read so far."""
        self._out.clear()
        self._kept = self._at

    def taken(self) -> bytes:
        """Return what was read since `begin`, rewritten."""
        self._out.append(self._binary[self._kept : self._at])
        self._kept = self._at
        return b"".join(self._out)

    def finished(self) -> bytes:
        """Return the rest, which is all that there was."""
        if self._at != len(self._binary):
            raise Unreadable("a section is longer than what is in it")
        return self.taken()

    def replace(self, start: int, new: bytes, end: int) -> None:
        """Write something else for what was read from one offset to another."""
        self._out += (self._binary[self._kept : start], new)
        self._kept = end

    # Bytes, numbers, names.

    def byte(self) -> int:
        if self._at >= len(self._binary):
            raise Unreadable("a section is cut off")
        self._at += 1
        return self._binary[self._at - 1]

    def number(self) -> int:
        number = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise Unreadable("a number is too long")

    def each(self, read: Callable[[], object]) -> None:
        for _ in range(self.number()):
            read()

    def name(self) -> str:
        size = self.number()
        self._at += size
        if self._at > len(self._binary):
            raise Unreadable("a name is cut off")
        return bytes(self._binary[self._at - size : self._at]).decode(errors="replace")

    def extern_name(self) -> str:
        if (code := self.byte()) not in {0, 1}:
            _unknown("a name", code)
        return self.name()

    def names(self) -> tuple[str, ...]:
        return tuple(self.name() for _ in range(self.number()))

    def core(self, sort: int) -> int:
        """Read the index of a core definition, and write its new one."""
        start = self._at
        old = self.number()
        new = self._scope.core(sort, old)
        if new != old:
            self.replace(start, leb(new), self._at)
        return new

    # Types.

    def type(self) -> None:
        """Read a definition, of a value's type, a function's or an instance's."""
        start, code = self._at, self.byte()
        match code:
            case 0x40 | 0x43:
                known = self.function(is_async=code == 0x43)
            case 0x41 | 0x42:
                known = Known(exports=self.nested(components=code == 0x41))
            case 0x3F:
                self.byte()
                if self.byte():
                    self.core(CORE_FUNC)
                known = PLAIN
            case 0x70:
                known = self.listed(start)
            case _:
                known = self.defined(code)
        self._scope.add(TYPE, known)

    def function(self, *, is_async: bool) -> Known:
        params = [(self.name(), self.value()) for _ in range(self.number())]
        result = None
        if self.byte() == 0:
            result = self.value()
        elif self.byte() != 0:
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
        if self._retype and element.is_u8:
            self.replace(start, _STRING, self._at)
            return Known(BYTES, bytes=True)
        return Known.of(lambda: List(element.value), element)

    def defined(self, code: int) -> Known:
        if code in _SCALARS:
            return _SCALARS[code]
        match code:
            case 0x72:
                named = [(self.name(), self.value()) for _ in range(self.number())]
                return Known.of(
                    lambda: RecordType(tuple((n, t.value) for n, t in named)),
                    *(type_ for _, type_ in named),
                )
            case 0x71:
                cases = [self.case() for _ in range(self.number())]
                return Known.of(
                    lambda: VariantType(tuple((n, _value(t)) for n, t in cases)),
                    *(type_ for _, type_ in cases if type_ is not None),
                )
            case 0x6F:
                inner = [self.value() for _ in range(self.number())]
                return Known.of(lambda: Tuple(tuple(t.value for t in inner)), *inner)
            case 0x6E:
                return Known(Flags(self.names()))
            case 0x6D:
                return Known(Enum(self.names()))
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
                self.number()
                return _HANDLE
            case 0x66 | 0x65:
                streamed = self.optional()
                return Known(Opaque("stream"), streamed is not None and streamed.bytes)
            case 0x63:
                key, value = self.value(), self.value()
                return Known.of(lambda: Map(key.value, value.value), key, value)
            case 0x64:
                return Known(Opaque("error-context"))
            case _:
                _unknown("a type", code)

    def value(self) -> Known:
        """Read a primitive type or the index of one."""
        code = self.byte()
        if code in _SCALARS:
            return _SCALARS[code]
        if code == _ERROR_CONTEXT:
            return Known(Opaque("error-context"))
        if code & 0xC0 == 0x40:
            _unknown("a type", code)
        self._at -= 1
        known = self._scope.find(TYPE, self.number())
        if known is None:
            raise Unreadable("a type of another component")
        return known

    def optional(self) -> Known | None:
        return self.value() if self.byte() else None

    def case(self) -> tuple[str, Known | None]:
        name, value = self.name(), self.optional()
        if self.byte():
            raise Unreadable("a case that refines another")
        return name, value

    def nested(self, *, components: bool) -> Mapping[str, Known]:
        """Read the type of an instance or a component, which has types of its own."""
        outside = self._scope
        inner = self._scope = Scope(outside)
        self.each(lambda: self.part(imports=components))
        self._scope = outside
        return inner.exports

    def part(self, *, imports: bool) -> None:
        match self.byte():
            case 0:
                raise Unreadable("a core type")
            case 1:
                self.type()
            case 2:
                self.alias()
            case 3 if imports:
                self.import_()
            case 4:
                name, known = self.import_()
                if known is not None:
                    self._scope.exports[name] = known
            case code:
                _unknown("a part of a type", code)

    # Imports, exports, aliases, instances.

    def import_(self) -> tuple[str, Maybe]:
        """Read an import, or an export within a type: a name and what it stands for."""
        name = self.extern_name()
        sort, known = self.described()
        if sort == COMPONENT and self._retype:
            raise Unreadable("a component that is given another one")
        self._scope.add(sort, known)
        return name, known

    def described(self) -> tuple[int, Maybe]:
        match self.byte():
            case 0:
                if (code := self.byte()) != CORE_MODULE & 0xFF:
                    _unknown("a core import", code)
                self.number()
                return CORE_MODULE, None
            case 3:
                if self.byte():
                    return TYPE, PLAIN
                return TYPE, self._scope.find(TYPE, self.number())
            case (1 | 4 | 5) as sort:
                return sort, self._scope.find(TYPE, self.number())
            case code:
                _unknown("an import", code)

    def export(self) -> None:
        name = self.extern_name()
        sort, known = self.pointed()
        if self.byte():
            self.described()
        self._scope.add(sort, known)
        if known is not None:
            self._scope.exports[name] = known
        if sort in {TYPE, INSTANCE}:
            self._scope.exported[name] = self._scope.count(sort) - 1

    def pointed(self) -> tuple[int, Maybe]:
        """Read a sort and an index."""
        sort = self.sort()
        if sort in _MOVED:
            self.core(sort)
            return sort, None
        return sort, self._scope.find(sort, self.number())

    def sort(self) -> int:
        sort = self.byte()
        return 0x100 + self.byte() if sort == 0 else sort

    def alias(self) -> None:
        """Read an alias."""
        sort = self.sort()
        match self.byte():
            case 0:
                instance = self._scope.find(INSTANCE, self.number())
                exports = instance.exports if instance is not None else None
                name = self.name()
                self._scope.add(sort, None if exports is None else exports.get(name))
            case 1:
                self.core(CORE_INSTANCE)
                self.name()
                self._scope.add(sort)
            case 2:
                scope: Scope | None = self._scope
                for _ in range(self.number()):
                    scope = None if scope is None else scope.outside
                if scope is None:
                    raise Unreadable("an alias of what is not there")
                start = self._at
                old = self.number()
                if sort == CORE_MODULE:
                    self.replace(start, leb(scope.core(sort, old)), self._at)
                self._scope.add(sort, scope.find(sort, old))
            case code:
                _unknown("an alias", code)

    def instance(self) -> None:
        match self.byte():
            case 0:
                component = self._scope.find(COMPONENT, self.number())
                for _ in range(self.number()):
                    self.name()
                    self.pointed()
                if component is not None:
                    self._scope.grow(*component.added)
                self._scope.add(INSTANCE, component)
            case 1:
                exports = {}
                for _ in range(self.number()):
                    name = self.extern_name()
                    _, known = self.pointed()
                    if known is not None:
                        exports[name] = known
                self._scope.add(INSTANCE, Known(exports=exports))
            case code:
                _unknown("an instance", code)

    def core_instance(self) -> None:
        match self.byte():
            case 0:
                self.core(CORE_MODULE)
                for _ in range(self.number()):
                    self.name()
                    if (code := self.byte()) != CORE_INSTANCE & 0xFF:
                        _unknown("an argument", code)
                    self.core(CORE_INSTANCE)
            case 1:
                for _ in range(self.number()):
                    self.name()
                    sort = 0x100 + self.byte()
                    if sort in _MOVED:
                        self.core(sort)
                    else:
                        self.number()
            case code:
                _unknown("a core instance", code)
        self._scope.add(CORE_INSTANCE)

    # Canonical functions.

    def canon(self) -> Entry:
        """Read a canonical function."""
        match self.byte():
            case 0:
                self.byte()
                function, options = self.core(CORE_FUNC), self.options()
                type_ = self.number()
                known = self._scope.find(TYPE, type_)
                known = self.function_known(known)
                return Entry(
                    function, lifts=True, known=known, type=type_, options=options
                )
            case 1:
                self.byte()
                function = self.number()
                known = self._scope.find(FUNC, function)
                known = self.function_known(known)
                return Entry(function, known=known, options=self.options())
            case code if code in _BUILTINS:
                self.builtin(_BUILTINS[code])
                return Entry(options=Options(is_async=code not in _OF_RESOURCES))
            case code:
                _unknown("a canonical function", code)

    def function_known(self, known: Maybe) -> Maybe:
        if known is None and self._retype:
            raise Unreadable("a function of another component")
        return known

    def builtin(self, shape: str) -> None:
        """Read what follows; none of it may have bytes."""
        for part in shape:
            match part:
                case "t":
                    self.without_bytes(self._scope.find(TYPE, self.number()))
                case "r":
                    if self.byte() == 0:
                        self.without_bytes(self.value())
                    else:
                        self.byte()
                case "n":
                    self.number()
                case "b":
                    self.byte()
                case "m":
                    self.core(CORE_MEMORY)
                case _:
                    self.options()

    def without_bytes(self, known: Maybe) -> None:
        if self._retype and (known is None or known.bytes):
            raise Unreadable("bytes in a builtin function")

    def options(self) -> Options:
        """Read the options of a function."""
        options = Options()
        for _ in range(self.number()):
            match self.byte():
                case 0:
                    pass
                case 3:
                    options = evolve(options, memory=self.core(CORE_MEMORY))
                case 4:
                    options = evolve(options, realloc=self.core(CORE_FUNC))
                case 5:
                    options = evolve(options, post_return=self.core(CORE_FUNC))
                case 6:
                    options = evolve(options, is_async=True)
                case 7:
                    self.core(CORE_FUNC)
                case 8:
                    self.number()
                    options = evolve(options, plain=False)
                case 1 | 2 | 9:
                    options = evolve(options, plain=False)
                case code:
                    _unknown("an option", code)
        return options


_MOVED: Final = {CORE_FUNC, CORE_MEMORY, CORE_MODULE, CORE_INSTANCE}
"""Core definitions whose indices change."""


def _value(known: Known | None) -> WitType | None:
    return None if known is None else known.value
