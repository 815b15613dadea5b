"""Keep keys and values in memory, as long as the program runs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Final

import anyio.lowlevel
from attrs import define, field

from ..core.defaults import LISTED
from ..core.errors import StorageError
from ..core.limits import MIB
from .keys import cost
from .protocol import Stored

__all__ = ("MemoryStorage",)

_BACKEND: Final = "memory"


@define(eq=False)
class _Namespace:
    """The values of one component, and its keys in order."""

    values: dict[str, bytes] = field(factory=dict)
    keys: list[str] = field(factory=list)
    size: int = 0


@define(eq=False)
class MemoryStorage:
    """A `Storage` in memory. It is gone with the program, but not with an actor.

    Args:
        most: Bytes of all namespaces together, keys and their cost included.
    """

    most: int = 256 * MIB
    size: int = field(default=0, init=False)
    """Bytes that are in use."""
    _spaces: dict[str, _Namespace] = field(factory=dict, init=False)

    async def get(self, namespace: str, key: str) -> bytes | None:
        """Return a value; None where there is none."""
        await anyio.lowlevel.checkpoint()
        return self._space(namespace).values.get(key)

    async def set(self, namespace: str, key: str, value: bytes) -> None:
        """Write a value.

        Raises:
            StorageError: There is no room. Nothing changed.
        """
        await anyio.lowlevel.checkpoint()
        self._set(namespace, key, value)

    async def delete(self, namespace: str, key: str) -> bool:
        """Remove a value, and tell whether there was one."""
        await anyio.lowlevel.checkpoint()
        space = self._space(namespace)
        old = space.values.pop(key, None)
        if old is None:
            return False
        del space.keys[bisect_left(space.keys, key)]
        space.size -= cost(key, len(old))
        self.size -= cost(key, len(old))
        if not space.keys:
            del self._spaces[namespace]
        return True

    async def exists(self, namespace: str, key: str) -> bool:
        """Tell whether there is a value."""
        await anyio.lowlevel.checkpoint()
        return key in self._space(namespace).values

    async def keys(
        self, namespace: str, prefix: str = "", *, after: str = "", most: int = LISTED
    ) -> list[str]:
        """Return keys in order, a page at a time."""
        await anyio.lowlevel.checkpoint()
        keys = self._space(namespace).keys
        start = max(bisect_left(keys, prefix), bisect_right(keys, after))
        page = keys[start : start + most]
        return [key for key in page if key.startswith(prefix)]

    async def usage(self, namespace: str) -> Stored:
        """Tell how much there is in a namespace."""
        await anyio.lowlevel.checkpoint()
        space = self._space(namespace)
        return Stored(space.size, len(space.keys))

    async def compare_and_set(
        self, namespace: str, key: str, expected: bytes | None, value: bytes
    ) -> bool:
        """Write a value if another one is there, at one go.

        Raises:
            StorageError: There is no room. Nothing changed.
        """
        await anyio.lowlevel.checkpoint()
        if self._space(namespace).values.get(key) != expected:
            return False
        self._set(namespace, key, value)
        return True

    def _space(self, namespace: str) -> _Namespace:
        return self._spaces.get(namespace) or _Namespace()

    def _set(self, namespace: str, key: str, value: bytes) -> None:
        space = self._space(namespace)
        old = space.values.get(key)
        growth = cost(key, len(value)) - (0 if old is None else cost(key, len(old)))
        if self.size + growth > self.most:
            raise StorageError(
                _BACKEND, key, f"it holds no more than {self.most:_} bytes"
            )
        self._spaces[namespace] = space
        if old is None:
            insort(space.keys, key)
        space.values[key] = value
        space.size += growth
        self.size += growth
