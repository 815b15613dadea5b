"""Write the core code that looks at each handle within a value that came to a guest.

Where a guest has no tasks it cannot ask which number the next handle would have (see
`guard`), so the numbers themselves are looked at: one by one, wherever they lie.
"""

from __future__ import annotations

from typing import Final

from attrs import Factory, define

from ...witmodel.types import List, Map, Opaque, Own, WitType
from .abi import parts, size
from .walk import Memory, Place, each_element, listed, walk

__all__ = ("Arrivals", "comes")

_SEEN: Final = "(call $seen {})"


def comes(type_: WitType) -> bool:
    """Tell whether a value has handles that stay where it is passed to."""
    return any(isinstance(part, Own | Opaque) for part in parts(type_))


@define
class Arrivals:
    """Functions of a module that look at lists of handles, and what calls them."""

    functions: list[str] = Factory(list)
    _lists: dict[WitType, str] = Factory(dict)

    def of(self, type_: WitType, place: Place) -> list[str]:
        """Return code that looks at the handles of a value."""

        def found(type_: WitType, place: Place) -> list[str]:
            if isinstance(type_, List | Map):
                return [f"(call {self._list(type_)} {place.pointer} {place.count})"]
            # A handle is a number, and lies where the pointer of a list would.
            return [_SEEN.format(place.pointer)]

        return walk(type_, place, found, concerns=comes)

    def _list(self, type_: WitType) -> str:
        """Return the function that looks at the handles in a list."""
        inner = listed(type_)
        if inner not in self._lists:
            name = self._lists[inner] = f"$arrived-list-{len(self._lists)}"
            step, _ = size(inner)
            body = " ".join(self.of(inner, Memory("(local.get $at)")))
            each = each_element(step, body)
            self.functions.append(
                f"(func {name} (param $at i32) (param $n i32) (local $stop i64){each})"
            )
        return self._lists[inner]
