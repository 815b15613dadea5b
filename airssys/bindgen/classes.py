"""Write a Python class for each named type of a world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..witmodel.types import (
    Enum,
    Flags,
    RecordType,
    ResourceType,
    VariantType,
    attribute,
)
from .annotate import Annotations
from .layout import annotated, docstring, indented
from .names import allocate, camel, constant
from .world import Alias, Named

__all__ = ("case_names", "declared", "listing_of")


def case_names(
    named: Mapping[Named | Alias, str], reserved: set[str]
) -> dict[Named, list[str]]:
    """Name the classes of the cases of each variant, in order."""
    wanted = {
        (each, case): [f"{name}{camel(case)}", f"{name}{camel(case)}Case"]
        for each, name in named.items()
        if isinstance(each, Named) and isinstance(each.type, VariantType)
        for case, _ in each.type.cases
    }
    found: dict[Named, list[str]] = {}
    for (each, _), name in allocate(wanted, reserved).items():
        found.setdefault(each, []).append(name)
    return found


def declared(
    each: Named | Alias,
    name: str,
    cases: list[str],
    annotations: Annotations,
    wit: str,
) -> list[str]:
    """Write what declares a named type; nothing for a resource.

    Args:
        each: The type.
        name: Its Python name.
        cases: The classes of a variant's cases.
        annotations: The Python names of all types.
        wit: How the type reads in WIT.
    """
    if isinstance(each, Alias):
        if isinstance(each.type, ResourceType):
            return [f"{name}: TypeAlias = {annotations.names[each.type]}"]
        return annotated(f"{name}: TypeAlias = ", annotations.taken(each.type))
    match each.type:
        case RecordType(fields):
            within = annotations.within(attribute(n) for n, _ in fields)
            lines = [line for n, t in fields for line in _field(n, within.taken(t))]
            return _class("@frozen", name, wit, lines)
        case VariantType():
            return list(_variant(each.type, name, cases, annotations, wit))
        case Enum(words):
            members = _members(words)
            lines = [f'{members[word]} = "{word}"' for word in words]
            return _class("", f"{name}(enum.StrEnum)", wit, lines)
        case Flags(words):
            members = _members(words)
            lines = [
                f"{members[word]} = {f'1 << {at}' if at else 1}"
                for at, word in enumerate(words)
            ]
            return _class("", f"{name}(enum.Flag)", wit, lines)
        case _:
            return []


def _field(name: str, annotation: str) -> list[str]:
    # The first parameter of what attrs writes is called self.
    alias = ' = field(alias="self_")' if name == "self" else ""
    return annotated(f"{attribute(name)}: ", annotation, alias, steps=1)


def _members(words: tuple[str, ...]) -> dict[str, str]:
    return allocate({word: [constant(word)] for word in words})


def _variant(
    type_: VariantType,
    name: str,
    classes: list[str],
    annotations: Annotations,
    wit: str,
) -> Iterator[str]:
    for (case, payload), made in zip(type_.cases, classes):
        fields = [] if payload is None else _field("value", annotations.taken(payload))
        doc = f"The case ``{case}`` of `{name}`."
        yield from (*_class("@frozen", made, doc, fields, quoted=False), "", "")
    yield from annotated(f"{name}: TypeAlias = ", " | ".join(classes))
    yield from docstring(f"``{wit}``", steps=0)


def _class(
    decorator: str, head: str, doc: str, body: list[str], *, quoted: bool = True
) -> list[str]:
    text = docstring(f"``{doc}``" if quoted else doc)
    return [
        *filter(None, [decorator]),
        f"class {head}:",
        *indented(text),
        *([""] if body else []),
        *indented(body),
    ]


def listing_of(text: str) -> dict[tuple[str, str, str], str]:
    """Take the text of a world apart: its lines by word, interface and name."""
    found: dict[tuple[str, str, str], str] = {}
    word = home = resource = ""
    for line in text.splitlines()[1:-1]:
        inner = line.strip().removesuffix(";")
        depth = (len(line) - len(line.lstrip())) // 2
        if depth == 1:
            word, _, inner = inner.partition(" ")
            home = inner.removesuffix(": interface {")
            if home != inner or word in {"}", "use"}:
                continue
            home = ""
        elif inner.startswith("resource ") and inner.endswith(" {"):
            resource = inner.split()[1]
        if depth == _MEMBER:
            found[word, home, _member_of(resource, inner)] = inner
        elif inner != "}":
            found[word, home, _name_of(inner)] = inner
    return found


_MEMBER: Final = 3
"""How deep the functions of a resource stand."""


def _name_of(line: str) -> str:
    first, second = line.split()[:2]
    return first.removesuffix(":") if first.endswith(":") else second


def _member_of(resource: str, line: str) -> str:
    """Return the full name of a resource's function."""
    name, colon, rest = line.partition(": ")
    if not colon or "(" in name:
        return f"[constructor]{resource}"
    kind = "static" if rest.startswith("static ") else "method"
    return f"[{kind}]{resource}.{name}"
