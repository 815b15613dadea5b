"""Fuzz binaries: cut, flip and shuffle components, compile and run what is left."""

from __future__ import annotations

import contextlib
import zlib
from functools import cache
from pathlib import Path
from typing import Final

import anyio
import wasmtime
from hypothesis import given, seed
from hypothesis import strategies as st

from airssys.engine.lane import may_need_lane, rewritten, skeleton
from airssys.engine.lane.binary import HEAD, leb, sections

from ..engine.guests import ADD, asks_host, echo, through_host
from ..engine.test_async_exports import ASYNC
from ..engine.test_nested import NESTED
from ..engine.test_resources import BUCKETS, COUNTERS
from .journal import Journal
from .tried import compiled, tried
from .values import RUNS

__all__ = ("SEEDS", "round_")

_ROOT: Final = Path(__file__).parents[2]
_BYTES: Final = "(list (tuple u8 (list u8)))"
SEEDS: Final = {
    "add": ADD,
    "ask": asks_host(),
    "bytes": echo(_BYTES),
    "bytes through host": through_host(_BYTES),
    "map": echo("(map string (list u8))"),
    "async": ASYNC,
    "nested": NESTED,
    "buckets": BUCKETS,
    "counters": COUNTERS,
}
"""Components as text that binaries are made of."""
_FILES: Final = ("tests/guests/lifecycle.wasm", "examples/quickstart/tally/tally.wasm")
_CODE: Final = (10, 11)
"""Kinds of sections of core code and data, where much can be changed."""
_ALIKE: Final = (range(0x46, 0x50), range(0x6A, 0x79), (0x28, 0x2D, 0x2F), (0x0C, 0x0D))
"""Instructions of the same types: comparisons, operators, loads, branches."""
_NESTING: Final = (1, 4)
"""Kinds of sections that hold sections themselves."""

Change = tuple[str, int, int, bytes]
"""What to do, two numbers that say where, and bytes that it takes."""


@cache
def binary(name: str) -> bytes:
    """Return the binary that a case starts from."""
    if name.startswith(("tests/", "examples/")):
        return (_ROOT / name).read_bytes()
    return bytes(wasmtime.wat2wasm(SEEDS[name]))


def places(data: bytes) -> list[tuple[int, int, int]]:
    """Return all sections, nested ones too: where each starts, begins and ends."""
    found: list[tuple[int, int, int]] = []

    def look(start: int, stop: int, *, nests: bool) -> None:
        for kind, first, begin, end in sections(memoryview(data)[:stop], start):
            found.append((first, begin, end))
            if nests and kind in _NESTING:
                look(begin + HEAD, end, nests=kind == _NESTING[1])

    with contextlib.suppress(ValueError, IndexError):
        look(HEAD, len(data), nests=True)
    return found


def _other_operator(data: bytes, one: int, two: int) -> bytes:
    """Exchange an operator, or a size of memory accessed, by one of the same types."""
    for kind, begin, end in [(data[s], b, e) for s, b, e in places(data)]:
        inside = [
            (at, alike)
            for at in range(begin, end if kind == _CODE[0] else begin)
            for alike in _ALIKE
            if data[at] in alike
        ]
        if inside:
            at, alike = inside[one % len(inside)]
            other = bytes((alike[two % len(alike)],))
            return data[:at] + other + data[at + 1 :]
    return data


def changed(data: bytes, change: Change) -> bytes:
    """Apply one change."""
    what, one, two, more = change
    at = one % (len(data) + 1)
    if what == "cut":
        return data[:at]
    if what == "flip" and data:
        at = one % len(data)
        return b"%b%c%b" % (data[:at], data[at] ^ (1 << two % 8), data[at + 1 :])
    if what == "set":
        return data[:at] + more + data[at + len(more) :]
    if what == "insert":
        return data[:at] + more + data[at:]
    if what == "delete":
        return data[:at] + data[at + two % 64 + 1 :]
    if what == "repeat":
        return data[:at] + data[at : at + two % 64] * 3 + data[at:]
    found = places(data)
    if what == "code":
        found = [each for each in found if data[each[0]] in _CODE]
        two, more = one, bytes((two % 256,))
    if what == "operator":
        return _other_operator(data, one, two)
    if not found:
        return data
    start, begin, end = found[one % len(found)]
    if what == "cut section":
        return data[: (start, begin, end)[two % 3]]
    if what == "drop section":
        return data[:start] + data[end:]
    if what == "repeat section":
        return data[:end] + data[start:]
    if what == "size":
        return data[: start + 1] + leb(two) + data[begin:]
    if what == "kind":
        return data[:start] + bytes((two % 16,)) + data[start + 1 :]
    if what in {"in section", "code"}:
        at = begin + (two >> 8) % max(1, end - begin)
        return data[:at] + more + data[at + len(more) :]
    other_start, _, other_end = found[two % len(found)]
    if what == "swap" and end <= other_start:
        parts = data[:start], data[other_start:other_end], data[end:other_start]
        return b"".join((*parts, data[start:end], data[other_end:]))
    return data


_CHANGES: Final = st.sampled_from(
    (
        *("cut", "flip", "set", "insert", "delete", "repeat", "cut section"),
        *("drop section", "repeat section", "size", "kind", "swap"),
        *("in section", "in section", "code", "operator", "operator"),
    )
)
_MORE: Final = st.binary(min_size=1, max_size=4) | st.sampled_from(
    (b"\xff" * 5, b"\x80" * 10, b"\xff\xff\xff\xff\x0f", b"\0asm\x0d\0\1\0")
)
_CASE: Final = st.tuples(
    st.sampled_from((*SEEDS, *_FILES)),
    st.lists(
        st.tuples(_CHANGES, st.integers(0, 2**32), st.integers(0, 2**32), _MORE),
        min_size=1,
        max_size=3,
    ),
)


def quietly(data: bytes) -> None:
    """Give the lane's own readers broken binaries: they may refuse them."""
    for read in (
        may_need_lane,
        skeleton,
        rewritten,
        lambda each: places(bytes(each)),
    ):
        with contextlib.suppress(ValueError):
            read(data)


def round_(number: int, journal: Journal) -> None:
    """Break components in made-up ways."""

    @seed(number)
    @RUNS
    @given(_CASE)
    def law(case: tuple[str, list[Change]]) -> None:
        name, changes = case
        data = binary(name)
        for change in changes:
            data = changed(data, change)
        packed = zlib.compress(data, 9).hex() if len(data) < 8000 else ""
        journal.begin(f"{name}, changed by {changes!r} {packed}")
        quietly(data)
        anyio.run(_run, data, backend="trio" if number % 2 else "asyncio")

    law()


async def _run(data: bytes) -> None:
    component = await compiled(data)
    if component is not None:
        await tried(component)
