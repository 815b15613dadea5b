"""Match sequences of symbols, and tell how two patterns of them are related."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Final

from attrs import frozen

__all__ = ("Machine", "Token")

_MOST_STEPS: Final = 50_000
"""Steps of two automatons that are tried before the answer refuses."""
_MOST_SETS: Final = 100
"""Sets of states `covers` keeps beside one state before it says no."""
_PIECE: Final = 256
"""Steps at a stretch, which take some 0.5 ms."""


@frozen
class Token:
    """One place of a pattern: which symbols fit, and whether any number of them do."""

    symbols: frozenset[str]
    negated: bool = False
    many: bool = False


@frozen(eq=False)
class Machine:
    """A non-deterministic automaton whose set of states is the bits of one int.

    A state is a place between the tokens of a line that are one symbol each; a star
    stays where it is. Symbols are characters, or the segments of a topic. A symbol that
    no token names acts like every other such symbol, so one stands for them all.
    """

    edges: dict[str, tuple[int, int]]
    """For each symbol that a token names: the states it moves on, those it keeps."""
    others: tuple[int, int]
    """The same for any other symbol."""
    starts: tuple[int, ...]
    """The first state of each line."""
    start: int
    """All of them together."""
    ends: int

    @classmethod
    def build(cls, alternatives: Iterable[tuple[Token, ...]]) -> Machine:
        added: dict[str, tuple[int, int]] = {}
        taken: dict[str, tuple[int, int]] = {}
        others = (0, 0)
        starts: list[int] = []
        ends = 0
        state = 1
        for line in alternatives:
            starts.append(state)
            for token in line:
                edge = (0, state) if token.many else (state, 0)
                others = _with_edge(others, edge) if token.negated else others
                named = taken if token.negated else added
                for name in token.symbols:
                    named[name] = _with_edge(named.get(name, _NO_EDGE), edge)
                state <<= not token.many
            ends |= state
            state <<= 1
        # Not token by token: they may be thousands, and so may the names.
        edges = {}
        for name in added.keys() | taken.keys():
            moves, keeps = taken.get(name, _NO_EDGE)
            left = others[0] & ~moves, others[1] & ~keeps
            edges[name] = _with_edge(left, added.get(name, _NO_EDGE))
        return cls(edges, others, tuple(starts), sum(starts), ends)

    def step(self, states: int, symbol: str) -> int:
        moves, keeps = self.edges.get(symbol, self.others)
        return (states & moves) << 1 | states & keeps

    def walk(self, states: int, symbols: Iterable[str]) -> int:
        """Return the states that symbols lead to from some others."""
        edges, others = self.edges.get, self.others
        for symbol in symbols:
            moves, keeps = edges(symbol, others)
            states = (states & moves) << 1 | states & keeps
            if not states:
                break
        return states

    def runs(self, symbols: Iterable[str]) -> bool:
        """Tell whether the symbols lead from the start to an end."""
        return bool(self.walk(self.start, symbols) & self.ends)

    def including(self, other: Machine) -> Generator[int, None, bool]:
        """Tell whether every run of the other is also a run of this one, in pieces.

        Walks both machines at once: one state of the other beside all states this one
        can be in. Of two walks to one state, the one that leaves this machine fewer
        states is the harder, so the easier one is dropped. Inclusion can take
        exponentially many steps in the end; then the answer is no, which refuses
        rather than grants.

        Args:
            other: The machine whose runs are looked for.
        """
        if other.start & other.ends and not self.start & self.ends:
            return False
        alphabet = self._alphabet(other)
        waiting = [(state, self.start) for state in _bits(other.start)]
        seen = {state: [self.start] for state in _bits(other.start)}
        steps = 0
        for _ in range(_MOST_STEPS // len(alphabet)):
            if not waiting:
                return True
            steps += len(alphabet)
            if steps >= _PIECE:
                yield steps
                steps = 0
            state, mine = waiting.pop()
            for symbol in alphabet:
                theirs = other.step(state, symbol)
                after = self.step(mine, symbol)
                if theirs & other.ends and not after & self.ends:
                    return False
                for next_ in _bits(theirs):
                    harder = seen.setdefault(next_, [])
                    if any(known & after == known for known in harder):
                        continue
                    harder[:] = [known for known in harder if known & after != after]
                    harder.append(after)
                    if len(harder) > _MOST_SETS:
                        return False
                    waiting.append((next_, after))
        return False

    def meeting(self, other: Machine) -> Generator[int, None, bool]:
        """Tell whether a run of the other is also a run of this one, in pieces.

        Walks both machines at once: beside each state of the other, the states this one
        can be in after the same symbols. When that takes too long the answer is yes,
        which refuses rather than grants.

        Args:
            other: The machine whose runs are looked for.
        """
        if other.start & other.ends and self.start & self.ends:
            return True
        alphabet = self._alphabet(other)
        waiting = [(state, self.start) for state in _bits(other.start)]
        seen = dict(waiting)
        steps = 0
        for _ in range(_MOST_STEPS // len(alphabet)):
            if not waiting:
                return False
            steps += len(alphabet)
            if steps >= _PIECE:
                yield steps
                steps = 0
            state, mine = waiting.pop()
            for symbol in alphabet:
                theirs = other.step(state, symbol)
                after = self.step(mine, symbol)
                if theirs & other.ends and after & self.ends:
                    return True
                for next_ in _bits(theirs):
                    known = seen.get(next_, 0)
                    if new := after & ~known:
                        seen[next_] = known | new
                        waiting.append((next_, new))
        return True

    def _alphabet(self, other: Machine) -> tuple[str, ...]:
        """Return one symbol out of each set that both machines treat alike."""
        symbols = [*self.edges.keys() | other.edges.keys(), ""]
        return tuple(
            {
                (self.edges.get(symbol), other.edges.get(symbol)): symbol
                for symbol in symbols
            }.values()
        )


_NO_EDGE: Final = (0, 0)


def _with_edge(edge: tuple[int, int], more: tuple[int, int]) -> tuple[int, int]:
    return edge[0] | more[0], edge[1] | more[1]


def _bits(states: int) -> Iterable[int]:
    while states:
        lowest = states & -states
        yield lowest
        states ^= lowest
