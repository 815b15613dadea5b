"""Fuzz texts: components in text with words taken out, doubled and exchanged."""

from __future__ import annotations

import re
from typing import Final

import anyio
from hypothesis import given, seed
from hypothesis import strategies as st

from .binaries import SEEDS
from .journal import Journal
from .tried import compiled, tried
from .values import RUNS

__all__ = ("round_",)

_WORD: Final = re.compile(r'"[^"]*"|[()]|[^\s()"]+|\s+')
_ODD: Final = (
    *("(", ")", '"', "(;", ";;", "\0", "\ud800", "\ufeff", "@", "$", "-1", "0x"),
    *("99999999999999999999", "4294967295", "nan", "(own 0)", "(borrow $b)", "(@a)"),
    *("(list u8)", "(stream u8)", "(future)", "error-context", "(map u8 u8)"),
    *("string", "u64", "async", "unreachable", "(memory 65536)", "(table 1 funcref)"),
    *('"\\ff"', '"a:b/c@1.0.0"', '"[method]x.y"', "(resource (rep i32))", "(start 0)"),
    *("(memory 1 2)", "(func)", "(component)", "(core module)", "(option (option u8))"),
)
_CASE: Final = st.tuples(
    st.sampled_from(tuple(SEEDS)),
    st.lists(
        st.tuples(
            st.sampled_from(("drop", "double", "swap", "put", "other", "cut")),
            st.integers(0, 2**32),
            st.integers(0, 2**32),
        ),
        min_size=1,
        max_size=3,
    ),
)


def _changed(words: list[str], what: str, one: int, two: int) -> list[str]:
    if not words:
        return words
    at, other = one % len(words), two % len(words)
    match what:
        case "drop":
            return words[:at] + words[at + 1 + two % 4 :]
        case "double":
            return words[:at] + words[at : at + 1 + two % 40] + words[at:]
        case "swap":
            words[at], words[other] = words[other], words[at]
            return words
        case "put":
            return [*words[:at], _ODD[two % len(_ODD)], *words[at + 1 :]]
        case "other":
            return [*words[:at], words[other], *words[at + 1 :]]
        case _:
            return words[:at]


def round_(number: int, journal: Journal) -> None:
    """Change texts in made-up ways."""

    @seed(number)
    @RUNS
    @given(_CASE)
    def law(case: tuple[str, list[tuple[str, int, int]]]) -> None:
        name, changes = case
        words = _WORD.findall(SEEDS[name])
        for change in changes:
            words = _changed(words, *change)
        text = "".join(words)
        journal.begin(f"{name}, changed by {changes!r}: {text}")
        anyio.run(_run, text, backend="trio" if number % 2 else "asyncio")

    law()


async def _run(text: str) -> None:
    component = await compiled(text)
    if component is not None:
        await tried(component)
