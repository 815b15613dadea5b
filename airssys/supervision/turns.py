"""Give turns to start and stop children: one at a time, first come first served."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

import anyio
from attrs import define, field

from ..core.errors import ChildRefused

__all__ = ("STOPPING", "Caller", "Turns")

STOPPING: Final = "the supervisor is stopping"
"""Why a call is refused while the supervisor stops."""


class Caller(Protocol):
    """**Protocol:** a child whose own task makes a call."""

    @property
    def refusal(self) -> str:
        """Why such a call would wait for itself; empty while the child runs."""
        ...


@define(eq=False)
class _Turn:
    """A place in the queue."""

    caller: Caller | None = None
    come: anyio.Event = field(factory=anyio.Event)
    refused: str = ""


@define(eq=False)
class Turns:
    """The queue of calls that want to start or stop children of one supervisor.

    The supervisor itself stands in it too, at most once, to attend to exits and
    restarts. Each passes the turn on when it is done.
    """

    supervisor: str
    """Its name, for errors."""
    closing: bool = field(default=False, init=False)
    """Whether the supervisor is stopping, so that new calls are refused."""
    own_wanted: bool = field(default=False, init=False)
    """Whether the supervisor's own turn was asked for."""
    _own: _Turn = field(factory=_Turn, init=False)
    _busy: bool = field(default=False, init=False)
    """Whether it is someone's turn."""
    _waiting: deque[_Turn] = field(factory=deque, init=False)

    def check(self, id: str, tried: str) -> None:  # noqa: A002 - the spec's word
        """Raise `ChildRefused` if the supervisor is stopping."""
        if self.closing:
            raise ChildRefused(self.supervisor, id, tried, STOPPING)

    async def take(self, id: str, tried: str, caller: Caller | None) -> None:  # noqa: A002
        """Wait for a turn.

        Args:
            id: Which child the turn is for.
            tried: What is to be done with it.
            caller: The child whose own task makes the call.

        Raises:
            ChildRefused: The supervisor is, or was while this waited, stopping, or the
                caller is about to be stopped and would wait for itself.
        """
        self.check(id, tried)
        if caller is not None and (why := caller.refusal):
            raise ChildRefused(self.supervisor, id, tried, why)
        if not self._busy:
            self._busy = True
            return
        turn = _Turn(caller)
        self._waiting.append(turn)
        waited = False
        try:
            await turn.come.wait()
            waited = True
        finally:
            if not waited and not turn.refused:
                if turn.come.is_set():
                    self.pass_on()
                else:
                    self._waiting.remove(turn)
        if turn.refused:
            raise ChildRefused(self.supervisor, id, tried, turn.refused)

    async def take_own(self, deadline: float) -> None:
        """Wait for the supervisor's own turn, and ask for it at the deadline."""
        turn = self._own
        with anyio.CancelScope(deadline=deadline):
            await turn.come.wait()
        if not turn.come.is_set():
            self.want_own()
            await turn.come.wait()
        self._own, self.own_wanted = _Turn(), False

    def want_own(self) -> None:
        """Ask for the supervisor's own turn."""
        if not self.own_wanted:
            self.own_wanted = True
            self._waiting.append(self._own)
            if not self._busy:
                self._busy = True
                self.pass_on()

    def pass_on(self) -> None:
        """Give the turn to the next in the queue."""
        if self._waiting:
            self._waiting.popleft().come.set()
        else:
            self._busy = False

    def refuse(self, why: str, caller: Caller | None = None) -> None:
        """Refuse calls that wait for their turn: all, or those from inside a child."""
        for turn in tuple(self._waiting):
            if caller is None or turn.caller is caller:
                self._waiting.remove(turn)
                turn.refused = why
                turn.come.set()
