"""Give guests random numbers: ``wasi:random``."""

from __future__ import annotations

from typing import ClassVar, Final
from weakref import WeakKeyDictionary

from ..hostcalls.call import Call, Standing
from ..hostcalls.declare import Free, operation
from .context import NOTHING, Context, context_of
from .misuse import misuse

__all__ = ("MOST_RANDOM", "Insecure", "InsecureSeed", "Random")

MOST_RANDOM: Final = 2**20
"""Random bytes that one call may ask for."""
_WORD: Final = 8
_CHANCE = Free("random numbers tell nothing")


class Random:
    """The operations of ``wasi:random/random``."""

    interface: ClassVar[str] = "wasi:random/random@0.2.12"

    @operation(needs=_CHANCE)
    def get_random_bytes(self, call: Call, length: int) -> bytes:
        return _bytes(call, length)

    @operation(needs=_CHANCE)
    def get_random_u64(self, call: Call) -> int:
        return _word(call)


class Insecure:
    """The operations of ``wasi:random/insecure``; nobody can guess these either."""

    interface: ClassVar[str] = "wasi:random/insecure@0.2.12"

    @operation(needs=_CHANCE)
    def get_insecure_random_bytes(self, call: Call, length: int) -> bytes:
        return _bytes(call, length)

    @operation(needs=_CHANCE)
    def get_insecure_random_u64(self, call: Call) -> int:
        return _word(call)


class InsecureSeed:
    """The operations of ``wasi:random/insecure-seed``: one seed for each instance.

    A program seeds its hash tables by it, and may ask again whenever it makes one.
    """

    interface: ClassVar[str] = "wasi:random/insecure-seed@0.2.12"

    def __init__(self) -> None:
        self._seeds: WeakKeyDictionary[Context | Standing, tuple[int, int]] = (
            WeakKeyDictionary()
        )

    @operation(needs=_CHANCE)
    def insecure_seed(self, call: Call) -> tuple[int, int]:
        context = context_of(call)
        # Instances without a context have one in common, and are not to share this.
        owner = call.standing if context is NOTHING else context
        seed = self._seeds.get(owner)
        if seed is None:
            seed = self._seeds[owner] = _word(call), _word(call)
        return seed


def _bytes(call: Call, length: int) -> bytes:
    if length > MOST_RANDOM:
        reason = f"it asked for {length:_} random bytes: {MOST_RANDOM:_} are the most"
        raise misuse(call, reason)
    return context_of(call).random(length)


def _word(call: Call) -> int:
    return int.from_bytes(context_of(call).random(_WORD), "little")
