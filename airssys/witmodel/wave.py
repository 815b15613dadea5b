"""Read and print values as WAVE, the text form of the component model's values.

The encoding is that of wasm-wave: numbers, ``"strings"``, ``'c'``, ``[lists]``,
``(tuples)``, ``{field: value}``, ``case(value)``, ``{flag, flag}``, ``some(value)``,
``none``, ``ok(value)``, ``err(value)``. Text is read by its WIT type, so nothing has to
be guessed. Values are those that `Instance.call` takes and returns.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import copysign, inf, isinf, isnan
from typing import Any, Final

from attrs import define

from .types import (
    Borrow,
    Enum,
    Err,
    Flags,
    List,
    Map,
    Ok,
    Opaque,
    Option,
    Own,
    Record,
    RecordType,
    Result,
    Scalar,
    Some,
    Tuple,
    Variant,
    VariantType,
    WitType,
    snake,
)
from .wave_tokens import WaveTokens

__all__ = ("parse_wave", "render_wave")

_KEYWORDS: Final = {"true", "false", "inf", "nan", "some", "none", "ok", "err"}


def parse_wave(text: str, type_: WitType) -> Any:
    """Read a value of a WIT type from its text.

    Beyond wasm-wave, a string is read as ``list<u8>`` too: as its UTF-8 bytes.

    Raises:
        WaveError: The text is no such value; says where, and what was expected.
    """
    tokens = WaveTokens(text)
    value = _Reader(tokens).value(type_)
    if tokens.kind:
        raise tokens.refusal("the end")
    return value


def render_wave(value: Any, type_: WitType) -> str:
    """Print a value of a WIT type, so that `parse_wave` reads the same."""
    match type_:
        case Scalar():
            return _scalar(value, type_.name)
        case List(element):
            return f"[{_joined(render_wave(item, element) for item in value)}]"
        case Tuple(elements):
            return f"({_joined(map(render_wave, value, elements))})"
        case RecordType(fields):
            parts = (
                f"{name}: {render_wave(getattr(value, snake(name)), field_type)}"
                for name, field_type in fields
            )
            return f"{{{_joined(parts) or ':'}}}"
        case VariantType(cases):
            payload = dict(cases)[value.case]
            return _case(value.case, value.value, payload)
        case Enum():
            return _label(value)
        case Flags(names):
            return f"{{{_joined(name for name in names if name in value)}}}"
        case Option(some):
            if value is None:
                return "none"
            inner = value.value if isinstance(value, Some) else value
            return f"some({render_wave(inner, some)})"
        case Result(ok, err):
            if isinstance(value, Ok):
                return _payload("ok", value.value, ok)
            return _payload("err", value.value, err)
        case Map(key, item):
            pairs = Tuple((key, item))
            return render_wave(list(value.items()), List(pairs))
        case Own() | Borrow() | Opaque():
            return f"<{type_}>"


# --- printing ---------------------------------------------------------------------


def _joined(parts: Iterator[str]) -> str:
    return ", ".join(parts)


def _label(name: str) -> str:
    return f"%{name}" if name in _KEYWORDS else name


def _case(name: str, value: Any, payload: WitType | None) -> str:
    return _payload(_label(name), value, payload)


def _payload(label: str, value: Any, payload: WitType | None) -> str:
    return label if payload is None else f"{label}({render_wave(value, payload)})"


def _scalar(value: Any, name: str) -> str:
    match name:
        case "bool":
            return "true" if value else "false"
        case "char":
            return f"'{_escaped(value, quote=_CHAR_QUOTE)}'"
        case "string":
            return f'"{_escaped(value, quote=_STRING_QUOTE)}"'
        case "f32" | "f64":
            return _float(value, name)
        case _:
            return str(value)


_CHAR_QUOTE, _STRING_QUOTE = "'", '"'
_ESCAPES: Final = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _escaped(text: str, *, quote: str) -> str:
    return "".join(_escaped_one(one, quote) for one in text)


def _escaped_one(one: str, quote: str) -> str:
    if one == quote:
        return f"\\{one}"
    if one in _ESCAPES:
        return _ESCAPES[one]
    return one if one.isprintable() else f"\\u{{{ord(one):x}}}"


def _float(value: float, name: str) -> str:
    if isnan(value):
        return "nan"
    if isinf(value):
        return "inf" if value > 0 else "-inf"
    if name == "f32":
        # The shortest text that means the same 32 bits; nine digits always do.
        shorter = (float(f"{value:.{digits}g}") for digits in range(1, 10))
        value = next(each for each in shorter if _as_f32(each) == value)
    return repr(value)


def _as_f32(value: float) -> float:
    """Round to what an f32 can hold; what is too large becomes infinite."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return copysign(inf, value)
    return rounded


# --- reading ----------------------------------------------------------------------

_INTEGERS: Final = {
    f"{sign}{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1)
    if sign == "s"
    else (0, (1 << bits) - 1)
    for sign in "su"
    for bits in (8, 16, 32, 64)
}


@define
class _Reader:
    """Reads values by their types."""

    tokens: WaveTokens

    def within(self, step: str, type_: WitType) -> Any:
        """Read a value that is a part of another."""
        self.tokens.path.append(step)
        value = self.value(type_)
        self.tokens.path.pop()
        return value

    # Values.

    def value(self, type_: WitType) -> Any:
        match type_:
            case Scalar():
                return self.scalar(type_.name)
            case List(Scalar("u8")):
                return self.octets(type_)
            case List(element):
                self.tokens.open("[", type_)
                return [
                    self.within(f"[{i}]", element) for i in self.tokens.sequence("]")
                ]
            case Tuple():
                return self.tuple(type_)
            case RecordType():
                return self.record(type_)
            case VariantType(cases):
                return self.variant(type_, dict(cases))
            case Enum(cases):
                return self.tokens.one_of(cases, type_)
            case Flags(names):
                self.tokens.open("{", type_)
                return frozenset(
                    self.tokens.one_of(names, type_) for _ in self.tokens.sequence("}")
                )
            case Option(some):
                return self.option(some, type_)
            case Result(ok, err):
                return self.result(ok, err, type_)
            case Map(key, item):
                return dict(self.value(List(Tuple((key, item)))))
            case Own() | Borrow() | Opaque():
                raise self.tokens.refusal(f"a {type_}, which cannot be written as text")

    def scalar(self, name: str) -> Any:
        match name:
            case "bool":
                if self.tokens.token not in {"true", "false"}:
                    raise self.tokens.refusal("true or false")
                return self.tokens.step() == "true"
            case "char":
                if self.tokens.kind != "char":
                    raise self.tokens.refusal("a char, such as 'a'")
                return self.tokens.char()
            case "string":
                if self.tokens.kind not in {"string", "block"}:
                    raise self.tokens.refusal('a string in ""')
                return self.tokens.string()
            case "f32" | "f64":
                return self.float(name)
            case _:
                return self.integer(name)

    def integer(self, name: str) -> int:
        least, most = _INTEGERS[name]
        if self.tokens.kind != "number" or not self.tokens.token.lstrip("-").isdigit():
            raise self.tokens.refusal(name)
        # Long texts of digits are refused by int() itself.
        if len(self.tokens.token) > 20 or not least <= int(self.tokens.token) <= most:
            raise self.tokens.refusal(f"{name}, {least} to {most}")
        return int(self.tokens.step())

    def float(self, name: str) -> float:
        if self.tokens.kind != "number" and self.tokens.token not in {"inf", "nan"}:
            raise self.tokens.refusal(name)
        value = float(self.tokens.token)
        if name == "f32":
            value = _as_f32(value)
        if isinf(value) and "inf" not in self.tokens.token:
            raise self.tokens.refusal(f"{name}, which cannot be so large")
        self.tokens.step()
        return value

    def octets(self, type_: WitType) -> bytes:
        if self.tokens.kind in {"string", "block"}:
            return self.tokens.string().encode()
        self.tokens.open("[", type_)
        octet = Scalar("u8")
        return bytes(self.within(f"[{i}]", octet) for i in self.tokens.sequence("]"))

    def tuple(self, type_: Tuple) -> tuple[Any, ...]:
        self.tokens.open("(", type_)
        values = []
        for index in self.tokens.sequence(")"):
            if index == len(type_.elements):
                raise self.tokens.refusal(f"')', since {type_} has {index} elements")
            values.append(self.within(f"[{index}]", type_.elements[index]))
        if len(values) < len(type_.elements):
            raise self.tokens.refusal(
                f"{len(type_.elements)} elements of {type_}", got=str(len(values))
            )
        return tuple(values)

    def record(self, type_: RecordType) -> Record:
        at = self.tokens.at
        self.tokens.open("{", type_)
        types = dict(type_.fields)
        values: dict[str, Any] = {}
        # "{:}" is the record of which all fields are left out.
        if self.tokens.sees(":"):
            self.tokens.step()
            self.tokens.take("}")
        else:
            for _ in self.tokens.sequence("}"):
                start = self.tokens.at
                name = self.tokens.one_of(types, type_)
                if name in values:
                    raise self.tokens.refusal(
                        f"field {name!r} once", at=start, got=name
                    )
                self.tokens.take(":")
                values[name] = self.within(f".{name}", types[name])
        for name, field_type in types.items():
            if isinstance(field_type, Option):
                values.setdefault(name, None)
            elif name not in values:
                raise self.tokens.refusal(
                    f"a field {name!r}", at=at, got="a record without it"
                )
        return Record(**{snake(name): values[name] for name in types})

    def variant(self, type_: WitType, cases: dict[str, WitType | None]) -> Variant:
        name = self.tokens.one_of(cases, type_)
        payload = cases[name]
        if payload is None:
            return Variant(name)
        return Variant(name, self.payload(name, payload))

    def payload(self, name: str, type_: WitType) -> Any:
        if not self.tokens.sees("("):
            raise self.tokens.refusal(
                f"'(', since {name!r} has a value of type {type_}"
            )
        self.tokens.step()
        value = self.within(f".{name}", type_)
        self.tokens.take(")")
        return value

    def option(self, some: WitType, type_: WitType) -> Any:
        if self.tokens.keyword("none"):
            return None
        nests = isinstance(some, Option)
        if self.tokens.keyword("some"):
            value = self.payload("some", some)
            return Some(value) if nests else value
        if nests or isinstance(some, Result):
            raise self.tokens.refusal(f"some(...) or none, of {type_}")
        return self.value(some)

    def result(self, ok: WitType | None, err: WitType | None, type_: WitType) -> Any:
        if self.tokens.keyword("ok"):
            return Ok(None if ok is None else self.payload("ok", ok))
        if self.tokens.keyword("err"):
            return Err(None if err is None else self.payload("err", err))
        if ok is None or isinstance(ok, Option | Result):
            raise self.tokens.refusal(f"ok or err, of {type_}")
        return Ok(self.value(ok))
