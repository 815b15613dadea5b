"""Read what wasmtime says of a failed call and name it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from ..core.errors import (
    AirssysError,
    GuestTrapped,
    OutOfFuel,
    OutOfMemory,
    TooManyHandles,
    ValuesTooLarge,
)
from ..core.limits import Limits
from ._ffi import Frames
from .borrows import FAULT, several_borrows
from .lane import (
    LANE_OUT_OF_MEMORY,
    NAME,
    NOTHING_ADDED,
    TO_HOST,
    TOO_HEAVY,
    TOO_MANY_HANDLES,
    Added,
)

__all__ = ("failure",)

_NO_ROOM: Final = "the bytes that are passed exceed memory limits"

_KINDS: Final = (
    # wasmtime's words (crates/environ/src/trap_encoding.rs), then ours.
    ("`unreachable` instruction", "unreachable"),
    ("undefined element", "table-out-of-bounds"),
    ("out of bounds table access", "table-out-of-bounds"),
    ("out of bounds memory access", "memory-out-of-bounds"),
    ("uninitialized element", "indirect-call-to-null"),
    ("indirect call type mismatch", "indirect-call-type-mismatch"),
    ("integer divide by zero", "integer-divide-by-zero"),
    ("integer overflow", "integer-overflow"),
    ("invalid conversion to integer", "invalid-conversion-to-integer"),
    ("call stack exhausted", "stack-overflow"),
    ("unaligned atomic", "unaligned-atomic"),
    ("null reference", "null-reference"),
    ("out of bounds array access", "array-out-of-bounds"),
    ("allocation size too large", "allocation-too-large"),
    ("cast failure", "cast-failure"),
    ("cannot enter component instance", "cannot-enter-component"),
    ("cannot leave component instance", "cannot-leave-component"),
    ("cannot block a synchronous task", "cannot-block-synchronous-task"),
    ("deadlock", "deadlock"),
    ("out of range for `char`", "invalid-char"),
    ("invalid utf-8", "invalid-string"),
    ("string content out-of-bounds", "string-out-of-bounds"),
    ("string pointer/length out of bounds", "string-out-of-bounds"),
    ("list content out-of-bounds", "list-out-of-bounds"),
    ("list pointer/length out of bounds", "list-out-of-bounds"),
    ("discriminant", "invalid-discriminant"),
    ("unaligned pointer", "unaligned-pointer"),
    ("pointer not aligned", "unaligned-pointer"),
    ("pointer is not aligned", "unaligned-pointer"),
    ("pointer out of bounds", "memory-out-of-bounds"),
    ("invalid `char` bit pattern", "invalid-char"),
    ("invalid utf8 encoding", "invalid-string"),
    ("incomplete utf-8", "invalid-string"),
    ("unpaired surrogate", "invalid-string"),
    ("unknown handle index", "unknown-handle"),
    ("handle index", "handle-of-another-type"),
    ("owned resource while borrowed", "handle-borrowed"),
    ("borrow handles still remain", "borrow-not-dropped"),
    ("failed to produce a result", "no-result"),
    ("realloc return", "invalid-realloc"),
    ("thrown Wasm exception", "uncaught-exception"),
    ("fuel allocated for hostcalls", "value-too-large"),  # 128 MiB in a host's memory
)
_FOUND: Final = ("`unreachable` instruction", "out of bounds memory access")
_BEFORE_REASON: Final = re.compile(r"^([0-9]+: )?(wasm trap: )?")
"""What wasmtime puts before a cause; where there are several, each has a number."""
_BY_LANE: Final = {
    # What the lane's functions find, in the words that wasmtime has for it.
    "lane-unaligned-pointer": "pointer not aligned",
    "lane-unaligned-realloc": "realloc return: result not aligned",
    "copy-in": "realloc return: beyond end of memory",
    "decode": "realloc return: beyond end of memory",
    "out-string": "string pointer/length out of bounds of memory",
    "out-list": "list pointer/length out of bounds of memory",
    "encode": "list pointer/length out of bounds of memory",
    "count-handles": "list pointer/length out of bounds of memory",
    "lane-out-of-bounds": "list pointer/length out of bounds of memory",
}
_OUT_OF_FUEL: Final = "all fuel consumed"
_OUT_OF_MEMORY: Final = (
    "exceeds memory limits",
    "exceeds table limits",
    "resource limit exceeded",
    "no capacity for allocation",  # in the heap of the garbage collector
)


def failure(
    message: str,
    frames: Frames,
    *,
    component: str,
    export: str,
    fuel_limit: int | None,
    fuel_used: int | None,
    limits: Limits,
    lane: bool,
    added: Added = NOTHING_ADDED,
    sharing: int = 1,
) -> AirssysError:
    """Return the error that a failed call raises.

    Args:
        message: What wasmtime says.
        frames: The guest's backtrace.
        component: Its name; likewise what else errors tell.
        export: The function that was called.
        fuel_limit: The fuel of the call.
        fuel_used: What it used of it.
        limits: What the instance may use.
        lane: Whether something was put into the guest.
        added: What of it counts for wasmtime.
        sharing: How many memories share `Limits.total_memory`.
    """
    own = [_function(f) for f in takewhile(_is_lane, frames)] if lane else []
    if own[:1] == [LANE_OUT_OF_MEMORY]:
        return _too_little(component, _NO_ROOM, limits, sharing)
    if own[:1] == [TOO_MANY_HANDLES]:
        return TooManyHandles(component, export, limits.handles)
    if own[:1] == [TOO_HEAVY]:
        to = next((name for name in own if name.startswith(TO_HOST)), "")
        function, what = to.removeprefix(TO_HOST) or export, "arguments"
        return ValuesTooLarge(
            component, function, what if to else "result", limits.values
        )
    if lane:
        frames = Frames(frame for frame in frames if not _is_lane(frame))
    # The causes come last, the innermost at the end; the head repeats the backtrace.
    cause = message.rsplit("Caused by:", 1)[-1].strip()
    last = cause.splitlines()[-1].strip() if cause else message
    reason = _BEFORE_REASON.sub("", last)
    if any(words in last for words in _FOUND) and (found := _found(own)):
        last = reason = found
    # Only the innermost cause counts: the rest holds names that the guest chose.
    if _OUT_OF_FUEL in last and fuel_limit is not None:
        return OutOfFuel(component, export, fuel_limit)
    if any(words in last for words in _OUT_OF_MEMORY):
        return _out_of_memory(component, last, limits, added, sharing)
    if FAULT in cause:
        reason = f"a host function {several_borrows()}"
        kind = "several-borrows"
        return GuestTrapped(component, export, kind, reason, tuple(frames), fuel_used)
    kind = next((kind for words, kind in _KINDS if words in last), "error")
    return GuestTrapped(component, export, kind, reason, tuple(frames), fuel_used)


_TOO_MANY: Final = re.compile(r"(memory|table|instance) count too high at ([0-9]+)")
_COUNTED: Final = {"memory": "memories", "table": "tables", "instance": "instances"}


def _out_of_memory(
    component: str, reason: str, limits: Limits, added: Added, sharing: int
) -> OutOfMemory:
    """Name the limit that was reached, and what it should be."""
    if found := _TOO_MANY.search(reason):
        key = _COUNTED[found[1]]
        # What the lane has in an instance is in wasmtime's count, but not in ours.
        count = int(found[2]) - getattr(added, key, 0)
        reason = f"{found[1]} count too high at {count}: say {key} = {count}, or more"
        return OutOfMemory(component, reason, getattr(limits, key), key)
    if "table" in reason:
        key = "table_elements"
        return OutOfMemory(component, reason, limits.table_elements, key)
    return _too_little(component, reason, limits, sharing)


def _too_little(
    component: str, reason: str, limits: Limits, sharing: int
) -> OutOfMemory:
    """Say which limit keeps a memory as small as it is."""
    share = limits.share(sharing)
    if share == limits.memory:
        return OutOfMemory(component, reason, limits.memory)
    key = "total_memory"
    reason = f"{reason}: {sharing} memories share {key}, {share:_} bytes each"
    return OutOfMemory(component, reason, limits.total_memory, key)


def _found(own: Sequence[str]) -> str | None:
    """Return what functions of the lane, innermost first, found amiss."""
    if own[:1] and own[0].startswith("lane-unaligned"):
        return _BY_LANE.get(own[0])
    return next((_BY_LANE[name] for name in reversed(own) if name in _BY_LANE), None)


def _is_lane(frame: str) -> bool:
    return frame.startswith(f"{NAME}!")


def _function(frame: str) -> str:
    """Return a frame's function without its module and place."""
    return frame.partition("!")[2].rpartition("+")[0]
