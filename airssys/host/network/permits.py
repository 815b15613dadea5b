"""Decide where a guest may connect to, listen and look names up.

A name is judged, then looked up once, and each address that comes of it is judged by
itself. What is connected to is the address, by its number: a second look-up could be
answered otherwise (DNS rebinding), so there is none. How that goes on is in `dial`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final, Literal, cast

import anyio
from attrs import frozen

from ...core.errors import WitError
from ...core.grants.addresses import is_special
from ...core.grants.capabilities import Capability, Denial, Network, uncovered
from ...hostcalls.call import Call
from ...hostcalls.gate import SHOWN, Gate
from ...witmodel.types import Variant
from ..errors import permission_denied
from .addresses import Family, Named, Peer, Target, normal_name, target_of
from .dealings import Lead
from .errors import as_network_errors, failure
from .owned import OwnedSocket, Way
from .resolve import Answer, Resolver

__all__ = ("Permits",)

_ALL_PORTS: Final = "0"
"""The port of which the system picks which: only a grant of all ports covers it."""


@frozen
class Permits:
    """The rules, over the grants that hold at the moment of each use."""

    gate: Gate
    resolver: Resolver
    longest: float
    """Seconds that anything may wait."""

    def seconds(self, timeout: int) -> float:
        """Return how long a timeout in milliseconds is; 0 is the longest there is."""
        return min(timeout / 1000, self.longest) if timeout else self.longest

    def errors(self, call: Call, doing: str) -> AbstractContextManager[None]:
        """Raise the system's errors as the guest's; a denial of it is audited.

        Args:
            call: Who asks.
            doing: What the guest wants, such as ``connecting``.
        """
        return as_network_errors(doing, partial(self.gate.refused, call))

    # Check one capability.

    def require(self, call: Call, need: Capability, shown: str = "") -> None:
        """Let a call go on if a grant covers the capability.

        Raises:
            WitError: No grant does; there is an event of it.
        """
        if words := self.gate.allowed(call, need, shown):
            raise WitError(permission_denied(words))

    def require_any(
        self,
        call: Call,
        attempt: str,
        actions: Iterable[Literal["outbound", "inbound"]],
    ) -> None:
        """Let a call go on that has some grant for one of the actions.

        Raises:
            WitError: It has none; there is an event of it.
        """
        grants = call.grants.at(self.gate.clock())
        if not any(grants.patterns("network", action) for action in actions):
            denial = Denial("network", "", "", uncovered(), attempt=attempt)
            self.gate.report(call, denial)
            raise WitError(permission_denied(self.gate.words(denial)))

    def require_port(self, call: Call, asked: int, bound: int) -> Network:
        """Let a call listen on a port, and return what it needs from now on.

        Args:
            call: Who asks.
            asked: The port that was asked for; 0 where the system picks it.
            bound: The port that it is.

        Raises:
            WitError: The port is not granted; nor are all, where the system picked it.
        """
        if asked == 0:
            self.require(call, Network("inbound", _ALL_PORTS))
        need = Network("inbound", str(bound or _ALL_PORTS))
        self.require(call, need)
        return need

    def hold_to(self, call: Call, socket: OwnedSocket) -> None:
        """Let a call go on while the capability of its socket is granted.

        Raises:
            WitError: It is not granted any more.
        """
        if socket.need is None:
            self.require_any(call, "use a socket", ("outbound", "inbound"))
            return
        self.require(call, socket.need)
        if socket.way is not None and (problem := self.stands(call, socket.way)):
            self.gate.report(call, problem, socket.way.by)
            raise WitError(permission_denied(self.gate.words(problem, socket.way.by)))

    def again(self, call: Call, socket: OwnedSocket) -> Callable[[], None]:
        """Return what lets a call go on with a socket, after a wait or a piece.

        A grant that still holds is no event again.
        """

        def check() -> None:
            need, way = socket.need, socket.way
            if (
                need is None
                or self.gate.judge(call, need) is not None
                or (way is not None and self.stands(call, way) is not None)
            ):
                self.hold_to(call, socket)

        return check

    def still(self, call: Call, need: Capability, shown: str = "") -> None:
        """Let a call go on, after a wait, that was granted something before it.

        Raises:
            WitError: It is not any more; there is an event of it.
        """
        if self.gate.judge(call, need) is not None:
            self.require(call, need, shown)

    def stands(self, call: Call, way: Way) -> Denial | None:
        """Return why an address may not be used any more, without an event.

        A forbidden address is forbidden by whatever name it was reached. None where
        the address may still be used.
        """
        problem = self.gate.judge(call, way.need)
        return problem or call.grants.forbids(way.peer.outbound)

    def use(self, call: Call, socket: OwnedSocket) -> None:
        """Let a call use an open socket, as `hold_to` does.

        Raises:
            WitError: Its capability is not granted any more, or the socket is closed.
        """
        self.hold_to(call, socket)
        if socket.closed:
            raise failure("invalid-argument", "the socket is closed")

    # Where to connect to.

    def target(self, call: Call, endpoint: Variant) -> Target:
        """Read where a guest wants to connect to.

        Raises:
            WitError: It names no host or no port; there is an event of it.
        """
        try:
            target = target_of(endpoint)
        except ValueError as error:
            shown = "{}:{}".format(*cast("Any", endpoint.value))
            self._refuse_form(call, "connect to", shown, error)
            raise failure("invalid-hostname", str(error)) from error
        if not target.port:
            self._refuse_form(call, "connect to", str(target), "0 is no port")
            raise failure("invalid-port", "0 is no port to connect to")
        return target

    def name(self, call: Call, text: str) -> str:
        """Read a name to look up.

        Raises:
            WitError: The text is no host name; there is an event of it.
        """
        try:
            return normal_name(text)
        except ValueError as error:
            self._refuse_form(call, "resolve", text, error)
            raise failure("invalid-hostname", str(error)) from error

    def _refuse_form(self, call: Call, verb: str, given: str, why: object) -> None:
        # A guest must not break the lines of whoever writes this down.
        shown = given[:SHOWN].encode("unicode_escape").decode("ascii")
        self.gate.refused(call, f"{verb} '{shown}'", str(why), shown)

    async def ways(
        self, call: Call, target: Target, family: Family | None
    ) -> list[Way]:
        """Return the addresses to try, of one family or of both: at least one.

        A name is looked up once, and what comes of it is judged address by address:
        connect to these and nowhere else, or the answer could change in between. The
        grant of a name means no special address, which an answer may name to lead
        inside: that takes a grant of the address.

        Raises:
            WitError: None may be tried, or there is none.
            OSError: Nobody could tell the name's addresses.
        """
        if isinstance(target, Peer):
            self.require(call, target.outbound)
            if family not in {None, target.family}:
                raise failure("invalid-address", f"{target.address} is not {family}")
            return [Way(target, target.outbound, target.host)]
        self._named(call, target)
        answer = await self.lookup(call, target.name)
        # Again, as the grant of the name can be gone since.
        by_name = self._named(call, target)
        if answer.canonical:
            need = Network("outbound", f"{answer.canonical}:{target.port}")
            self._refuse_banned(call, need, str(target))
        found: list[Way] = []
        refused: list[Denial] = []
        for address in answer.addresses:
            peer = Peer(address, target.port)
            if family not in {None, peer.family}:
                continue
            problem = self.gate.judge(call, peer.outbound)
            # In this order: a grant of the address itself; what the host forbids,
            # whatever it was called; the grant of the name, which means no address
            # that leads inside (loopback, private, link-local); none of these.
            if problem is None:
                found.append(Way(peer, peer.outbound, target.name))
            elif banned := call.grants.forbids(peer.outbound):
                refused.append(banned)
            elif by_name and not is_special(address):
                found.append(Way(peer, target.outbound, target.name))
            else:
                refused.append(problem)
        for problem in refused:
            # An answer that leads inside is news even where others do not.
            self.gate.report(call, problem, str(target))
        if found:
            if self.gate.grants:
                self.gate.granted(call, found[0].need, str(target))
            return found
        if refused:
            # The guest does not learn the address, which it may not look up.
            words = f"may not connect to {str(target)!r}: no grant covers its addresses"
            raise WitError(permission_denied(words))
        raise failure(
            "invalid-address", f"{target.name!r} has no {family or 'usable'} address"
        )

    def way(self, call: Call, peer: Peer, leads: Iterable[Lead]) -> Way:
        """Return the way to an address that a guest names, as its own look-ups allow.

        Args:
            call: Who asks.
            peer: Where to.
            leads: The names that have led the guest to the address.

        Raises:
            WitError: Neither the address nor one of the names is granted; there is an
                event of it.
        """
        found = self.judge_way(call, peer, leads)
        if isinstance(found, Denial):
            self.gate.report(call, found)
            raise WitError(permission_denied(self.gate.words(found)))
        if self.gate.grants:
            self.gate.granted(call, found.need, str(peer))
        return found

    def judge_way(self, call: Call, peer: Peer, leads: Iterable[Lead]) -> Way | Denial:
        """Return the way that `way` does, or why there is none, without an event."""
        problem = self.gate.judge(call, peer.outbound)
        if problem is None:
            return Way(peer, peer.outbound, peer.host)
        # In the order of `ways`: the grant of a name means no address that leads
        # inside, nor what the host forbids by another name of it.
        if banned := call.grants.forbids(peer.outbound):
            return banned
        if not is_special(peer.address):
            for lead in leads:
                need = Named(lead.name, peer.port).outbound
                alias = Named(lead.canonical, peer.port).outbound
                if self.gate.judge(call, need) is None and not (
                    lead.canonical and call.grants.forbids(alias)
                ):
                    return Way(peer, need, lead.name)
        return problem

    def require_target(self, call: Call, target: Target) -> None:
        """Let a call go on if its target is granted, as far as shows before a look-up.

        Raises:
            WitError: The target is not granted; there is an event of it.
        """
        if isinstance(target, Named):
            self._named(call, target)
        elif problem := self.gate.judge(call, target.outbound):
            self.gate.report(call, problem)
            raise WitError(permission_denied(self.gate.words(problem)))

    def _named(self, call: Call, target: Named) -> bool:
        """Tell whether a name is granted; if not, it must be granted to look it up."""
        problem = self.gate.judge(call, target.outbound)
        if problem is None:
            return True
        if (
            call.grants.forbids(target.outbound)
            or self.gate.judge(call, Network("resolve", target.name)) is not None
        ):
            self.gate.report(call, problem)
            raise WitError(permission_denied(self.gate.words(problem)))
        return False

    def _refuse_banned(self, call: Call, need: Network, shown: str) -> None:
        """Refuse what the host forbids under another name than the guest has used."""
        if problem := call.grants.forbids(need):
            self.gate.report(call, problem, shown)
            raise WitError(permission_denied(self.gate.words(problem, shown)))

    # Look up.

    def require_lookup(self, call: Call, name: str) -> bool:
        """Let a call look up a name, to connect to what comes of it.

        Returns:
            Whether it was granted to look it up, as such; if not, only to connect to
            it, so what leads inside is not for the guest to know.

        Raises:
            WitError: It is granted neither; there is an event of it.
        """
        need = Network("resolve", name)
        problem = self.gate.judge(call, need)
        if problem is None:
            if self.gate.grants:
                self.gate.granted(call, need)
            return True
        if call.grants.forbids(need) or not call.grants.reaches(
            name, self.gate.clock()
        ):
            self.gate.report(call, problem)
            raise WitError(permission_denied(self.gate.words(problem)))
        return False

    async def lookup(self, call: Call, name: str) -> Answer:
        """Look a name up, under the deadline in force.

        Raises:
            WitError: It has no address.
            OSError: Nobody could tell.
        """
        with anyio.fail_after(self.longest):
            answer = await self.resolver.lookup(name, asker=call.who)
        if answer.canonical:
            self._refuse_banned(call, Network("resolve", answer.canonical), name)
        if not answer.addresses:
            raise failure("dns-resolution-failed", f"{name!r} has no address")
        return answer
