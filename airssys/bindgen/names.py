"""Give WIT names their Python spelling, and tell apart those that would be equal."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from attrs import frozen

from ..witmodel.types import attribute

__all__ = (
    "Function",
    "Interface",
    "allocate",
    "camel",
    "constant",
    "members",
    "parameters",
    "split_function",
)

_K = TypeVar("_K", bound=Hashable)


def camel(name: str) -> str:
    """Return a class's name: ``http-server`` is ``HttpServer``."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"\W", name))


def constant(name: str) -> str:
    """Return the name of an enum's member: ``dark-red`` is ``DARK_RED``."""
    return re.sub(r"\W", "_", name).upper()


@frozen
class Interface:
    """The parts of an interface's name, such as ``acme:kv/store@1.0.0``."""

    package: tuple[str, ...]
    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Interface:
        path, _, version = text.partition("@")
        *package, name = re.split("[:/]", path)
        return cls(tuple(package), name, version)

    def words(self) -> list[tuple[str, ...]]:
        """Return what to call it, the shortest first."""
        path = (*self.package, self.name)
        shorter = [path[-count:] for count in range(1, len(path) + 1)]
        return [*shorter, (*path, self.version)] if self.version else shorter


@frozen
class Function:
    """The parts of a function's name, such as ``[method]bucket.get``."""

    kind: str
    """``method``, ``static`` or ``constructor``; empty for a plain function."""
    resource: str
    name: str
    """Empty for a constructor."""


def split_function(name: str) -> Function:
    """Take a function's name apart."""
    if not name.startswith("["):
        return Function("", "", name)
    kind, _, rest = name.removeprefix("[").partition("]")
    resource, _, method = rest.partition(".")
    return Function(kind, resource, method)


def members(functions: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """Return the Python names of an interface's functions, or of a resource's methods.

    A constructor is called as its resource, a static function ``resource_function``.

    Args:
        functions: WIT names.
        reserved: Names that are taken.
    """
    taken = set(reserved)
    found = {}
    for function in functions:
        parts = split_function(function)
        words = [parts.name]
        if parts.kind in {"static", "constructor"}:
            words = [parts.resource, parts.name]
        name = attribute("-".join(filter(None, words)))
        while name in taken:
            name += "_"
        taken.add(name)
        found[function] = name
    return found


def parameters(names: Iterable[str], *, but: Iterable[str]) -> list[str]:
    """Return the Python names of parameters.

    Args:
        names: WIT names.
        but: Names that are taken.
    """
    taken = set(but)
    return [f"{name}_" if name in taken else name for name in map(attribute, names)]


def allocate(
    wanted: Mapping[_K, Sequence[str]], reserved: Iterable[str] = ()
) -> dict[_K, str]:
    """Give each the first of its names that nothing else has.

    Where two would have the same, both take their next one; where there is none left,
    numbers tell them apart.
    """
    taken = {*reserved, *keyword.kwlist}
    level = dict.fromkeys(wanted, 0)
    while True:
        names = {key: wanted[key][at] for key, at in level.items()}
        count = Counter(names.values())
        clashing = [k for k, name in names.items() if name in taken or count[name] > 1]
        movable = [key for key in clashing if level[key] + 1 < len(wanted[key])]
        if not movable:
            break
        for key in movable:
            level[key] += 1
    for key in clashing:
        del names[key]
    taken.update(names.values())
    for key in clashing:
        name, number = wanted[key][-1], 1
        while name in taken:
            number += 1
            name = f"{wanted[key][-1]}{number}"
        taken.add(name)
        names[key] = name
    return {key: names[key] for key in wanted}
