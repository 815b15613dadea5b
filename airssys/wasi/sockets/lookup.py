"""Let guests look names up: ``wasi:sockets/ip-name-lookup``."""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Final

import anyio
from attrs import define, field

from ...core.errors import WitError
from ...core.grants.addresses import Address, is_special
from ...core.grants.capabilities import Network as Capability
from ...host.errors import permission_denied
from ...host.network.addresses import address_value
from ...host.network.dealings import Lead
from ...host.network.resolve import Answer
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, operation
from ...witmodel.types import Variant
from ..outside import Outside
from ..polling import Pollable, Source, on
from .addresses import literal_of, plain
from .errors import ErrorCode, as_error_codes, explained, refuse
from .network import Network

__all__ = ("MOST_LOOKUPS", "LookupOperations", "ResolvedAddresses")

MOST_LOOKUPS: Final = 16
"""Look-ups of one guest at one time."""
_LOOKING: Final = Inside(
    ("network.resolve", "network.outbound"),
    "resolve for the name in normal form, or outbound for it at some port",
)


@define(eq=False)
class ResolvedAddresses:
    """The resource ``resolve-address-stream``."""

    asked: str = ""
    """The name in normal form; empty: it was an address already."""
    source: Source = field(factory=Source, init=False)
    answer: Answer | None = field(default=None, init=False)
    """What came of it, until it is judged."""
    failure: ErrorCode | None = field(default=None, init=False)
    broken: Exception | None = field(default=None, init=False)
    """What the host's resolver raised that is none of its errors."""
    left: deque[Address] | None = field(default=None, init=False)
    """What the guest is still to be told."""
    scope: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)

    def ready(self) -> bool:
        """Tell whether there is anything to tell."""
        come = (self.answer, self.failure, self.left, self.broken)
        return any(each is not None for each in come)

    def drop(self) -> None:
        """Give the look-up up."""
        self.scope.cancel()


@define(eq=False)
class LookupOperations:
    """The operations of ``wasi:sockets/ip-name-lookup``."""

    interface: ClassVar[str] = "wasi:sockets/ip-name-lookup@0.2.12"
    outside: Outside

    @operation(needs=_LOOKING)
    def resolve_addresses(self, call: Call, _: Network, name: str) -> ResolvedAddresses:
        permits = self.outside.permits
        with as_error_codes(permits.gate, call, "looking a name up"):
            try:
                literal = literal_of(name)
            except ValueError:
                literal = None  # and then it is no name either
            if literal is not None:
                found = ResolvedAddresses()
                found.left = deque((literal,))
                return found
            asked = permits.name(call, name)
            permits.require_lookup(call, asked)
        dealings = self.outside.ledger.of(call)
        if dealings.looking >= MOST_LOOKUPS:
            reason = f"{MOST_LOOKUPS} at one time are the most"
            permits.gate.refused(call, f"look up {asked!r} too", reason)
            refuse("temporary-resolver-failure")
        found = ResolvedAddresses(asked)
        dealings.looking += 1
        self.outside.work.start_soon(self._look_up, call, found)
        return found

    async def _look_up(self, call: Call, found: ResolvedAddresses) -> None:
        permits = self.outside.permits
        try:
            with found.scope:
                found.answer = await permits.lookup(call, found.asked)
        except TimeoutError:
            found.failure = "temporary-resolver-failure"
        except (OSError, WitError) as error:
            found.failure, _words = explained(
                permits.gate, call, f"looking up {found.asked}", error
            )
        except Exception as error:  # noqa: BLE001 - it is for who asked, not for all
            found.broken = error
        finally:
            self.outside.ledger.of(call).looking -= 1
            found.source.touch()

    @operation(
        "[method]resolve-address-stream.resolve-next-address",
        needs=Inside(_LOOKING.capabilities, "what the look-up began with, once more"),
    )
    def resolve_next_address(
        self, call: Call, found: ResolvedAddresses
    ) -> Variant | None:
        if not found.ready():
            refuse("would-block")
        if found.broken is not None:
            raise found.broken
        if found.failure is not None:
            refuse(found.failure)
        with as_error_codes(self.outside.gate, call, "looking a name up"):
            if found.asked:
                known = self.outside.permits.require_lookup(call, found.asked)
                if found.answer is not None:
                    found.left = self._judged(call, found, found.answer, known=known)
                    found.answer = None
        assert found.left is not None, "it is ready"
        return address_value(found.left.popleft()) if found.left else None

    def _judged(
        self, call: Call, found: ResolvedAddresses, answer: Answer, *, known: bool
    ) -> deque[Address]:
        """Return the addresses that a guest may know, and note that it was told.

        Raises:
            WitError: It may know none of them; there are events of that.
        """
        permits, now = self.outside.permits, self.outside.gate.clock()
        told: deque[Address] = deque()
        for address in dict.fromkeys(map(plain, answer.addresses)):
            if (
                known
                or not is_special(address)
                or call.grants.reaches(str(address), now)
            ):
                told.append(address)
                continue
            # An answer that leads inside is news, and none of the guest's business.
            problem = permits.gate.judge(call, Capability("resolve", str(address)))
            assert problem is not None, "it is not granted"
            permits.gate.report(call, problem, found.asked)
        if not told:
            words = f"may not connect to {found.asked!r}: no grant covers its addresses"
            raise WitError(permission_denied(words))
        self.outside.ledger.of(call).learn(Lead(found.asked, answer.canonical), told)
        return told

    @operation(
        "[method]resolve-address-stream.subscribe",
        needs=Free("it waits for what the guest holds already"),
    )
    def subscribe(self, _: Call, found: ResolvedAddresses) -> Pollable:
        return on(found.source, found.ready)
