"""Keep connections for the next request of the same guest to the same place."""

from __future__ import annotations

from typing import Final

import anyio
from anyio.abc import TaskGroup
from attrs import define, field

from ...hostcalls.call import Standing
from .connection import Connection, Route

__all__ = ("KeptConnections",)

_KEPT: Final = 15.0
"""Seconds that a connection is kept. Many servers end what is idle for longer."""
_MOST: Final = 256
_MOST_EACH: Final = 16
"""Of one guest."""


@define(eq=False)
class KeptConnections:
    """Connections that nobody uses, by whose they are and where they lead."""

    _work: TaskGroup
    _kept: dict[Connection, float] = field(factory=dict, init=False)
    """Until when, those that were used last at the end."""
    _tidied: bool = field(default=False, init=False)
    """Whether there is a task that closes what was kept for too long."""

    def take(self, route: Route) -> Connection | None:
        """Return one that leads there and still stands; None: there is none."""
        for connection in [each for each in self._kept if each.route == route]:
            del self._kept[connection]
            if connection.socket.quiet():
                return connection
            connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep one; others have to go where there are too many."""
        owner = connection.route.owner
        if len(self._of(owner)) >= _MOST_EACH:
            self.shed(owner)
        while len(self._kept) >= _MOST:
            self._close(next(iter(self._kept)))
        self._kept[connection] = anyio.current_time() + _KEPT
        if not self._tidied:
            self._tidied = True
            self._work.start_soon(self._tidy)

    def shed(self, owner: Standing) -> bool:
        """Close one of a guest's, kept for the longest time; False: it has none."""
        found = self._of(owner)
        for connection in found[:1]:
            self._close(connection)
        return bool(found)

    def _of(self, owner: Standing) -> list[Connection]:
        return [each for each in self._kept if each.route.owner is owner]

    def _close(self, connection: Connection) -> None:
        del self._kept[connection]
        connection.close()

    async def _tidy(self) -> None:
        try:
            while self._kept:
                connection, until = next(iter(self._kept.items()))
                if until <= anyio.current_time():
                    self._close(connection)
                else:
                    await anyio.sleep_until(until)
        finally:
            self._tidied = False
            for connection in list(self._kept):
                self._close(connection)
