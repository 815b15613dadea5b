"""Describe the actors of a system as host functions see and reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ..hostcalls.call import Standing

__all__ = ("ActorDirectory", "Described")


class Described(Protocol):
    """**Protocol:** what is known about one actor."""

    @property
    def config(self) -> Mapping[str, str]: ...
    @property
    def metadata(self) -> object: ...
    @property
    def health(self) -> object: ...


class ActorDirectory(Protocol):
    """**Protocol:** the actors there are, each named by its id, and how to reach them.

    `actors.registry.Registry` is one.
    """

    @property
    def ids(self) -> tuple[str, ...]: ...
    def entry(self, id: str, /) -> Described:  # noqa: A002
        """Return what is known about an actor. Raises `NoSuchActor`."""
        ...

    # After each wait for room ``again`` is asked, and what it raises is raised.

    async def send(
        self, target: str, payload: bytes, *, sender: str, again: Callable[[], object]
    ) -> None: ...

    async def ask(
        self,
        target: str,
        payload: bytes,
        *,
        sender: str,
        timeout: float,  # noqa: ASYNC109 - has its own error
        again: Callable[[], object],
    ) -> bytes: ...

    async def request(
        self,
        target: str,
        payload: bytes,
        *,
        sender: str,
        timeout: float,  # noqa: ASYNC109 - of the answer
        again: Callable[[], object],
    ) -> str: ...

    def cancel_request(self, request_id: str, *, sender: str) -> bool: ...

    async def publish(
        self, topic: str, payload: bytes, *, sender: str, again: Callable[[], object]
    ) -> int: ...

    def subscribe(self, pattern: str, *, sender: str) -> None: ...

    def unsubscribe(self, pattern: str, *, sender: str) -> bool: ...

    def standing(self, id: str, /) -> Standing | None:  # noqa: A002
        """Return what a component may do; None for a Python actor, which is trusted."""
        ...
