"""Walk through a value as core code has it: in memory, or in parameters.

What is to be done with it is only at its ends, where it points to more memory: at texts
and lists. The way there is the same whatever that is: fields one after the other, and
of a variant the case that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from attrs import frozen

from ...witmodel.types import List, Map, Scalar, Tuple, WitType
from .abi import cases, discriminant, elements, flat, offsets, parts, payload

__all__ = (
    "Found",
    "Locals",
    "Memory",
    "Place",
    "as_i32",
    "each_element",
    "listed",
    "points",
    "walk",
)


@frozen
class Memory:
    """A value that lies in memory."""

    at: str
    """Code for an address."""
    offset: int = 0
    """Bytes from there."""
    name: str = ""
    """Of the memory; by default the only one."""

    @property
    def pointer(self) -> str:
        """Code for where a text or a list points to."""
        return f"(i32.load {self.name} offset={self.offset} {self.at})"

    @property
    def count(self) -> str:
        """Code for how much is there."""
        return f"(i32.load {self.name} offset={self.offset + 4} {self.at})"

    def fields(self, types: Sequence[WitType]) -> Iterator[tuple[Memory, WitType]]:
        """Return where the fields of a value are."""
        for place, type_ in offsets(types):
            yield Memory(self.at, self.offset + place, self.name), type_

    def tag(self, choices: Sequence[WitType | None]) -> str:
        """Return code for which case of a variant this is."""
        width = discriminant(len(choices)) * 8
        load = f"i32.load{'' if width == 32 else f'{width}_u'}"
        return f"({load} {self.name} offset={self.offset} {self.at})"

    def content(self, type_: WitType) -> Memory:
        """Return where the content of a variant of a type is."""
        return Memory(self.at, self.offset + payload(type_), self.name)


@frozen
class Locals:
    """A value that is in parameters, from a first on."""

    cores: Sequence[str]
    """The types of all parameters."""
    first: int = 0

    @property
    def pointer(self) -> str:
        """Code for where a text or a list points to."""
        return as_i32(self.first, self.cores)

    @property
    def count(self) -> str:
        """Code for how much is there."""
        return as_i32(self.first + 1, self.cores)

    def fields(self, types: Sequence[WitType]) -> Iterator[tuple[Locals, WitType]]:
        """Return where the fields of a value are."""
        first = self.first
        for type_ in types:
            yield Locals(self.cores, first), type_
            first += len(flat(type_))

    def tag(self, _: Sequence[WitType | None]) -> str:
        """Return code for which case of a variant this is."""
        return as_i32(self.first, self.cores)

    def content(self, _: WitType) -> Locals:
        """Return where the content of a variant is."""
        return Locals(self.cores, self.first + 1)


Place: TypeAlias = Memory | Locals
Found: TypeAlias = Callable[[WitType, Place], list[str]]
"""Returns code for a text or a list that was met."""


def walk(
    type_: WitType,
    place: Place,
    found: Found,
    *,
    concerns: Callable[[WitType], bool],
) -> list[str]:
    """Return code that meets the texts and lists of a value.

    Args:
        type_: Its type.
        place: Where it is.
        found: Says what to do with one.
        concerns: Tells whether values of a type are to be looked at. One that holds no
            text and no list is none of them.
    """
    if not concerns(type_):
        return []
    if (inner := elements(type_)) is not None:
        return [
            line
            for there, each in place.fields(inner)
            for line in walk(each, there, found, concerns=concerns)
        ]
    if (choices := cases(type_)) is not None:
        tag, content = place.tag(choices), place.content(type_)
        return [
            f"(if (i32.eq {tag} (i32.const {index})) (then "
            f"{' '.join(walk(case, content, found, concerns=concerns))}))"
            for index, case in enumerate(choices)
            if case is not None and concerns(case)
        ]
    return found(type_, place)


def each_element(step: int, body: str) -> str:
    """Return code that does something with each element of a list.

    Args:
        step: Bytes of an element.
        body: Finds the address of one in ``$at``, which counts up to ``$stop``.
    """
    if not body:
        return ""
    return f"""
    (local.set $stop (i64.add (i64.extend_i32_u (local.get $at))
      (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const {step}))))
    (block $done (loop $next
      (br_if $done (i64.ge_u (i64.extend_i32_u (local.get $at)) (local.get $stop)))
      {body}
      (local.set $at (i32.add (local.get $at) (i32.const {step})))
      (br $next)))"""


def points(type_: WitType) -> bool:
    """Tell whether a value points to more memory, so that its size is its own."""
    return any(
        isinstance(part, List | Map) or part == Scalar("string")
        for part in parts(type_)
    )


def listed(type_: WitType) -> WitType:
    """Return the type of what lies in a list's memory."""
    match type_:
        case List(element):
            return element
        case Map(key, value):
            return Tuple((key, value))
        case _:
            raise AssertionError(type_)


def as_i32(index: int, cores: Sequence[str]) -> str:
    """Return a parameter as i32: where variants share it, it may be wider."""
    local = f"(local.get {index})"
    return local if cores[index] == "i32" else f"(i32.wrap_i64 {local})"
