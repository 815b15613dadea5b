"""Know who subscribed to what, for as long as it is granted."""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import define, field

from ..core.grants.capabilities import Messaging
from ..core.grants.grants import Grants
from ..core.message import Overflow, Publication, Routes
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
    """The grants by which all subscriptions of a component were found in order."""

    def subscribe(
        self, subscriber: str, pattern: str, overflow: Overflow | None = None
    ) -> None:
        """Add a subscription, as `Routes.subscribe` does, with its overflow rule."""
        self._checked.pop(subscriber, None)
        self._routes.subscribe(subscriber, pattern)
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
        return self._routes.unsubscribe(subscriber, pattern)

    def forget(self, subscriber: str) -> None:
        """Remove all subscriptions of the subscriber."""
        self._checked.pop(subscriber, None)
        self._rules.pop(subscriber, None)
        self._routes.forget(subscriber)

    def subscribers(self, topic: str) -> tuple[str, ...]:
        """Return who gets a message of the topic, now.

        Raises:
            ValueError: The text is no topic.
        """
        found = self._routes.subscribers(topic)
        for subscriber in found:
            standing = self.standing(subscriber)
            if standing is not None and self._end_what_is_gone(subscriber, standing):
                return self.subscribers(topic)
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

    def _end_what_is_gone(self, subscriber: str, standing: Standing) -> bool:
        """End the subscriptions that no grant covers; tell whether there were any."""
        grants, now = standing.grants, self.office.clock()
        if (
            self._checked.get(subscriber) is grants
            and now < grants.expires.get("messaging", math.inf)
        ):  # fmt: skip
            return False
        gone = 0
        for pattern in self._routes.patterns(subscriber):
            denial = grants.check(Messaging("subscribe", pattern), now)
            if denial is not None:
                gone += 1
                self.unsubscribe(subscriber, pattern)
                self.office.denied(subscriber, "subscribe", denial)
        self._checked[subscriber] = grants
        return gone > 0
