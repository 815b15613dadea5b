"""Read TOML tables into attrs classes, and say everything that is wrong with them.

The classes are the schema: their fields are the keys, what has no default is required,
and the JSON Schema is made from them too. A field's type is a class, a list or map of
one, or a type annotated with a word of `RULES`, which says how a value is written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from operator import itemgetter
from types import NoneType
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args, get_origin

from attrs import NOTHING, fields, frozen, has, resolve_types
from cattrs import (
    AttributeValidationNote,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from ..errors import ManifestError
from .lines import KeyPath, find_lines
from .rules import RULES, Rule, expected, unknown

__all__ = (
    "LONGEST_FILE",
    "Problem",
    "json_schema",
    "parse_toml",
    "read",
    "refuse",
    "shown",
    "structured",
)

_T = TypeVar("_T")
LONGEST_FILE: Final = 256 * 1024
"""Characters of a file."""
_MARK: Final = "\ufeff"
"""What some editors put before UTF-8 text; it is no part of it."""
_MOST_DOTS: Final = 1000
_DEEPEST: Final = 64
_TOO_DEEP: Final = "it is nested too deeply"


@frozen
class Problem:
    """One thing that is wrong with a file."""

    path: KeyPath
    text: str


def parse_toml(text: str, *, source: str) -> dict[str, object]:
    """Parse TOML.

    Raises:
        ManifestError: The text breaks TOML's syntax; says the line and column.
    """
    text = text.removeprefix(_MARK)
    if len(text) > LONGEST_FILE:
        raise ManifestError(source, (f"it has more than {LONGEST_FILE} characters",))
    # tomllib takes quadratic time for a dotted key: 7 s for one of 20,000 parts.
    if text.count(".") > _MOST_DOTS and any(
        line.count(".") > _MOST_DOTS for line in text.split("\n")
    ):
        raise ManifestError(source, (f"a line has more than {_MOST_DOTS} dots",))
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ManifestError(source, (_TOO_DEEP,)) from None
    except ValueError as error:
        reason, _, place = str(error).removesuffix(")").partition(" (at ")
        said = f"{reason[:1].lower()}{reason[1:]}"
        place = f" @ {place}" if place else ""
        raise ManifestError(source, (f"{said}{place}",)) from None
    level: list[dict[str, object] | list[object]] = [table]
    for _ in range(_DEEPEST):
        if not level:
            return table
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    raise ManifestError(source, (_TOO_DEEP,))


def structured(
    table: Mapping[str, object], schema: type[_T]
) -> tuple[_T | None, tuple[Problem, ...]]:
    """Turn a table into an instance of an attrs class, or say all that is wrong."""
    try:
        return _converter().structure(table, schema), ()
    except ClassValidationError as error:
        return None, tuple(_problems(error, ()))


def refuse(source: str, problems: Iterable[Problem], text: str = "") -> ManifestError:
    """Make the error that reports the problems with their places in the text."""
    lines = find_lines(text.removeprefix(_MARK))
    placed = [(_line(problem.path, lines), problem) for problem in problems]
    placed.sort(key=itemgetter(0))
    return ManifestError(
        source,
        tuple(
            dict.fromkeys(
                f"{problem.text} @ {_place(problem.path)}"
                f"{f', line {line}' if line else ''}"
                for line, problem in placed
            )
        ),
    )


def read(
    text: str,
    schema: type[_T],
    *,
    source: str,
    check: Callable[[Mapping[str, object]], Iterable[Problem]] = lambda _: (),
) -> _T:
    """Read a TOML text into an instance of an attrs class.

    Args:
        text: The whole file.
        schema: The class for the table at the top.
        source: Where the text comes from, for the error.
        check: Finds problems that no single value shows, in the parsed table; it must
            not rely on the types in there.

    Raises:
        ManifestError: Something is wrong with the text; lists every problem, with its
            place and line.
    """
    table = parse_toml(text, source=source)
    value, problems = structured(table, schema)
    problems = (*problems, *check(table))
    if problems or value is None:
        raise refuse(source, problems, text)
    return value


def _place(path: KeyPath) -> str:
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in path
    )
    return place.removeprefix(".") or "top level"


def _key(part: str) -> str:
    """Return a key as it is shown; none may steer a terminal, or forge a line."""
    return part if part.isprintable() else repr(part)


def _line(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """Find the line of a path, or of the nearest around it; 0 if there is none."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 0


def _problems(error: Exception, path: KeyPath) -> Iterator[Problem]:
    """Go through the tree of exceptions that cattrs raises."""
    what = "key"
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            path = (*path, note.name)
            what = "table" if has(note.type) and not _has_rule(note.type) else "key"
        else:
            assert isinstance(note, IterableValidationNote)
            path = (*path, note.index)
    match error:
        case ClassValidationError() | IterableValidationError():
            for one in error.exceptions:
                yield from _problems(one, path)
        case ForbiddenExtraKeysError():
            known = [known.name for known in fields(error.cl)]
            for key in sorted(error.extra_fields):
                yield Problem((*path, key), unknown("key", key, known))
        case KeyError():
            yield Problem(path[:-1], f"missing {what} {path[-1]!r}")
        case _:
            yield Problem(path, str(error))


def shown(schema: type[Any], key: str, value: object) -> str:
    """Print the value of a key as the files of the class write it."""
    type_ = getattr(fields(resolve_types(schema, include_extras=True)), key).type
    choices = (type_, *get_args(type_))  # "X | None" is written as X is
    rule = next(filter(None, map(_rule, choices)), None)
    return str(value) if rule is None else rule.show(value)


# --- from tables to classes -------------------------------------------------------

_Type: TypeAlias = Any
"""Whatever can stand in an annotation."""
_Hook: TypeAlias = Callable[[Any, Any], Any]


def _rule(type_: object) -> Rule | None:
    word = get_args(type_)[1] if get_origin(type_) is Annotated else type_
    return RULES.get(word) if isinstance(word, str | type) else None


def _has_rule(type_: object) -> bool:
    return _rule(type_) is not None


def _is_list(type_: object) -> bool:
    return get_origin(type_) is tuple


def _is_map(type_: object) -> bool:
    return get_origin(type_) is Mapping


def _is_enum(type_: object) -> bool:
    return isinstance(type_, type) and issubclass(type_, Enum)


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    converter.register_structure_hook_factory(has, _class_hook)
    converter.register_structure_hook_factory(_is_list, _list_hook)
    converter.register_structure_hook_factory(_is_map, _map_hook)
    converter.register_structure_hook_factory(_is_enum, _enum_hook)
    converter.register_structure_hook_factory(_has_rule, _rule_hook)
    for type_ in (str, int, float, bool):
        # cattrs' own hooks for these convert what is given, and come first.
        converter.register_structure_hook(type_, _rule_hook(type_, converter))
    return converter


def _class_hook(schema: _Type, converter: Converter) -> _Hook:
    inner = make_dict_structure_fn(schema, converter)

    def structure(table: object, type_: _Type) -> object:
        if not isinstance(table, dict):
            raise expected("a table", table)
        return inner(table, type_)

    return structure


def _list_hook(type_: _Type, converter: Converter) -> _Hook:
    element = get_args(type_)[0]
    inner = converter.get_structure_hook(element)

    def structure(items: object, _: _Type) -> tuple[object, ...]:
        if not isinstance(items, list):
            raise expected("a list", items)
        return tuple(_each(enumerate(items), inner, element))

    return structure


def _map_hook(type_: _Type, converter: Converter) -> _Hook:
    key, element = get_args(type_)
    read_key = converter.get_structure_hook(key)
    inner = converter.get_structure_hook(element)

    def pair(item: tuple[str, object], _: _Type) -> tuple[object, object]:
        return read_key(item[0], key), inner(item[1], element)

    def structure(table: object, _: _Type) -> Mapping[object, object]:
        if not isinstance(table, dict):
            raise expected("a table", table)
        return dict(_each(((item[0], item) for item in table.items()), pair, element))

    return structure


def _enum_hook(type_: _Type, _: Converter) -> _Hook:
    words = {member.value: member for member in type_}

    def structure(value: object, _: _Type) -> object:
        if not isinstance(value, str):
            raise expected("a string", value)
        if value not in words:
            raise ValueError(unknown("word", value, words))
        return words[value]

    return structure


def _rule_hook(type_: _Type, _: Converter) -> _Hook:
    rule = _rule(type_)
    assert rule is not None
    read_value = rule.read
    return lambda value, _: read_value(value)


def _each(
    items: Iterable[tuple[int | str, object]],
    hook: Callable[[Any, Any], _T],
    type_: object,
) -> list[_T]:
    """Structure all elements, and say of each one that fails where it is."""
    results: list[_T] = []
    errors: list[Exception] = []
    for place, item in items:
        try:
            results.append(hook(item, type_))
        except Exception as error:  # noqa: BLE001 - as cattrs' own loops do
            error.add_note(IterableValidationNote(f"at {place!r}", place, type_))
            errors.append(error)
    if errors:
        raise IterableValidationError("some elements failed", errors, tuple)
    return results


# --- from classes to JSON Schema --------------------------------------------------


def json_schema(schema: type[Any], *, title: str) -> dict[str, object]:
    """Return the JSON Schema of the files that the class reads."""
    classes: dict[str, object] = {}
    reference = _class_schema(schema, classes)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **reference,
        "$defs": classes,
    }


def _class_schema(schema: type[Any], classes: dict[str, object]) -> dict[str, object]:
    name = schema.__name__
    if name not in classes:
        written: dict[str, object] = {"type": "object", "additionalProperties": False}
        classes[name] = written
        keys = fields(resolve_types(schema, include_extras=True))
        keys = tuple(key for key in keys if key.init)
        written["description"] = (schema.__doc__ or "").partition("\n")[0]
        written["required"] = [key.name for key in keys if key.default is NOTHING]
        written["properties"] = {
            key.name: _type_schema(key.type, classes) for key in keys
        }
    return {"$ref": f"#/$defs/{name}"}


def _type_schema(type_: _Type, classes: dict[str, object]) -> Mapping[str, object]:
    if rule := _rule(type_):
        return rule.schema
    if has(type_):
        return _class_schema(type_, classes)
    if _is_enum(type_):
        return {"enum": [member.value for member in type_]}
    inner = next(one for one in reversed(get_args(type_)) if one not in _FILLERS)
    element = _type_schema(inner, classes)
    if _is_list(type_):
        return {"type": "array", "items": element}
    if _is_map(type_):
        names = _type_schema(get_args(type_)[0], classes)
        return {
            "type": "object",
            "propertyNames": names,
            "additionalProperties": element,
        }
    return element


_FILLERS: Final = (NoneType, ...)
