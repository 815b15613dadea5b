"""Read and print the single values of TOML files, and describe them in JSON Schema."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import inf
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from attrs import frozen

from ..grants.sections import INTERFACE, PATTERN_KINDS, SECTIONS, check_interface
from ..names import ActorId, ComponentName, Digest, Version
from ..units import (
    parse_count_rate,
    parse_duration,
    parse_moment,
    parse_share,
    parse_size,
    parse_size_rate,
    show_count_rate,
    show_duration,
    show_moment,
    show_share,
    show_size,
    show_size_rate,
)

__all__ = (
    "INPUTS",
    "OUTPUTS",
    "RULES",
    "Anything",
    "Argument",
    "Factor",
    "Folder",
    "Fraction",
    "Function",
    "GuestPath",
    "HostPath",
    "Id",
    "Input",
    "Output",
    "Rule",
    "Sha256",
    "Shutdown",
    "Variable",
    "Wasm",
    "Whole",
    "World",
    "expected",
    "unknown",
)

_T = TypeVar("_T")

Shutdown: TypeAlias = Annotated[float, "shutdown"]
"""Seconds; 0 for the word ``brutal``, inf for ``infinite``, which are OTP's."""
Whole: TypeAlias = Annotated[int, "whole"]
"""A whole number, 0 included."""
Id: TypeAlias = Annotated[str, "id"]
"""The id of an actor, as text."""
World: TypeAlias = Annotated[str, "world"]
Wasm: TypeAlias = Annotated[str, "wasm"]
Sha256: TypeAlias = Annotated[Digest, "sha256"]
Factor: TypeAlias = Annotated[float, "factor"]
"""A number, 1 or more."""
Fraction: TypeAlias = Annotated[float, "fraction"]
"""A number from 0 to 1."""
Function: TypeAlias = Annotated[str, "function"]
"""A Python function as ``module:function``."""
Folder: TypeAlias = Annotated[str, "folder"]
"""A path: some text, of printable characters."""
Argument: TypeAlias = Annotated[str, "argument"]
"""What a program is given: any text without a NUL."""
Variable: TypeAlias = Annotated[str, "variable"]
"""The name of an environment variable."""
GuestPath: TypeAlias = Annotated[str, "guest path"]
"""What a guest calls a folder."""
HostPath: TypeAlias = Annotated[str, "host path"]
"""A path of the host's, from the root, as grants name it."""
Input: TypeAlias = Annotated[str, "input"]
"""Where a program's input comes from: a word of `INPUTS`, or a `HostPath`."""
Output: TypeAlias = Annotated[str, "output"]
"""Where a program's output goes: a word of `OUTPUTS`, or a `HostPath`."""
Anything: TypeAlias = Annotated[object, "anything"]

INPUTS: Final = ("null", "inherit")
OUTPUTS: Final = ("log", "null", "inherit")


@frozen
class Rule:
    """How to read one value, and what JSON Schema says of it."""

    read: Callable[[Any], object]
    """Raises ValueError for what it cannot read."""
    schema: Mapping[str, object]
    show: Callable[[Any], str] = str
    """Prints what was read so that it can be read again."""


def expected(what: str, value: object) -> ValueError:
    """Say that a value is of the wrong type.

    It is a ValueError, as it is the file that is wrong.
    """
    return ValueError(f"expected {what}, got {_kind(value)}")


def unknown(what: str, given: str, known: Iterable[str]) -> str:
    """Put into words that nobody knows a key or word; name the nearest, or all."""
    known = tuple(known)
    near = difflib.get_close_matches(given, known, 1)
    if near:
        return f"unknown {what} {given!r} (did you mean {near[0]!r}?)"
    return f"unknown {what} {given!r} (known: {', '.join(sorted(known))})"


def _kind(value: object) -> str:
    match value:
        case str():
            return f"the string {value!r}"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return f"the date or time {value}"


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise expected("a string", value)
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise expected("true or false", value)
    return value


def _integer(value: object, *, least: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise expected("a whole number", value)
    if least is not None and not least <= value < 2**63:
        raise ValueError(f"{value} is out of range: use {least} to 2^63 - 1")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise expected("a number", value)
    return float(value)


def _positive(parse: Callable[[object], _T]) -> Callable[[object], _T]:
    def read_positive(value: object) -> _T:
        result = parse(value)
        if not result:
            raise ValueError(f"{value!r} is not allowed: it must be more than 0")
        return result

    return read_positive


def _text(parse: Callable[[str], object]) -> Callable[[object], object]:
    return lambda value: parse(_string(value))


def _shutdown(value: object) -> float:
    match value:
        case "infinite":
            return inf
        case "brutal":
            return 0.0
        case str():
            try:
                return parse_duration(value)
            except ValueError as error:
                raise ValueError(f"{error}; or 'brutal' or 'infinite'") from None
        case _:
            return parse_duration(value)


def _world(text: str) -> str:
    if not re.fullmatch(_WORLD, text):
        raise ValueError(
            f"{text!r} is no world: use 'namespace:package/world', with '@' and a "
            "version where it has one"
        )
    return text


def _wasm(text: str) -> str:
    inside = ".." not in text.split("/") and text.isprintable()
    if not inside or not re.fullmatch(_WASM, text):
        raise ValueError(
            f"{text!r} is not allowed: name a .wasm or .wat file beside this one"
        )
    return text


def _sha256(text: str) -> Digest:
    return Digest(text.removeprefix("sha256:"))


def _ports(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise expected("a port", value)
    return PATTERN_KINDS["ports"](str(value))


def _function(text: str) -> str:
    if not re.fullmatch(_FUNCTION, text):
        raise ValueError(f"{text!r} is no Python function: use 'module:function'")
    return text


def _folder(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError(f"{text!r} is no path: use printable characters")
    return text


def _argument(text: str) -> str:
    if "\0" in text:
        raise ValueError(f"{text!r} is not allowed: no program can be given a NUL")
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(_VARIABLE, text):
        raise ValueError(f"{text!r} names no variable: no '=' and no NUL is in a name")
    return text


def _guest_path(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError(f"{text!r} is no path: use printable characters")
    return text


def _host_path(text: str) -> str:
    if not text.isprintable() or posixpath.normpath(text) != text or text[0] != "/":
        raise ValueError(
            f"{text!r} is no path from the root in normal form, such as '/srv/data'"
        )
    return text


def _stream(words: tuple[str, ...]) -> Callable[[str], str]:
    def read_stream(text: str) -> str:
        if text in words:
            return text
        if "/" not in text:
            raise ValueError(f"{unknown('word', text, words)}; or a file: '/srv/...'")
        return _host_path(text)

    return read_stream


def _id(text: str) -> str:
    return str(ActorId.parse(text))


def _interface(text: str) -> str:
    check_interface(None, None, text)
    return text


def _section(text: str) -> str:
    if text not in SECTIONS:
        raise ValueError(unknown("key", text, SECTIONS))
    return text


def _between(least: float, most: float) -> Callable[[object], float]:
    def read_between(value: object) -> float:
        number = _number(value)
        if not least <= number <= most:
            raise ValueError(f"{number:g} is out of range: use {least:g} to {most:g}")
        return number

    return read_between


_WORLD: Final = (
    r"[a-z][a-z0-9-]*:[a-z][a-z0-9-]*/[a-z][a-z0-9-]*(@[0-9][0-9A-Za-z.+-]*)?"
)
_WASM: Final = r"[^/\\\0](.*/)?[^/]*\.(wasm|wat)"
_FUNCTION: Final = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"
_VARIABLE: Final = r"[^=\0]+"
_PATH: Final = "/.*"
_WORD: Final = "[a-z0-9]+(-[a-z0-9]+)*"
_STRING: Final = {"type": "string"}


def _like(pattern: str) -> Mapping[str, object]:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _or_like(kind: str, pattern: str, **more: object) -> Mapping[str, object]:
    return {"anyOf": [{"type": kind, "minimum": 0, **more}, _like(pattern)]}


_NUMBER: Final = r"[0-9]+(\.[0-9]+)?"
_SIZE: Final = f"{_NUMBER}([kMGT]?B|[KMGT]iB)"
_DURATION: Final = f"{_NUMBER}(us|ms|s|m|h)"

RULES: Final[Mapping[object, Rule]] = {
    str: Rule(_string, _STRING),
    bool: Rule(_boolean, {"type": "boolean"}),
    int: Rule(_integer, {"type": "integer"}),
    float: Rule(_number, {"type": "number"}),
    ComponentName: Rule(_text(ComponentName.parse), _like(f"({_WORD}/)?{_WORD}")),
    Version: Rule(_text(Version.parse), _like(r"[0-9]+\.[0-9]+\.[0-9]+([-+].+)?")),
    "sha256": Rule(_text(_sha256), _like("(sha256:)?[0-9a-f]{64}")),
    "size": Rule(_positive(parse_size), _or_like("integer", _SIZE), show_size),
    "duration": Rule(
        _positive(parse_duration), _or_like("number", _DURATION), show_duration
    ),
    "wait": Rule(parse_duration, _or_like("number", _DURATION), show_duration),
    "shutdown": Rule(_shutdown, _or_like("number", f"{_DURATION}|brutal|infinite")),
    "size rate": Rule(_positive(parse_size_rate), _like(f"{_SIZE}/s"), show_size_rate),
    "count rate": Rule(_positive(parse_count_rate), _like("[0-9]+/s"), show_count_rate),
    "share": Rule(_positive(parse_share), _like(f"{_DURATION}/s"), show_share),
    "count": Rule(partial(_integer, least=1), {"type": "integer", "minimum": 1}),
    "whole": Rule(partial(_integer, least=0), {"type": "integer", "minimum": 0}),
    "factor": Rule(
        _between(1, 1000), {"type": "number", "minimum": 1, "maximum": 1000}
    ),
    "fraction": Rule(_between(0, 1), {"type": "number", "minimum": 0, "maximum": 1}),
    "id": Rule(_text(_id), _like(f"({_WORD}/)?{_WORD}(#{_WORD})?")),
    "section": Rule(_text(_section), {"enum": list(SECTIONS)}),
    "interface": Rule(_text(_interface), _like(INTERFACE)),
    "world": Rule(_text(_world), _like(_WORLD)),
    "wasm": Rule(_text(_wasm), _like(_WASM)),
    "function": Rule(_text(_function), {"type": "string", "pattern": "^[^:]+:[^:]+$"}),
    "folder": Rule(_text(_folder), {"type": "string", "minLength": 1}),
    "argument": Rule(_text(_argument), _STRING),
    "variable": Rule(_text(_variable), _like(_VARIABLE)),
    "guest path": Rule(_text(_guest_path), {"type": "string", "minLength": 1}),
    "host path": Rule(_text(_host_path), _like(_PATH)),
    "input": Rule(_text(_stream(INPUTS)), _like("|".join((*INPUTS, _PATH)))),
    "output": Rule(_text(_stream(OUTPUTS)), _like("|".join((*OUTPUTS, _PATH)))),
    # TOML has dates and times; JSON, which schemas are about, has them as strings.
    "moment": Rule(
        parse_moment, {"type": "string", "format": "date-time"}, show_moment
    ),
    "anything": Rule(lambda value: value, {}),
    "ports": Rule(_ports, _or_like("integer", r"\*|[0-9]+(-[0-9]+)?", maximum=65535)),
    "whose": Rule(_text(PATTERN_KINDS["whose"]), {"const": "own"}),
    "path": Rule(_text(PATTERN_KINDS["path"]), _like("/.*")),
    **{
        word: Rule(_text(PATTERN_KINDS[word]), {"type": "string", "minLength": 1})
        for word in ("name", "topic", "key", "host", "host and ports")
    },
}
"""By class, or by the word a type is annotated with."""
