"""Turn values of a bindings' module into JSON and back, with cattrs.

The form is that of ``airssys call --json``: records are objects with the names of WIT,
variants their case's name or ``{case: value}``, flags lists of names, bytes lists of
numbers, maps lists of pairs, results ``{"ok": value}`` or ``{"err": value}``, and
options null or the value, or ``{"some": value}`` where options nest.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Protocol, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from ..witmodel.types import Err, Flags, Ok, RecordType, Some, TypeDef, VariantType
from .bindings import Bindings

__all__ = ("converter",)


class _Module(Protocol):
    """The class ``Exports`` of a module of bindings."""

    @property
    def __airssys__(self) -> Bindings: ...


def converter(exports: _Module) -> Converter:
    """Return a converter between JSON's values and a module's classes.

    >>> json = converter(geometry.Exports)
    >>> json.structure({"x": 1, "y-axis": 2.0}, geometry.Point)
    Point(x=1, y_axis=2.0)

    Whether numbers are in the range of their WIT type is seen when they are passed.
    Types that hold resources have no JSON.
    """
    made = Converter(forbid_extra_keys=True)
    _register_values(made)
    cases: dict[type, str] = {}
    made.register_structure_hook_func(
        _is_union, lambda data, type_: _union(made, cases, data, type_)
    )
    # In the order of the module: a type comes after those it is made of.
    for classes, extern in exports.__airssys__.named():
        match extern:
            case TypeDef(RecordType(fields)):
                _register_record(made, classes, [name for name, _ in fields])
            case TypeDef(VariantType(words)):
                for (word, _), case in zip(words, classes):
                    cases[case] = word
                    _register_case(made, cases, case)
            case TypeDef(Flags(words)):
                bits = {word: classes(1 << at) for at, word in enumerate(words)}
                _register_flags(made, classes, bits)
            case _:
                pass  # enums are known to cattrs; resources have no JSON
    return made


def _register_values(made: Converter) -> None:
    """Register how values without a class in the module are written and read."""
    structure: Callable[[Any, Any], Any] = made.structure
    made.register_unstructure_hook(bytes, list)
    made.register_structure_hook(bytes, _bytes)
    made.register_unstructure_hook(
        float, lambda value: value if isfinite(value) else str(value)
    )
    made.register_unstructure_hook_func(
        lambda type_: _kind(type_) in (list, tuple),
        lambda value: [made.unstructure(each) for each in value],
    )
    made.register_unstructure_hook_func(
        lambda type_: _kind(type_) is dict,
        lambda value: [list(map(made.unstructure, pair)) for pair in value.items()],
    )
    made.register_structure_hook_func(
        lambda type_: _kind(type_) is dict,
        lambda data, type_: dict(structure(data, _pairs(type_))),
    )
    for word, kind in _WORDS.items():
        _register_word(made, word, kind)


def _kind(type_: Any) -> Any:
    """Return the class of a type, without its parameters."""
    return get_origin(type_) or type_


def _pairs(type_: Any) -> Any:
    """Return the type of a dict's pairs in a list."""
    pairs: Any = list
    pair: Any = tuple
    return pairs[pair[get_args(type_)]]


_WORDS: Mapping[str, type] = {"some": Some, "ok": Ok, "err": Err}


def _register_word(made: Converter, word: str, kind: type) -> None:
    def is_kind(type_: Any) -> bool:
        return _kind(type_) is kind

    def structure(data: Any, type_: Any) -> Any:
        if not isinstance(data, dict) or data.keys() != {word}:
            raise ValueError(f'expected {{"{word}": ...}}, got {data!r}')
        (inner,) = get_args(type_)
        return kind(None if inner is NoneType else made.structure(data[word], inner))

    made.register_unstructure_hook_func(
        is_kind, lambda value: {word: made.unstructure(value.value)}
    )
    made.register_structure_hook_func(is_kind, structure)


def _bytes(data: Any, _: object) -> bytes:
    if isinstance(data, str):
        return data.encode()
    return bytes(data)


def _is_union(type_: Any) -> bool:
    return _kind(type_) in (Union, UnionType)


def _union(made: Converter, cases: Mapping[type, str], data: Any, type_: Any) -> Any:
    """Read a variant, a result, or an option of anything."""
    members = [member for member in get_args(type_) if member is not NoneType]
    if data is None and len(members) < len(get_args(type_)):
        return None
    word = _word(data) if len(members) > 1 else None
    for member in members:
        known = cases.get(member)
        if known is None:
            found = (w for w, kind in _WORDS.items() if kind is _kind(member))
            known = next(found, None)
        if word is None or word == known:
            return made.structure(data, member)
    words = [cases.get(member, member.__name__.lower()) for member in members]
    raise ValueError(f"expected one of {', '.join(words)}, got {data!r}")


def _word(data: Any) -> str:
    """Return the case that JSON names, or nothing that is one."""
    if isinstance(data, str):
        return data
    if isinstance(data, dict) and len(data) == 1:
        return str(next(iter(data)))
    return ""


def _register_record(made: Converter, record: type, names: list[str]) -> None:
    attrs.resolve_types(record)
    renamed = {
        attribute.name: override(rename=name)
        for attribute, name in zip(attrs.fields(record), names)
    }
    forbid: Callable[..., Any] = make_dict_structure_fn
    made.register_structure_hook(
        record, forbid(record, made, _cattrs_forbid_extra_keys=True, **renamed)
    )
    write: Callable[..., Any] = make_dict_unstructure_fn
    made.register_unstructure_hook(record, write(record, made, **renamed))


def _register_case(made: Converter, cases: Mapping[type, str], case: type) -> None:
    attrs.resolve_types(case)
    word = cases[case]
    payload = next((attribute.type for attribute in attrs.fields(case)), None)

    def unstructure(value: Any) -> Any:
        return word if payload is None else {word: made.unstructure(value.value)}

    def structure(data: Any, _: object) -> Any:
        if payload is None and data == word:
            return case()
        if payload is not None and isinstance(data, dict) and data.keys() == {word}:
            return case(made.structure(data[word], payload))
        expected = f'"{word}"' if payload is None else f'{{"{word}": ...}}'
        raise ValueError(f"expected {expected}, got {data!r}")

    made.register_unstructure_hook(case, unstructure)
    made.register_structure_hook(case, structure)


def _register_flags(
    made: Converter, kind: type[enum.Flag], members: Mapping[str, enum.Flag]
) -> None:
    def structure(data: Any, _: object) -> enum.Flag:
        value = kind(0)
        for word in data:
            value |= members[word]
        return value

    made.register_unstructure_hook(
        kind, lambda value: [w for w, member in members.items() if member in value]
    )
    made.register_structure_hook(kind, structure)
