"""Keep instances of a component at hand for requests: some ahead, no more than so many.

An instance answers one request at a time. Whether it answers another one afterwards is
for whoever serves to say: a guest can keep something of one client for the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from attrs import define, field

from ...core.errors import AirssysError
from ...core.limits import Limits
from ...hostcalls.call import Standing
from ...hostcalls.interface import Guard, HostInterface, Missing

__all__ = ("Instances",)

_AHEAD: Final = 8
"""Instances that are made before anybody asks for them."""
_PAUSE: Final = 1.0
"""Seconds until another try, where none could be made ahead."""


@define(eq=False, kw_only=True)
class Instances:
    """The instances of one component that serve."""

    component: Any
    """A `Component`."""
    imports: Sequence[HostInterface]
    limits: Limits
    standing: Standing
    """Of all instances, so that their quotas are one."""
    context: Callable[[], object]
    guard: Guard | None
    actor: str
    missing: Missing
    size: int
    reuse: bool
    _ready: deque[Any] = field(factory=deque, init=False)
    _closed: bool = field(default=False, init=False)
    """Whether the server has ended: nothing is kept any more."""
    _turns: anyio.CapacityLimiter = field(init=False)
    _wanted: anyio.Event = field(factory=anyio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._turns = anyio.CapacityLimiter(self.size)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Any]:
        """Lend an instance for one request, once it is this request's turn.

        Raises:
            AirssysError: None can be made.
        """
        async with self._turns:
            instance = self._ready.pop() if self._ready else await self._make()
            self._wanted.set()
            try:
                yield instance
            finally:
                # What trapped or was cancelled has ended.
                if self.reuse and instance.alive and not self._closed:
                    self._ready.append(instance)
                else:
                    instance.close()

    async def prepare(self) -> None:
        """Make the first instance.

        Raises:
            AirssysError: It cannot be made.
        """
        if not self._ready:
            self._ready.append(await self._make())

    async def refill(self) -> None:
        """Make instances ahead, until this is cancelled; then close what is left."""
        self._closed = False
        try:
            while True:
                try:
                    while len(self._ready) < min(self.size, _AHEAD):
                        self._ready.append(await self._make())
                except AirssysError:
                    # Whoever needs one finds out by itself, and tells of it.
                    await anyio.sleep(_PAUSE)
                    continue
                self._wanted = anyio.Event()
                await self._wanted.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Close the instances that nobody uses, and keep no others from now on."""
        self._closed = True
        while self._ready:
            self._ready.pop().close()

    async def _make(self) -> Any:
        return await self.component.instantiate(
            self.imports,
            limits=self.limits,
            grants=self.standing,
            actor=self.actor,
            guard=self.guard,
            context=self.context(),
            missing=self.missing,
        )
