"""Check subscriptions, which are topic patterns themselves, against topic patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from .pattern import AnyPattern, Pattern, Patterns
from .spelling import LONGEST_TOPIC, Kind

__all__ = ("subscription_check",)

_REMEMBERED: Final = 256
"""Topic patterns whose answer is kept."""


def subscription_check(
    patterns: Iterable[AnyPattern], *, forbidding: bool = False
) -> Callable[[str], object]:
    """Compile a check of subscriptions.

    Args:
        patterns: What is granted, or forbidden.
        forbidding: Whether one topic of a subscription is enough, rather than all.
    """
    held = Patterns.of(patterns).topics
    compare = held.overlaps if forbidding else held.covers

    @lru_cache(_REMEMBERED)
    def compared(text: str) -> bool:
        try:
            wanted = Pattern.parse(text, Kind.TOPIC)
        except ValueError:
            return False
        return compare(wanted.topics)

    # A text that is too long for a pattern is not worth a place in the cache.
    return lambda text: len(text) <= LONGEST_TOPIC and compared(text)
