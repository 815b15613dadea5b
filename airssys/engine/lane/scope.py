"""Keep count of what a component defines, as far as it was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from attrs import Factory, define, field, frozen

from ...witmodel.types import FuncType, Opaque, Scalar, WitType
from .abi import parts, within

__all__ = (
    "COMPONENT",
    "CORE_FUNC",
    "CORE_INSTANCE",
    "CORE_MEMORY",
    "CORE_MODULE",
    "FUNC",
    "INSTANCE",
    "LARGE",
    "NOTHING_ADDED",
    "PLAIN",
    "TYPE",
    "Added",
    "Known",
    "Maybe",
    "Scope",
    "Unreadable",
    "has_large",
    "is_large",
)

_CORE: Final = 0x100
FUNC, TYPE, COMPONENT, INSTANCE = 1, 3, 4, 5
CORE_FUNC, CORE_MEMORY, CORE_MODULE, CORE_INSTANCE = (
    _CORE + 0x00,
    _CORE + 0x02,
    _CORE + 0x11,
    _CORE + 0x12,
)
"""Sorts of definitions, each counted for itself."""
_PARTS: Final = 2000
"""Types that a type may have within it, so that it can be forwarded."""
_DEPTH: Final = 50
LARGE: Final = Opaque("a large type")
"""What stands for a type that has more."""


def is_large(type_: FuncType) -> bool:
    """Tell whether a function's type is too large for code that looks at its values."""
    each = [type_.result, *(param for _, param in type_.params)]
    found = [(1, 0)] + [_measured(one) for one in each if one is not None]
    return sum(p for p, _ in found) > _PARTS or max(d for _, d in found) >= _DEPTH


def has_large(type_: WitType) -> bool:
    """Tell whether there is a type within a type that was too large to be read."""
    return any(part is LARGE for part in parts(type_))


def _measured(type_: WitType) -> tuple[int, int]:
    """Return how many types a type consists of, and how deep they lie."""
    inner = [_measured(each) for each in within(type_)]
    depth = max((depth for _, depth in inner), default=0)
    return 1 + sum(count for count, _ in inner), 1 + depth


class Added(NamedTuple):
    """What the lane adds to an instance of a component, beside its own limits."""

    instances: int = 0
    """Core instances."""
    memories: int = 0


NOTHING_ADDED: Final = Added()


class Unreadable(ValueError):
    """A component with parts that are not known here."""


@frozen(eq=False)
class Known:
    """What is known of a type, a function, an instance or a component."""

    type: WitType | FuncType | None = None
    """The type itself, or the function's."""
    bytes: bool = False
    """Whether there is a ``list<u8>`` in it."""
    exports: Mapping[str, Known] | None = None
    """What an instance exports, or one of this type or component."""
    parts: int = 1
    """How many types it consists of, itself included."""
    depth: int = 1
    added: Added = NOTHING_ADDED
    """What the rewriting adds to an instance of a component."""
    handles: bool = False
    """Whether there are handles in it."""
    counts: bool = False
    """Whether an instance of a component has a function that takes its limits."""

    @classmethod
    def of(
        cls,
        make: Callable[[], WitType | FuncType],
        *inner: Known,
        has_bytes: bool = False,
    ) -> Known:
        """Return what is known of a type, given what is known of the types in it."""
        has_bytes = has_bytes or any(each.bytes for each in inner)
        handles = any(each.handles for each in inner)
        parts = 1 + sum(each.parts for each in inner)
        depth = 1 + max((each.depth for each in inner), default=0)
        if parts > _PARTS or depth > _DEPTH:
            return cls(LARGE, has_bytes, handles=handles)
        return cls(make(), has_bytes, parts=parts, depth=depth, handles=handles)

    @property
    def is_u8(self) -> bool:
        """Whether it is the type u8, so that a list of it is bytes."""
        return self.type == _U8

    @property
    def value(self) -> WitType:
        """The type of values."""
        if self.type is None or isinstance(self.type, FuncType):
            raise Unreadable("a type of no value")
        return self.type


_U8: Final = Scalar("u8")
PLAIN: Final = Known()
Maybe: TypeAlias = Known | None
"""None: it is of a part of the component that was not read."""


def _nothing() -> None:
    pass


@define
class Scope:
    """The index spaces of a component, or of a type of one.

    What a component means by an index is known for its own definitions. Core
    definitions are put between those it had, so for these there are new indices.
    """

    outside: Scope | None = None
    exports: dict[str, Known] = Factory(dict)
    exported: dict[str, int] = Factory(dict)
    """The indices of what is exported, by name."""
    await_core: Callable[[], None] = _nothing
    """Called where a core function is needed that is still to be defined."""
    added: Added = NOTHING_ADDED
    counting: list[int] = Factory(list)
    """The instances with a function that takes their limits."""
    labels: dict[int, str] = Factory(dict)
    """What imported functions are called, by their indices."""
    places: dict[int, str] = Factory(dict)
    """What imported instances are called, by their indices."""
    _spaces: Mapping[int, list[Maybe]] = field(
        factory=lambda: {FUNC: [], TYPE: [], INSTANCE: [], COMPONENT: []}
    )
    _moved: dict[int, list[int | None]] = Factory(dict)
    _counts: dict[int, int] = Factory(dict)

    def add(self, sort: int, known: Maybe = None) -> None:
        """Count a definition of the component's own."""
        if sort >= _CORE:
            self._moved.setdefault(sort, []).append(self.new(sort))
        elif sort in self._spaces:
            self._spaces[sort].append(known)

    def grow(self, more: Added) -> None:
        """Count what an instance has more."""
        had = self.added
        self.added = Added(had.instances + more.instances, had.memories + more.memories)

    def find(self, sort: int, index: int) -> Maybe:
        """Return what is known of one."""
        space = self._spaces.get(sort)
        if space is None:
            return None
        if index >= len(space):
            raise Unreadable("an index of what is not there")
        return space[index]

    def count(self, sort: int) -> int:
        """Return how many there are of a sort that nothing is added to."""
        return len(self._spaces[sort])

    def new(self, sort: int) -> int:
        """Count a core definition that is added, and return its index."""
        index = self._counts.get(sort, 0)
        self._counts[sort] = index + 1
        return index

    def defer(self) -> int:
        """Count a core function that is defined later; return its old index."""
        space = self._moved.setdefault(CORE_FUNC, [])
        space.append(None)
        return len(space) - 1

    def settle(self, old: int, new: int) -> None:
        """Note the new index of a deferred function."""
        self._moved[CORE_FUNC][old] = new

    def core(self, sort: int, old: int) -> int:
        """Return the new index of a core definition."""
        space = self._moved.get(sort, ())
        if old >= len(space):
            raise Unreadable("an index of what is not there")
        if space[old] is None:
            self.await_core()
        new = space[old]
        if new is None:
            raise Unreadable("a function that is not defined yet")
        return new
