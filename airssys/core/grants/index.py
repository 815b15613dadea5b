"""Match many patterns at once, and find those that can match by what they begin with.

What a pattern begins with is looked up, and only what comes behind that is run through
an automaton, one for all patterns. Those with the same rest share its states.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Final, TypeAlias

from attrs import frozen

from .automaton import Machine, Token
from .expression import FEW, expression, is_plain

__all__ = ("Index",)

_REMEMBERED: Final = 256
"""Topics whose answer is kept: the same are used again and again."""

_Line: TypeAlias = tuple[Token, ...]
_Symbols: TypeAlias = str | tuple[str, ...]
"""A text, or the segments of a topic."""


@frozen(eq=False)
class Index:
    """Patterns of one kind, to be matched all at once."""

    texts: frozenset[str]
    """What is matched literally."""
    parts: tuple[tuple[str, _Line], ...]
    """What others begin with, and what comes behind."""
    topics: bool
    """Whether the symbols are the segments of topics."""

    @classmethod
    def of(cls, parts: Iterable[tuple[str, _Line]], *, topics: bool = False) -> Index:
        """Sort out what is literal."""
        texts: set[str] = set()
        others: list[tuple[str, _Line]] = []
        for front, line in parts:
            if line:
                others.append((front, line))
            else:
                texts.add(front)
        return cls(frozenset(texts), tuple(others), topics)

    @cached_property
    def _rests(self) -> tuple[_Line, ...]:
        """What the automaton is made of."""
        return tuple(
            dict.fromkeys(rest for _, rest in self.parts if not _anything(rest))
        )

    @property
    def size(self) -> int:
        """How many tokens each symbol of a text is held against, at the most.

        What their sets hold counts too: the automaton has an edge for each of it.
        """
        tokens = [token for rest in self._rests for token in rest]
        sets = [token.symbols for token in tokens if len(token.symbols) > 1]
        return len(tokens) + len(frozenset().union(*sets))

    @cached_property
    def _machine(self) -> Machine:
        return Machine.build(self._rests)

    @cached_property
    def _entries(self) -> dict[_Symbols, int]:
        """By what patterns begin with: where the automaton begins; -1: all matches."""
        entries: dict[_Symbols, int] = {}
        states = dict(zip(self._rests, self._machine.starts, strict=True))
        for front, rest in self.parts:
            symbols: _Symbols = front
            if self.topics:
                symbols = tuple(front.split(".")) if front else ()
            bits = -1 if _anything(rest) else states[rest]
            entries[symbols] = entries.get(symbols, 0) | bits
        return entries

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(sorted(set(map(len, self._entries))))

    @cached_property
    def _ordered(self) -> list[str]:
        """What texts begin with, or are."""
        return sorted(self.texts.union(front for front, _ in self.parts))

    def prepare(self) -> None:
        """Compile what is compiled at the first use otherwise."""
        assert self._lengths is not None
        assert self._ordered is not None

    @cached_property
    def run(self) -> Callable[[str], object]:
        """Tells whether any of those that are not literal matches a text."""
        if self.topics:
            return lru_cache(_REMEMBERED)(
                lambda text: self._matches(tuple(text.split(".")))
            )
        # One regular expression is quicker, where there is not much to try.
        return expression(self.parts) if self._is_little() else self._matches

    def _is_little(self) -> bool:
        size = sum(len(front) + len(rest) for front, rest in self.parts)
        return size <= FEW and all(is_plain(rest) for _, rest in self.parts)

    def _walked(self, symbols: _Symbols) -> int:
        """Return the states after all symbols; -1: anything may follow."""
        states = at = 0
        for length in self._lengths:
            if length > len(symbols):
                break
            bits = self._entries.get(symbols[:length])
            if bits is None:
                continue
            if bits < 0:
                return -1
            if states:
                states = self._machine.walk(states, symbols[at:length])
            states |= bits
            at = length
        return self._machine.walk(states, symbols[at:]) if states else 0

    def _matches(self, symbols: _Symbols) -> bool:
        states = self._walked(symbols)
        return states < 0 or bool(states & self._machine.ends)

    def reaches(self, start: str) -> bool:
        """Tell whether a text that begins so is matched; not for topics."""
        place = bisect_left(self._ordered, start)
        if any(one.startswith(start) for one in self._ordered[place : place + 1]):
            return True
        # Every state leads to an end, since each token has symbols.
        return bool(self._walked(start))


def _anything(rest: _Line) -> bool:
    return len(rest) == 1 and rest[0].many and rest[0].negated and not rest[0].symbols
