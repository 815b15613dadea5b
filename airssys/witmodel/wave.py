"""Read and print values as WAVE, the text form of the component model's values.

The encoding is that of wasm-wave: numbers, ``"strings"``, ``'c'``, ``[lists]``,
``(tuples)``, ``{field: value}``, ``case(value)``, ``{flag, flag}``, ``some(value)``,
``none``, ``ok(value)``, ``err(value)``. Text is read by its WIT type, so nothing has to
be guessed. Values are those that `Instance.call` takes and returns.
"""

from __future__ import annotations

import difflib
import re
import struct
from collections.abc import Collection, Iterator
from math import copysign, inf, isinf, isnan
from typing import Any, Final

from attrs import define, field

from ..core.errors import WaveError
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

__all__ = ("parse_wave", "render_wave")

_KEYWORDS: Final = {"true", "false", "inf", "nan", "some", "none", "ok", "err"}


def parse_wave(text: str, type_: WitType) -> Any:
    """Read a value of a WIT type from its text.

    Beyond wasm-wave, a string is read as ``list<u8>`` too: as its UTF-8 bytes.

    Raises:
        WaveError: The text is no such value; says where, and what was expected.
    """
    reader = _Reader(text)
    value = reader.value(type_)
    if reader.kind:
        raise reader.refusal("the end")
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

_GAP: Final = re.compile(r"(?:\s+|//[^\n]*)*")
_LABEL: Final = r"%?[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*"
_TOKENS: Final = re.compile(
    rf"""
      (?P<number> -inf\b | -?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?
                  (?![\w.]) )
    | (?P<label> {_LABEL} (?!\w) )
    | (?P<block> \"\"\"\r?\n(?s:.*?)(?<!\\)\"\"\" )
    | (?P<string> \"(?:[^\"\\\n]|\\.)*\" )
    | (?P<char> '(?:[^'\\\n]|\\.[^']*)' )
    | (?P<mark> [\[\](){{}}:,] )
    """,
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|([\"'\\tnr])|.|$)")
_PLAIN: Final = {"t": "\t", "n": "\n", "r": "\r"}
_INTEGERS: Final = {
    f"{sign}{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1)
    if sign == "s"
    else (0, (1 << bits) - 1)
    for sign in "su"
    for bits in (8, 16, 32, 64)
}


@define
class _Reader:
    """A text, and the token that comes next in it."""

    text: str
    at: int = 0
    """Where the next token begins."""
    kind: str = ""
    """``number``, ``label``, ``string``, ``char``, ``mark``; empty at the end."""
    token: str = ""
    path: list[str] = field(factory=list)
    """The way to the value that is read, for errors."""

    def __attrs_post_init__(self) -> None:
        self.step()

    def step(self) -> str:
        """Go to the next token and return the one before."""
        token = self.token
        gap = _GAP.match(self.text, self.at + len(token))
        assert gap is not None
        self.at = gap.end()
        found = _TOKENS.match(self.text, self.at)
        if found is not None:
            self.kind, self.token = str(found.lastgroup), found.group()
        elif self.at == len(self.text):
            self.kind = self.token = ""
        else:
            self.kind, self.token = "", self.text[self.at :]
            raise self.refusal("a value")
        return token

    def refusal(
        self, expected: str, *, at: int | None = None, got: str = ""
    ) -> WaveError:
        """Make the error that says where, and what was expected."""
        token = got or self.token
        if len(token) > 30:
            token = f"{token[:27]}..."
        at = self.at if at is None else at
        path = "".join(self.path).removeprefix(".")
        return WaveError(self.text, at, path, expected, token or "the end")

    # Punctuation.

    def sees(self, mark: str) -> bool:
        return self.kind == "mark" and self.token == mark

    def take(self, mark: str) -> None:
        if not self.sees(mark):
            raise self.refusal(f"{mark!r}")
        self.step()

    def sequence(self, close: str) -> Iterator[int]:
        """Count the elements up to the closing mark; a comma may follow the last."""
        index = 0
        while not self.sees(close):
            if index:
                if not self.sees(","):
                    raise self.refusal(f"',' or {close!r}")
                self.step()
                if self.sees(close):
                    break
            yield index
            index += 1
        self.step()

    def within(self, step: str, type_: WitType) -> Any:
        """Read a value that is a part of another."""
        self.path.append(step)
        value = self.value(type_)
        self.path.pop()
        return value

    # Values.

    def value(self, type_: WitType) -> Any:
        match type_:
            case Scalar():
                return self.scalar(type_.name)
            case List(Scalar("u8")):
                return self.octets(type_)
            case List(element):
                self.open("[", type_)
                return [self.within(f"[{i}]", element) for i in self.sequence("]")]
            case Tuple():
                return self.tuple(type_)
            case RecordType():
                return self.record(type_)
            case VariantType(cases):
                return self.variant(type_, dict(cases))
            case Enum(cases):
                return self.one_of(cases, type_)
            case Flags(names):
                self.open("{", type_)
                return frozenset(self.one_of(names, type_) for _ in self.sequence("}"))
            case Option(some):
                return self.option(some, type_)
            case Result(ok, err):
                return self.result(ok, err, type_)
            case Map(key, item):
                return dict(self.value(List(Tuple((key, item)))))
            case Own() | Borrow() | Opaque():
                raise self.refusal(f"a {type_}, which cannot be written as text")

    def open(self, mark: str, type_: WitType) -> None:
        if not self.sees(mark):
            raise self.refusal(str(type_))
        self.step()

    def scalar(self, name: str) -> Any:
        match name:
            case "bool":
                if self.token not in {"true", "false"}:
                    raise self.refusal("true or false")
                return self.step() == "true"
            case "char":
                if self.kind != "char":
                    raise self.refusal("a char, such as 'a'")
                return self.char()
            case "string":
                if self.kind not in {"string", "block"}:
                    raise self.refusal('a string in ""')
                return self.string()
            case "f32" | "f64":
                return self.float(name)
            case _:
                return self.integer(name)

    def integer(self, name: str) -> int:
        least, most = _INTEGERS[name]
        if self.kind != "number" or not self.token.lstrip("-").isdigit():
            raise self.refusal(name)
        # Long texts of digits are refused by int() itself.
        if len(self.token) > 20 or not least <= int(self.token) <= most:
            raise self.refusal(f"{name}, {least} to {most}")
        return int(self.step())

    def float(self, name: str) -> float:
        if self.kind != "number" and self.token not in {"inf", "nan"}:
            raise self.refusal(name)
        value = float(self.token)
        if name == "f32":
            value = _as_f32(value)
        if isinf(value) and "inf" not in self.token:
            raise self.refusal(f"{name}, which cannot be so large")
        self.step()
        return value

    def char(self) -> str:
        at, token = self.at, self.token
        text = self.unescaped(token[1:-1], at + 1)
        if len(text) != 1:
            raise self.refusal("a single char")
        self.step()
        return text

    def string(self) -> str:
        at, token = self.at, self.token
        if self.kind == "block":
            text = self.block(token)
        else:
            text = self.unescaped(token[1:-1], at + 1)
        self.step()
        return text

    def block(self, token: str) -> str:
        """Read a string of several lines, indented as its last line is."""
        first, *lines, last = token.split("\n")
        indent = last.removesuffix('"""')
        if not lines or indent.strip(" "):
            raise self.refusal('a line break and spaces before the closing """')
        at = self.at + len(first) + 1
        read = []
        for raw in lines:
            if not raw.startswith(indent):
                raise self.refusal(
                    f"a line indented by {len(indent)} spaces", at=at, got=raw
                )
            line = raw.removesuffix("\r")[len(indent) :]
            read.append(self.unescaped(line, at + len(indent)))
            at += len(raw) + 1
        return "\n".join(read)

    def unescaped(self, text: str, at: int) -> str:
        def plain(found: re.Match[str]) -> str:
            code, letter = found.groups()
            if letter:
                return _PLAIN.get(letter, letter)
            number = int(code, 16) if code else -1
            if not 0 <= number <= 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                escape = r"an escape: one of \\ \' \" \n \r \t \u{hex}"
                raise self.refusal(escape, at=at + found.start(), got=found.group())
            return chr(number)

        return _ESCAPE.sub(plain, text)

    def octets(self, type_: WitType) -> bytes:
        if self.kind in {"string", "block"}:
            return self.string().encode()
        self.open("[", type_)
        octet = Scalar("u8")
        return bytes(self.within(f"[{i}]", octet) for i in self.sequence("]"))

    def tuple(self, type_: Tuple) -> tuple[Any, ...]:
        self.open("(", type_)
        values = []
        for index in self.sequence(")"):
            if index == len(type_.elements):
                raise self.refusal(f"')', since {type_} has {index} elements")
            values.append(self.within(f"[{index}]", type_.elements[index]))
        if len(values) < len(type_.elements):
            raise self.refusal(
                f"{len(type_.elements)} elements of {type_}", got=str(len(values))
            )
        return tuple(values)

    def record(self, type_: RecordType) -> Record:
        at = self.at
        self.open("{", type_)
        types = dict(type_.fields)
        values: dict[str, Any] = {}
        if self.sees(":"):  # "{:}" is the record of which all fields are left out
            self.step()
            self.take("}")
        else:
            for _ in self.sequence("}"):
                start = self.at
                name = self.one_of(types, type_)
                if name in values:
                    raise self.refusal(f"field {name!r} once", at=start, got=name)
                self.take(":")
                values[name] = self.within(f".{name}", types[name])
        for name, field_type in types.items():
            if isinstance(field_type, Option):
                values.setdefault(name, None)
            elif name not in values:
                raise self.refusal(
                    f"a field {name!r}", at=at, got="a record without it"
                )
        return Record(**{snake(name): values[name] for name in types})

    def variant(self, type_: WitType, cases: dict[str, WitType | None]) -> Variant:
        name = self.one_of(cases, type_)
        payload = cases[name]
        if payload is None:
            return Variant(name)
        return Variant(name, self.payload(name, payload))

    def payload(self, name: str, type_: WitType) -> Any:
        if not self.sees("("):
            raise self.refusal(f"'(', since {name!r} has a value of type {type_}")
        self.step()
        value = self.within(f".{name}", type_)
        self.take(")")
        return value

    def option(self, some: WitType, type_: WitType) -> Any:
        if self.keyword("none"):
            return None
        nests = isinstance(some, Option)
        if self.keyword("some"):
            value = self.payload("some", some)
            return Some(value) if nests else value
        if nests or isinstance(some, Result):
            raise self.refusal(f"some(...) or none, of {type_}")
        return self.value(some)

    def result(self, ok: WitType | None, err: WitType | None, type_: WitType) -> Any:
        if self.keyword("ok"):
            return Ok(None if ok is None else self.payload("ok", ok))
        if self.keyword("err"):
            return Err(None if err is None else self.payload("err", err))
        if ok is None or isinstance(ok, Option | Result):
            raise self.refusal(f"ok or err, of {type_}")
        return Ok(self.value(ok))

    def keyword(self, word: str) -> bool:
        """Take a keyword, if it is the next token."""
        if self.kind != "label" or self.token != word:
            return False
        self.step()
        return True

    def one_of(self, names: Collection[str], type_: WitType) -> str:
        """Take a label that is one of the names."""
        name = self.token.removeprefix("%")
        if self.kind != "label":
            raise self.refusal(str(type_))
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise self.refusal(f"{near[0]!r}" if near else f"one of {', '.join(names)}")
        self.step()
        return name
