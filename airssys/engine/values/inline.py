"""Write the lowering of a whole argument list as one straight-line Python function.

The writers of `lower` call one another, a call for each value in a value. Where the
types fix the shape (numbers, strings, bytes, records, tuples, options, enums), the same
steps are generated here as one function with all offsets known, which takes half as
long. It knows only the usual Python types: whatever else comes, it raises, and the
writers, which accept more and say what is wrong, start over.

A call that takes a message, a record of 12 leaves, is a quarter quicker for it, an ask
of an actor a tenth: ``python -m benchmarks call`` shows whether it is still worth that.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from operator import attrgetter
from struct import Struct
from typing import Any, Final

from ...witmodel.types import (
    Borrow,
    Enum,
    Flags,
    List,
    Map,
    Opaque,
    Option,
    Own,
    RecordType,
    Result,
    Scalar,
    Shapes,
    Tuple,
    VariantType,
    WitType,
    attribute,
    snake,
)
from .._ffi import VAL, address_of_bytes
from .layout import (
    ENTRY,
    NAME,
    NUMBERS,
    Fixed,
    Kind,
    Mismatch,
    static_names,
    write_head,
)
from .lower import lowering
from .octets import encode_octets

__all__ = ("UNUSUAL", "Inlined", "inline", "inline_ok")

UNUSUAL: Final = (
    *(struct.error, TypeError, OverflowError, KeyError, AttributeError, ValueError),
    Mismatch,
)
"""What the function raises on values it does not know."""

_LARGE: Final = 200
"""Parts of types from which on compiling the source takes too long."""

Inlined = Callable[..., None]
"""``write(block, base, keep, *values)``"""


class _Source:
    """Source under construction, and the objects it refers to."""

    def __init__(self, fixed: list[Fixed], shapes: Shapes) -> None:
        self.shapes = shapes
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "head": write_head,
            "option": Struct("=B7xQ16x").pack_into,
            "result": Struct("=B7xB7xQ8x").pack_into,
            "boolean": Struct("=B7x?23x").pack_into,
            "address": address_of_bytes,
            "encode": encode_octets,
            "pin": ctypes.addressof,
            "view": ctypes.c_char.from_buffer,
            "u8": bytes((Kind.U8, *bytes(VAL - 1))),
        }
        self.fixed = fixed
        self.depth = 1
        self._named = 0

    def add(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def keep(self, value: object) -> str:
        """Give an object a name in the source."""
        self._named += 1
        name = f"k{self._named}"
        self.names[name] = value
        return name

    def variable(self) -> str:
        self._named += 1
        return f"v{self._named}"

    def function(self, *values: str) -> Inlined:
        """Return the function, which takes these values."""
        begin = f"def write(block, base, keep, {', '.join(values)}):"
        text = "\n".join((begin, *self.lines, "    pass"))
        exec(compile(text, "<lowering>", "exec"), self.names)  # noqa: S102 - our own
        written: Inlined = self.names["write"]
        return written

    # One method for each kind of type; head and tail are offsets in the block.

    def lower(self, type_: WitType, value: str, head: int, tail: int) -> None:
        match type_:
            case Scalar("bool"):
                self.add(f"if type({value}) is not bool: raise TypeError")
                self.add(f"boolean(block, {head}, {Kind.BOOL:d}, {value})")
            case Scalar("string"):
                self.text(value, head)
            case Scalar(name) if name in NUMBERS:
                number = NUMBERS[name]
                pad = 24 - struct.calcsize(number.code)
                pack = self.keep(Struct(f"=B7x{number.code}{pad}x").pack_into)
                self.add(f"{pack}(block, {head}, {number.kind:d}, {value})")
            case List(Scalar("u8")):
                self.octets(value, head)
            case RecordType():
                self.record(type_, value, head, tail)
            case Tuple():
                self.tuple(type_, value, head, tail)
            case Enum():
                self.add(f"n = {self.keep(static_names(type_.cases))}[{value}]")
                self.add(f"head(block, {head}, {Kind.ENUM:d}, n.size, n.address)")
            case Option(some) if not isinstance(some, Option):
                self.option(some, value, head, tail)
            case (
                Scalar()
                | List()
                | VariantType()
                | Flags()
                | Option()
                | Result()
                | Map()
                | Own()
                | Borrow()
                | Opaque()
            ):
                write = self.keep(lowering(type_, self.shapes).write)
                self.add(f"{write}(block, {head}, {tail}, base, keep, {value})")

    def text(self, value: str, head: int) -> None:
        self.add(f"if type({value}) is not str: raise TypeError")
        self.add(f"t = {value}.encode()")
        self.add("keep.append(t)")
        self.add(f"head(block, {head}, {Kind.STRING:d}, len(t), address(t))")

    def octets(self, value: str, head: int) -> None:
        self.add(f"if type({value}) is not bytes: raise TypeError")
        if self.shapes.lane:
            self.add(f"t = encode({value})")
            self.add("keep.append(t)")
            self.add(f"head(block, {head}, {Kind.STRING:d}, len(t), address(t))")
            return
        self.add(f"t = bytearray(u8 * len({value}))")
        self.add(f"t[8::{VAL}] = {value}")
        self.add("keep.append(t)")
        self.add(
            f"head(block, {head}, {Kind.LIST:d}, len({value}), "
            "pin(view(t)) if t else 0)"
        )

    def record(self, type_: RecordType, value: str, head: int, tail: int) -> None:
        keys = [snake(name) for name, _ in type_.fields]
        self.fixed.append(Fixed(head, Kind.RECORD, len(keys), tail))
        fields = [self.variable() for _ in keys]
        self.add(f"if type({value}) is dict:")
        self.add(f"    if len({value}) != {len(keys)}: raise KeyError")
        for field, key in zip(fields, keys):
            self.add(f"    {field} = {value}[{key!r}]")
        self.add("else:")
        get = self.keep(attrgetter(*(attribute(name) for name, _ in type_.fields)))
        self.add(f"    {', '.join(fields)} = {get}({value})")
        inner_tail = tail + len(keys) * ENTRY
        for index, (field, (_, inner)) in enumerate(zip(fields, type_.fields)):
            self.lower(inner, field, tail + index * ENTRY + NAME, inner_tail)
            inner_tail += len(lowering(inner, self.shapes).template)

    def tuple(self, type_: Tuple, value: str, head: int, tail: int) -> None:
        count = len(type_.elements)
        self.fixed.append(Fixed(head, Kind.TUPLE, count, tail))
        elements = [self.variable() for _ in type_.elements]
        self.add(f"if type({value}) is not tuple: raise TypeError")
        self.add(f"{', '.join(elements)}, = {value}")
        inner_tail = tail + count * VAL
        for index, (element, inner) in enumerate(zip(elements, type_.elements)):
            self.lower(inner, element, tail + index * VAL, inner_tail)
            inner_tail += len(lowering(inner, self.shapes).template)

    def option(self, some: WitType, value: str, head: int, tail: int) -> None:
        self.add(f"if {value} is None:")
        self.add(f"    option(block, {head}, {Kind.OPTION:d}, 0)")
        self.add("else:")
        self.depth += 1
        self.add(f"option(block, {head}, {Kind.OPTION:d}, base + {tail})")
        self.lower(some, value, tail, tail + VAL)
        self.depth -= 1


def inline(
    types: Sequence[WitType],
    tails: Sequence[int],
    fixed: list[Fixed],
    shapes: Shapes,
) -> Inlined | None:
    """Generate the function for an argument list; None where it would be very long.

    Args:
        types: The parameters' types.
        tails: The offset of each one's tail; heads stand at the front.
        fixed: Gets the heads that are the same in every call: they are written once
            into each block.
        shapes: Python classes of named types.
    """
    if sum(map(_parts, types)) > _LARGE:
        return None
    source = _Source(fixed, shapes)
    values = [source.variable() for _ in types]
    for index, (type_, value, tail) in enumerate(zip(types, values, tails)):
        source.lower(type_, value, index * VAL, tail)
    return source.function(*values)


def inline_ok(type_: Result, tail: int, shapes: Shapes) -> Inlined | None:
    """Generate the function for the ``ok`` of a result, as `inline` does.

    It takes what is to be in it. None where that has a tail of its own, which it would
    share with that of the ``err``, or is a list, whose elements may run code of their
    own: to start over runs it again.

    Args:
        type_: The type.
        tail: The offset of its tail; the head stands at the front.
        shapes: As of `inline`.
    """
    ok = type_.ok
    if ok is None or lowering(ok, shapes).template:
        return None
    if isinstance(ok, List | Map) and ok != List(Scalar("u8")):
        return None
    source = _Source([], shapes)
    source.add(f"result(block, 0, {Kind.RESULT:d}, True, base + {tail})")
    source.lower(ok, "value", tail, tail + VAL)
    return source.function("value")


def _parts(type_: WitType) -> int:
    """Count what the source would be made of."""
    match type_:
        case RecordType():
            return 1 + sum(_parts(field) for _, field in type_.fields)
        case Tuple():
            return 1 + sum(map(_parts, type_.elements))
        case Option():
            return 1 + _parts(type_.some)
        case (
            Scalar()
            | List()
            | VariantType()
            | Enum()
            | Flags()
            | Result()
            | Map()
            | Own()
            | Borrow()
            | Opaque()
        ):
            return 1
