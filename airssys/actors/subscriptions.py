"""Know who subscribed to what, for as long as it is granted."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

from attrs import define, field

from ..core.grants.capabilities import Messaging
from ..core.grants.grants import Grants
from ..core.message import Overflow, Publication
from ..core.routes import Routes
from ..hostcalls.call import Standing
from .post_office import PostOffice

__all__ = ("Subscriptions",)


@define(eq=False)
class Subscriptions:
    """The subscriptions of a system's actors, each only for as long as it is granted.

    A grant can be gone at any time: it was revoked or narrowed, or its time is up. So
    it is looked at when a message is to be delivered. A subscription that no grant
    covers any more ends there, and the audit is told once.
    """

    office: PostOffice
    standing: Callable[[str], Standing | None]
    """Returns what a subscriber may do; None: it is trusted."""
    _routes: Routes = field(factory=Routes, init=False)
    _rules: dict[str, dict[str, Overflow]] = field(factory=dict, init=False)
    """By subscriber and pattern, where a subscription has a rule of its own."""
    _checked: dict[str, Grants] = field(factory=dict, init=False)
    """The grants by which subscriptions of a component were found in order."""
    _new: dict[str, set[str]] = field(factory=dict, init=False)
    """Its subscriptions since then."""

    def subscribe(
        self, subscriber: str, pattern: str, overflow: Overflow | None = None
    ) -> None:
        """Add a subscription, as `Routes.subscribe` does, with its overflow rule."""
        self._routes.subscribe(subscriber, pattern)
        self._new.setdefault(subscriber, set()).add(pattern)
        rules = self._rules.setdefault(subscriber, {})
        rules.pop(pattern, None)
        if overflow is not None:
            rules[pattern] = overflow

    def overflow(self, subscriber: str, topic: str) -> Overflow | None:
        """Return what its subscriptions say of a message that finds no room.

        Where they do not agree, the one that loses least counts.
        """
        rules = self._rules.get(subscriber)
        if not rules:
            return None
        said = {
            rules.get(pattern.text)
            for pattern in self._routes.matching(subscriber, topic)
        }
        return next((rule for rule in Overflow if rule in said), None)

    def unsubscribe(self, subscriber: str, pattern: str) -> bool:
        """Remove a subscription, and tell whether there was one."""
        self._rules.get(subscriber, {}).pop(pattern, None)
        self._new.get(subscriber, set()).discard(pattern)
        return self._routes.unsubscribe(subscriber, pattern)

    def forget(self, subscriber: str) -> None:
        """Remove all subscriptions of the subscriber."""
        self._checked.pop(subscriber, None)
        self._new.pop(subscriber, None)
        self._rules.pop(subscriber, None)
        self._routes.forget(subscriber)

    def has(self, subscriber: str) -> bool:
        """Tell whether the subscriber has any subscription."""
        return self._routes.has(subscriber)

    def known(self, topic: str) -> tuple[str, ...] | None:
        """Return who gets a message of the topic, now; None: it is work to find out."""
        found = self._routes.known(topic)
        if found is not None and all(map(self._is_settled, found)):
            return found
        return None

    def finding(self, topic: str) -> Generator[int, None, tuple[str, ...]]:
        """Return who gets a message of the topic, in pieces.

        Raises:
            ValueError: The text is no topic.
        """
        while True:
            found = yield from self._routes.finding(topic)
            gone = 0
            for subscriber in found:
                gone += yield from self._ending_what_is_gone(subscriber)
            if not gone:
                return found

    def hears(self, subscriber: str, message: Publication) -> bool:
        """Tell whether a message of a topic may still be heard; else bury it."""
        standing = self.standing(subscriber)
        if standing is None:
            return True
        denial = standing.grants.hears(message.topic or "", self.office.clock())
        if denial is None:
            return True
        self.office.denied(subscriber, "subscribe", denial)
        self.office.bury(subscriber, message, f"may not hear it: {denial.reason}")
        return False

    def _is_settled(self, subscriber: str) -> bool:
        """Tell whether all its subscriptions are known to be granted still."""
        standing = self.standing(subscriber)
        if standing is None:
            return True
        grants = standing.grants
        return (
            self._checked.get(subscriber) is grants
            and not self._new.get(subscriber)
            and (
                not grants.expires
                or self.office.clock() < grants.expires.get("messaging", math.inf)
            )
        )

    def _ending_what_is_gone(self, subscriber: str) -> Generator[int, None, int]:
        """End the subscriptions that no grant covers, in pieces; return how many."""
        standing = self.standing(subscriber)
        if standing is None or self._is_settled(subscriber):
            return 0
        grants, now = standing.grants, self.office.clock()
        new = self._new.setdefault(subscriber, set())
        if (
            self._checked.get(subscriber) is not grants
            or now >= grants.expires.get("messaging", math.inf)
        ):  # fmt: skip
            new.update(self._routes.patterns(subscriber))
        self._checked[subscriber] = grants
        gone = 0
        for pattern in tuple(new):
            yield len(pattern)
            denial = standing.grants.check(Messaging("subscribe", pattern), now)
            if denial is not None and self.unsubscribe(subscriber, pattern):
                gone += 1
                self.office.denied(subscriber, "subscribe", denial)
            new.discard(pattern)
        return gone
