"""Send and receive datagrams: what a UDP socket of a guest and its streams share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import anyio
from attrs import define, field

from ...core.errors import WitError
from ...core.grants.capabilities import Denial, Network
from ...host.errors import permission_denied
from ...host.network.addresses import Peer
from ...host.network.owned import Way
from ...host.network.shares import Share
from ...host.network.udp import UdpSocket
from ...hostcalls.call import Call
from ...witmodel.types import Variant
from ..misuse import misuse
from ..outside import Outside
from ..polling import Source
from ..readiness import is_readable, is_writable
from .addresses import remote_of, socket_address
from .errors import refuse
from .options import keep_settings
from .phases import Phase

__all__ = (
    "LARGEST_DATAGRAM",
    "MOST_BYTES",
    "MOST_RECEIVED",
    "MOST_SENT",
    "IncomingDatagrams",
    "OutgoingDatagrams",
    "UdpEnd",
)

LARGEST_DATAGRAM: Final = 65_507
"""Bytes that a datagram has room for."""
MOST_RECEIVED: Final = 64
"""Datagrams that one call receives."""
MOST_BYTES: Final = 2**18
"""Bytes after which a call receives no further one."""
MOST_SENT: Final = 16
"""Datagrams that one call may send."""
_WHOLE: Final = 65_536


@define(eq=False)
class UdpEnd:
    """What a guest's ``udp-socket`` stands for."""

    outside: Outside
    socket: UdpSocket
    phase: Phase = Phase.UNBOUND
    turn: int = field(default=0, init=False)
    """Counts pairs of streams: only the last one works."""
    readable: Source = field(init=False)
    writable: Source = field(init=False)
    _local: Peer | None = field(default=None, init=False)
    """What it is bound to: the address that was asked for, and its port."""
    _inbound: Network | None = field(default=None, init=False)
    """The capability that it was bound under."""
    _holders: int = field(default=1, init=False)
    """The guest's handles: of the socket, and of its streams."""

    def __attrs_post_init__(self) -> None:
        self.readable = self.outside.readiness.reading(self.socket)
        self.writable = self.outside.readiness.writing(self.socket)

    def bound_to(self, asked: Peer, *, anybody: bool) -> None:
        """Note what it is bound to, and whether it receives from anybody."""
        local = self.socket.local
        assert local is not None, "it is bound"
        self._local, self._inbound = Peer(asked.address, local.port), self.socket.need
        # It has a port to receive at, from those at least whom it may send to.
        self.socket.bound, self.socket.used = anybody, True

    def aim(self, way: Way | None) -> None:
        """Send to one peer alone, and receive from it; None: to and from others too.

        Raises:
            OSError: The system refuses it.
        """
        assert self._local is not None, "it is bound"
        if self.socket.peer is not None:
            # For another peer too: the local address that the first one was reached
            # from may not lead there.
            try:
                self.socket.part(self._local, partial(keep_settings, self.socket))
            except OSError:
                self.phase = Phase.CLOSED
                raise
        self.socket.need = self._inbound
        if way is not None:
            self.socket.choose(way)

    def streams(self) -> tuple[IncomingDatagrams, OutgoingDatagrams]:
        """Return new streams, in place of those before."""
        self.turn += 1
        self._holders += 2
        return IncomingDatagrams(self, self.turn), OutgoingDatagrams(self, self.turn)

    def drop(self) -> None:
        """Note that a handle is gone; the last one closes."""
        self._holders -= 1
        if not self._holders:
            self.phase = Phase.CLOSED
            self.socket.close()

    def works(self, turn: int) -> bool:
        """Tell whether the streams of a turn are the last ones."""
        return turn == self.turn and not self.socket.closed

    def judge(self, call: Call, peer: Peer) -> Way | Denial:
        """Return how a caller may send to a peer, or why it may not."""
        leads = self.outside.ledger.of(call).leads(peer.address)
        return self.outside.permits.judge_way(call, peer, leads)

    def wants(self, call: Call, sender: Peer) -> bool:
        """Tell whether a caller receives what has come from there."""
        if self.socket.peer is not None:
            return sender == self.socket.peer
        return self.socket.bound or isinstance(self.judge(call, sender), Way)


@define(eq=False)
class IncomingDatagrams:
    """The resource ``incoming-datagram-stream``."""

    end: UdpEnd
    turn: int

    def ready(self) -> bool:
        """Tell whether `receive` has something to say."""
        return not self.end.works(self.turn) or is_readable(self.end.socket.raw)

    async def receive(self, call: Call, most: int) -> list[dict[str, object]]:
        """Return the datagrams that are there, at most so many.

        Raises:
            WitError: Nothing can be received any more.
            OSError: An earlier one could not be delivered.
        """
        end, permits = self.end, self.end.outside.permits
        if not end.works(self.turn):
            refuse("invalid-state")
        permits.hold_to(call, end.socket)
        share = Share(permits.gate, call, permits.again(call, end.socket))
        found: list[dict[str, object]] = []
        size = 0
        most = min(most, MOST_RECEIVED)
        while len(found) < most and size < MOST_BYTES:
            try:
                got, sender = await end.socket.receive(
                    share, _WHOLE, partial(end.wants, call)
                )
            except WitError as error:
                if _would_block(error):
                    break
                raise
            except OSError:
                if found:  # the next call hears of the next one
                    break
                raise
            found.append({"data": got, "remote-address": socket_address(sender)})
            size += len(got)
            if _in_debt(call):
                break  # what is there waits rather than the guest
        return found

    def drop(self) -> None:
        """Let go of it."""
        self.end.drop()


@define(eq=False)
class OutgoingDatagrams:
    """The resource ``outgoing-datagram-stream``."""

    end: UdpEnd
    turn: int
    _permitted: int = field(default=-1, init=False)
    """Datagrams that may be sent next; -1: it was not asked how many."""
    _full: bool = field(default=False, init=False)
    """Whether the system took no more the last time."""

    def ready(self) -> bool:
        """Tell whether `check` has something to say: a number over 0, or an error."""
        return (
            not self._full
            or not self.end.works(self.turn)
            or is_writable(self.end.socket.raw)
        )

    def check(self) -> int:
        """Return how many may be sent, and permit it.

        Raises:
            WitError: Nothing can be sent any more.
        """
        if not self.end.works(self.turn):
            refuse("invalid-state")
        if self._full and self.ready():
            self._full = False
        self._permitted = 0 if self._full else MOST_SENT
        return self._permitted

    async def send(self, call: Call, datagrams: Sequence[Any]) -> int:
        """Send them in their order, and return how many went out.

        Raises:
            GuestTrapped: So many were not permitted.
            WitError: The first one cannot be sent, or may not be.
            OSError: The system refuses it.
        """
        permitted, self._permitted = self._permitted, -1
        if permitted < 0:
            raise misuse(call, "it sent datagrams without check-send before")
        if len(datagrams) > permitted:
            reason = f"it sent {len(datagrams):_} datagrams where check-send said "
            raise misuse(call, f"{reason}{permitted}")
        if not self.end.works(self.turn):
            refuse("invalid-state")
        for count, each in enumerate(datagrams):
            try:
                await self._send(call, each.data, each.remote_address)
            except (OSError, WitError) as error:
                if isinstance(error, WitError) and _would_block(error):
                    self._full = True
                elif not count:
                    raise
                return count
        return len(datagrams)

    async def _send(self, call: Call, data: bytes, to: Variant | None) -> None:
        end, permits = self.end, self.end.outside.permits
        if len(data) > LARGEST_DATAGRAM:
            refuse("datagram-too-large")
        given = None if to is None else remote_of(to, end.socket.family)
        if end.socket.peer is not None:
            if given not in {None, end.socket.peer}:
                refuse("invalid-argument")
            again = permits.again(call, end.socket)
            await end.socket.send(Share(permits.gate, call, again), data, None)
            return
        if given is None:
            refuse("invalid-argument")

        def check() -> None:
            problem = end.judge(call, given)
            if isinstance(problem, Denial):
                permits.gate.report(call, problem)
                raise WitError(permission_denied(permits.gate.words(problem)))

        await end.socket.send(Share(permits.gate, call, check), data, given)

    def drop(self) -> None:
        """Let go of it."""
        self.end.drop()


def _would_block(error: WitError) -> bool:
    return isinstance(error.value, Variant) and error.value.case == "would-block"


def _in_debt(call: Call) -> bool:
    budget = call.budget
    return budget is not None and budget.debt("network", anyio.current_time()) > 0
