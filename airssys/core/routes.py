"""Decide where topics lead: who subscribed to what."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from attrs import define, field

from .errors import QuotaExceeded
from .grants.pattern import Pattern
from .grants.spelling import Kind, topic_tokens
from .grants.topics import Topics
from .message import check_topic
from .steps import to_the_end

__all__ = ("MOST_SUBSCRIPTIONS", "Routes")

MOST_SUBSCRIPTIONS: Final = 256
"""Patterns of one actor: each may be looked at for each topic."""
_KEPT: Final = 1024
"""Topics whose subscribers are remembered."""

_Patterns = dict[str, Pattern]
"""By text."""


@define(eq=False)
class Routes:
    """Know who subscribed to what, and find the subscribers of a topic.

    Patterns are found by the words that they begin with, so a topic is only held
    against those that can match it. Changed in place.
    """

    _patterns: dict[str, _Patterns] = field(factory=dict, init=False)
    """For each subscriber, in the order of the first subscription."""
    _by_front: dict[tuple[str, ...], dict[str, _Patterns]] = field(
        factory=dict, init=False
    )
    """By what they begin with, for each subscriber."""
    _found: dict[str, tuple[str, ...]] = field(factory=dict, init=False)
    """Answers of `subscribers` since the last change."""

    def subscribe(self, subscriber: str, pattern: str) -> None:
        """Add a subscription; a second one of the same pattern changes nothing.

        Raises:
            QuotaExceeded: The subscriber has too many.
            ValueError: The text is no topic pattern.
        """
        patterns = self._patterns.get(subscriber, {})
        if pattern in patterns:
            return
        parsed = Pattern.parse(pattern, Kind.TOPIC)
        if len(patterns) >= MOST_SUBSCRIPTIONS:
            raise QuotaExceeded(
                f"actor {subscriber!r}", "subscriptions", str(MOST_SUBSCRIPTIONS)
            )
        self._patterns.setdefault(subscriber, {})[pattern] = parsed
        parsed.topics.prepare()
        alike = self._by_front.setdefault(parsed.topics.front, {})
        alike.setdefault(subscriber, {})[pattern] = parsed
        self._found = {}

    def unsubscribe(self, subscriber: str, pattern: str) -> bool:
        """Remove a subscription, and tell whether there was one."""
        patterns = self._patterns.get(subscriber, {})
        parsed = patterns.pop(pattern, None)
        if parsed is None:
            return False
        if not patterns:
            del self._patterns[subscriber]
        front = parsed.topics.front
        alike = self._by_front[front]
        del alike[subscriber][pattern]
        if not alike[subscriber]:
            del alike[subscriber]
        if not alike:
            del self._by_front[front]
        self._found = {}
        return True

    def forget(self, subscriber: str) -> None:
        """Remove all subscriptions of the subscriber."""
        for pattern in self.patterns(subscriber):
            self.unsubscribe(subscriber, pattern)

    def has(self, subscriber: str) -> bool:
        """Tell whether the subscriber has any subscription."""
        return subscriber in self._patterns

    def patterns(self, subscriber: str) -> tuple[str, ...]:
        """Return the patterns the subscriber subscribed to."""
        return tuple(self._patterns.get(subscriber, ()))

    def matching(self, subscriber: str, topic: str) -> tuple[Pattern, ...]:
        """Return the subscriber's patterns that match the topic."""
        patterns = self._patterns.get(subscriber, {}).values()
        return tuple(pattern for pattern in patterns if pattern.matches(topic))

    def subscribers(self, topic: str) -> tuple[str, ...]:
        """Return who gets a message of the topic, each once, oldest subscriber first.

        Raises:
            ValueError: The text is no topic.
        """
        return to_the_end(self.finding(topic))

    def known(self, topic: str) -> tuple[str, ...] | None:
        """Return what `subscribers` does, where that is no work; else None."""
        return self._found.get(topic)

    def finding(self, topic: str) -> Generator[int, None, tuple[str, ...]]:
        """Return what `subscribers` does, in pieces; yield how many steps each took.

        A step is a character of a pattern that the topic is held against. What changes
        meanwhile may be in it or not.
        """
        found = self._found.get(topic)
        if found is not None:
            return found
        check_topic(topic)
        published = Topics(topic_tokens(topic))
        segments = published.front
        subscribers: set[str] = set()
        began = self._found
        for length in range(len(segments) + 1):
            alike = self._by_front.get(segments[:length], {})
            for subscriber, patterns in tuple(alike.items()):
                if subscriber in subscribers:
                    continue
                for pattern in tuple(patterns.values()):
                    yield len(pattern.text)
                    if pattern.topics.covers_behind(published, length):
                        subscribers.add(subscriber)
                        break
        found = tuple(each for each in self._patterns if each in subscribers)
        if began is self._found:
            if len(self._found) >= _KEPT:
                self._found = {}
            self._found[topic] = found
        return found
