"""Count what guests send and receive against their quotas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio
from attrs import frozen

from ...hostcalls.call import Call
from ...hostcalls.gate import Gate
from .errors import failure

__all__ = ("LARGEST_PIECE", "Share")

LARGEST_PIECE: Final = 65_536
"""Bytes that are sent or received in one step."""


@frozen
class Share:
    """What a guest may still send and receive in one host call.

    What is sent is taken beforehand. What is received is charged afterwards, as nobody
    knows how much will come, and paid for before anything else is sent or received: so
    nothing that has arrived is lost.
    """

    gate: Gate
    call: Call
    again: Callable[[], object]
    """Raises where the caller may not go on; asked before each piece and after each
    wait."""
    waits: bool = True
    """Whether to wait for a share; if not, the guest gets ``would-block``."""

    @property
    def piece(self) -> int:
        """Bytes that can be sent or received in one step."""
        budget = self.call.budget
        if budget is None:
            return LARGEST_PIECE
        return max(1, int(min(budget.most("network"), LARGEST_PIECE)))

    async def take(self, amount: int) -> None:
        """Wait until so much may be sent, up to the deadline in force.

        Raises:
            WitError: It may not before that.
        """
        budget = self.call.budget
        if budget is not None:
            while wait := budget.take("network", amount, anyio.current_time()):
                await self._wait(wait, f"send {amount:_} bytes")

    async def pay(self) -> None:
        """Begin a piece: wait until what was received is paid for.

        Raises:
            WitError: It is not before the deadline in force; or its grant is gone.
        """
        self.again()
        budget = self.call.budget
        if budget is not None:
            while wait := budget.debt("network", anyio.current_time()):
                await self._wait(wait, "receive more bytes")

    def charge(self, amount: int) -> None:
        """Count what was received, or will be beside what is asked for."""
        budget = self.call.budget
        if budget is not None:
            budget.charge("network", amount, anyio.current_time())

    async def _wait(self, wait: float, needed: str) -> None:
        left = anyio.current_effective_deadline() - anyio.current_time()
        if self.waits and wait <= left:
            await anyio.sleep(wait)
            self.again()
            return
        budget = self.call.budget
        assert budget is not None
        reason = str(budget.refusal("network", wait))
        self.gate.refused(self.call, needed, reason)
        raise failure("resource-exhausted" if self.waits else "would-block", reason)
