"""Write the core code that packs bytes into ASCII: seven bits of each, then the rest.

112 bytes are a group, seven blocks of 16. Of each block the low seven bits of its bytes
are a block of text; the high bits of all seven are an eighth one, a bit of each byte
for each block. So eight bytes of text stand for seven, whatever they are, and a group
takes some forty instructions of a processor.

The guest's side of it is put into guests (see `machine`), the host's side is run by the
host (see `engine.values.coder`).
"""

from __future__ import annotations

from typing import Final

__all__ = ("GROUP", "LOCALS", "TEXT", "pack", "start", "unpack")

_BLOCK: Final = 16
_BLOCKS: Final = 7
GROUP: Final = _BLOCK * _BLOCKS
"""Bytes of a group."""
TEXT: Final = GROUP + _BLOCK
"""Bytes of a group's text."""
LOCALS: Final = "(local $lows v128) (local $high v128) (local $block v128)"


def start() -> str:
    """Return what comes before the first group."""
    return f"(local.set $lows (v128.const i8x16 {'127 ' * _BLOCK}))"


def pack(source: str, target: str, at: str, to: str) -> str:
    """Return code that makes text of a group; it may lie where the group does.

    Args:
        source: The memory of the group.
        target: That of the text.
        at: Code for the address of the group.
        to: Code for that of the text.
    """
    lines = []
    for place in range(_BLOCKS):
        offset = place * _BLOCK
        lines.append(
            f"(v128.store {target} offset={offset} {to} (v128.and (local.get $lows)"
            f" (local.tee $block (v128.load {source} offset={offset} {at}))))"
        )
        bits = (
            "(i16x8.shr_u (v128.andnot (local.get $block) (local.get $lows))"
            f" (i32.const {_BLOCKS - place}))"
        )
        more = f"(v128.or (local.get $high) {bits})" if place else bits
        lines.append(f"(local.set $high {more})")
    lines.append(f"(v128.store {target} offset={GROUP} {to} (local.get $high))")
    return "\n        ".join(lines)


def unpack(source: str, target: str, at: str, to: str) -> str:
    """Return code that makes a group of its text; as `pack`."""
    lines = [f"(local.set $high (v128.load {source} offset={GROUP} {at}))"]
    for place in range(_BLOCKS):
        offset = place * _BLOCK
        lines.append(
            f"(v128.store {target} offset={offset} {to} (v128.or"
            f" (v128.load {source} offset={offset} {at})"
            " (v128.andnot (i16x8.shl (local.get $high)"
            f" (i32.const {_BLOCKS - place})) (local.get $lows))))"
        )
    return "\n        ".join(lines)
