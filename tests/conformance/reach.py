"""Tell what is wrong with a component from what airssys, or wasmtime, cannot run."""

from __future__ import annotations

import re
from typing import Final

from airssys.core.errors import (
    GuestTrapped,
    InstanceClosed,
    InvalidComponent,
    UnknownImport,
)

__all__ = ("CORE_MODULE", "out_of_reach", "says")

CORE_MODULE: Final = "core module"
"""Why directives about core modules are skipped: airssys runs components."""

_FEATURE: Final = re.compile(
    r"requires? .*(feature|proposal)"
    r"|(support|features?|proposal)( for .*)? (is |are )?not (enabled|active)"
    r"|must be enabled"
    r"|not (yet |currently )?(supported|implemented)"
    r"|cannot be passed|cannot pass"
    r"|import name `\[implements="
)
"""How wasmtime says that a component needs what it is not built or set up for."""
_NOT_OFFERED: Final = re.compile(r"cannot be offered|cannot link|has a .* in its type")
_PLACE: Final = re.compile(r" \(at offset 0x[0-9a-f]+\)")
_IN_LIFE: Final = "cannot enter component instance"
_SAME: Final = (
    # As wasmtime's own runner has it.
    (("uninitialized element 2",), "uninitialized element"),
    (("null", "reference"), "null reference"),
    (("cannot write",), "cannot write"),
    (("cannot read",), "cannot read"),
    # Where the innermost part does not say enough.
    (("undefined element",), "out of bounds table access"),
    (("invalid utf-8",), "utf-8 byte sequence"),
    # The bytes lane has these found by wasmtime's adapters between components.
    (("list pointer", "out of bounds"), "list content out-of-bounds"),
    (("string pointer", "out of bounds"), "string content out-of-bounds"),
    (("invalid utf-8",), "invalid utf8 encoding"),
    (("pointer", "not aligned"), "unaligned pointer"),
    (("realloc return: beyond end of memory",), "content out-of-bounds"),
    (("realloc return: result not aligned",), "unaligned pointer"),
)
"""Words of a script, and what a trap may say instead."""


def out_of_reach(error: InvalidComponent | UnknownImport) -> str | None:
    """Return why a component cannot be run here although it is right, or None."""
    if isinstance(error, UnknownImport):
        problems = error.problems
        if all(map(_NOT_OFFERED.search, problems)):
            return "; ".join(problems)
        return None
    if _FEATURE.search(error.reason):
        return _PLACE.sub("", error.reason)
    return None


def says(error: GuestTrapped | InstanceClosed, text: str) -> bool:
    """Tell whether a trap is the one that a script means.

    By part of its message, as wasmtime's own runner does, by its kind, or by other
    words for it: airssys keeps the innermost part of a message only.
    """
    if isinstance(error, InstanceClosed):
        # Where wasmtime traps again, airssys says that the instance has ended.
        return "Trapped" in error.reason and text in f"wasm trap: {_IN_LIFE}"
    said = f"wasm trap: {error.reason}"
    kind = error.kind.replace("-", " ")
    if text in said or kind in text or (error.reason and error.reason in text):
        return True
    return any(all(map(text.__contains__, words)) and it in said for words, it in _SAME)
