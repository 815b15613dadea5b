"""Describe what keeps components' data: keys and values, in namespaces."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from ..core.defaults import LISTED

__all__ = ("Storage", "Stored")


@frozen
class Stored:
    """How much a namespace of a `Storage` holds."""

    bytes: int
    """Of keys and values, as `storage.keys.cost` counts them."""
    keys: int


class Storage(Protocol):
    """**Protocol:** keys and values that outlive who wrote them.

    Each namespace is apart from all others. Keys are in the form that
    `storage.keys.check_key` wants. What cannot be done raises `StorageError`, and
    then nothing has changed.
    """

    async def get(self, namespace: str, key: str) -> bytes | None:
        """Return a value; None where there is none."""
        ...

    async def set(self, namespace: str, key: str, value: bytes) -> None:
        """Write a value, in place of the one that is there."""
        ...

    async def delete(self, namespace: str, key: str) -> bool:
        """Remove a value, and tell whether there was one."""
        ...

    async def exists(self, namespace: str, key: str) -> bool:
        """Tell whether there is a value."""
        ...

    async def keys(
        self, namespace: str, prefix: str = "", *, after: str = "", most: int = LISTED
    ) -> list[str]:
        """Return keys in order, a page at a time.

        Args:
            namespace: Whose.
            prefix: What they begin with.
            after: The last key of the page before.
            most: Keys of a page. A page with fewer keys, or without any, is the last.
        """
        ...

    async def usage(self, namespace: str) -> Stored:
        """Tell how much there is in a namespace."""
        ...

    async def compare_and_set(
        self, namespace: str, key: str, expected: bytes | None, value: bytes
    ) -> bool:
        """Write a value if what is there is as expected; None: nothing is.

        No other write comes between. False where it is not, and nothing changed.
        """
        ...
