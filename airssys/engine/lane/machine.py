"""Write the core code of the lane: its memory, and the coding of bytes as text.

A list of bytes crosses as ASCII text. Bytes below 0x80 are such text already. Others
come from the host as 0x7f and two planes, the low seven bits of each byte and then the
high bits, and go to the host as 0x7f and hexadecimal digits. Bytes that begin with 0x7f
count among the others.

Fuel is charged by the instruction, so the loops work on many bytes at once.
"""

from __future__ import annotations

from typing import Final

__all__ = ("AREA", "LANE_OUT_OF_MEMORY", "NAME", "machine", "top")

NAME: Final = "airssys-lane"
"""The name of the lane's core modules, by which its frames are known in backtraces."""
LANE_OUT_OF_MEMORY: Final = f"{NAME}!lane-out-of-memory"
"""How the frame begins of the function that is called when memory cannot grow."""
AREA: Final = 16
"""The address where results lie that are no single core value."""
_SLACK: Final = 64
"""Bytes of memory behind the last block: the loops read and write past the ends."""
_DECODED: Final = 256
_SCANNED: Final = 128


def top(area: int) -> int:
    """Return where blocks begin, with so many bytes of results in front."""
    return (AREA + area + 15) & -16


def machine(area: int) -> str:
    """Return the module of memory and codecs, with so many bytes for results."""
    start = top(area)
    pages = (start + _SLACK + 0xFFFF) >> 16
    return f"""(core module ${NAME}
  (memory (export "memory") {pages})
  (global $top (export "top") (mut i32) (i32.const {start}))
  (global $last (mut i32) (i32.const 0))
  (func $lane-out-of-memory unreachable)
{_REALLOC}
  (func (export "done") (param i32) (global.set $top (i32.const {start})))
{_decode()}
{_encode()}
  (func (export "decode-at") (param $at i32)
    (i32.store offset=4 (local.get $at)
      (call $decode (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))))
  (func (export "encode-at") (param $at i32) (local $size i32)
    (local.get $at)
    (call $encode (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
    (local.set $size)
    (i32.store)
    (i32.store offset=4 (local.get $at) (local.get $size))))"""


# Blocks begin and end at multiples of 16, so that no loop writes into the next one. The
# last block grows and shrinks where it is.
_REALLOC: Final = f"""\
  (func $realloc (export "realloc")
    (param $old i32) (param $was i32) (param $align i32) (param $size i32)
    (result i32) (local $at i32) (local $end i32)
    (local.set $at (global.get $top))
    (if (local.get $old) (then
      (if (i32.eq (local.get $old) (global.get $last))
        (then (local.set $at (local.get $old)))
        (else (if (i32.le_u (local.get $size) (local.get $was))
          (then (return (local.get $old))))))))
    (local.set $end (i32.add (local.get $at)
      (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
    (if (i32.or (i32.or
          (i32.gt_u (local.get $size) (i32.const 0xfff00000))
          (i32.lt_u (local.get $end) (local.get $at)))
          (i32.gt_u (local.get $end) (i32.const 0xfff00000)))
      (then (call $lane-out-of-memory)))
    (if (i32.gt_u
          (i32.shr_u (i32.add (local.get $end) (i32.const {_SLACK + 0xFFFF}))
            (i32.const 16))
          (memory.size))
      (then (if (i32.eq (i32.const -1) (memory.grow (i32.sub
            (i32.shr_u (i32.add (local.get $end) (i32.const {_SLACK + 0xFFFF}))
              (i32.const 16))
            (memory.size))))
        (then (call $lane-out-of-memory)))))
    (if (i32.and (i32.ne (local.get $old) (i32.const 0))
          (i32.ne (local.get $old) (local.get $at)))
      (then (memory.copy (local.get $at) (local.get $old) (local.get $was))))
    (global.set $last (local.get $at))
    (global.set $top (local.get $end))
    (local.get $at))"""


def _loop(label: str, step: int, body: str) -> str:
    """Repeat the body from $at on, in steps, up to $stop; not at all if they meet."""
    return f"""\
    (block ${label}-done (br_if ${label}-done
        (i32.eq (local.get $at) (local.get $stop)))
      (loop ${label}
        {body}
        (br_if ${label} (i32.ne (local.get $stop)
          (local.tee $at (i32.add (local.get $at) (i32.const {step})))))))"""


def _decode() -> str:
    """Return ``decode``: text at an address, and its size, to bytes at the same."""

    def blocks(count: int) -> str:
        lines = [
            f"(v128.store offset={at} (local.get $at) (v128.or"
            f" (v128.load offset={at + 1} (local.get $at))"
            f" (i16x8.shl (v128.load offset={at} (local.get $high)) (i32.const 7))))"
            for at in range(0, count * 16, 16)
        ]
        step = f"(i32.add (local.get $high) (i32.const {count * 16}))"
        return "\n        ".join((*lines, f"(local.set $high {step})"))

    return f"""\
  (func $decode (export "decode") (param $at i32) (param $size i32) (result i32)
    (local $high i32) (local $stop i32) (local $end i32)
    (if (i32.eqz (local.get $size)) (then (return (i32.const 0))))
    (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 0x7f))
      (then (return (local.get $size))))
    (local.set $size (i32.shr_u (local.get $size) (i32.const 1)))
    (local.set $high (i32.add (i32.add (local.get $at) (i32.const 1))
      (local.get $size)))
    (local.set $end (i32.add (local.get $at)
      (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
    (local.set $stop (i32.add (local.get $at)
      (i32.and (local.get $size) (i32.const -{_DECODED}))))
{_loop("many", _DECODED, blocks(_DECODED // 16))}
    (local.set $stop (local.get $end))
{_loop("few", 16, blocks(1))}
    (local.get $size))"""


def _encode() -> str:
    """Return ``encode``: bytes, by address and size, to text, by the same."""
    digits = " ".join(str(ord(digit)) for digit in "0123456789abcdef")
    first = " ".join(f"{i} {i + 16}" for i in range(8))
    second = " ".join(f"{i} {i + 16}" for i in range(8, 16))

    def scan(size: int) -> str:
        blocks = [
            f"(v128.load offset={at} (local.get $at))" for at in range(0, size, 16)
        ]
        found = blocks[0]
        for block in blocks[1:]:
            found = f"(v128.or {found} {block})"
        return f"(br_if $other (i8x16.bitmask {found}))"

    def hexadecimal(count: int) -> str:
        lines = [
            f"""(v128.store offset={2 * at + 1} (local.get $to) (i8x16.shuffle {first}
          (local.tee $highs (i8x16.swizzle (local.get $digits) (i8x16.shr_u
            (local.tee $bytes (v128.load offset={at} (local.get $at))) (i32.const 4))))
          (local.tee $lows (i8x16.swizzle (local.get $digits) (v128.and
            (local.get $bytes) (v128.const i8x16 {"15 " * 16}))))))
        (v128.store offset={2 * at + 17} (local.get $to) (i8x16.shuffle {second}
          (local.get $highs) (local.get $lows)))"""
            for at in range(0, count * 16, 16)
        ]
        step = f"(i32.add (local.get $to) (i32.const {count * 32}))"
        return "\n        ".join((*lines, f"(local.set $to {step})"))

    return f"""\
  (func $encode (export "encode") (param $from i32) (param $size i32)
    (result i32 i32)
    (local $at i32) (local $stop i32) (local $to i32) (local $text i32)
    (local $digits v128) (local $bytes v128) (local $highs v128) (local $lows v128)
    (if (i32.eqz (local.get $size))
      (then (return (local.get $from) (local.get $size))))
    (local.set $at (local.get $from))
    (block $other
      (br_if $other (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x7f)))
      (local.set $stop (i32.add (local.get $at)
        (i32.and (local.get $size) (i32.const -{_SCANNED}))))
{_loop("scan-many", _SCANNED, scan(_SCANNED))}
      (local.set $stop (i32.add (local.get $from)
        (i32.and (local.get $size) (i32.const -16))))
{_loop("scan-few", 16, scan(16))}
      (br_if $other (i32.and (i8x16.bitmask (v128.load (local.get $at)))
        (i32.sub (i32.shl (i32.const 1)
          (i32.and (local.get $size) (i32.const 15))) (i32.const 1))))
      (return (local.get $from) (local.get $size)))
    (if (i32.gt_u (local.get $size) (i32.const 0x7fff0000))
      (then (call $lane-out-of-memory)))
    (local.set $text (call $realloc (i32.const 0) (i32.const 0) (i32.const 1)
      (i32.add (i32.shl (local.get $size) (i32.const 1)) (i32.const 1))))
    (i32.store8 (local.get $text) (i32.const 0x7f))
    (local.set $digits (v128.const i8x16 {digits}))
    (local.set $to (local.get $text))
    (local.set $at (local.get $from))
    (local.set $stop (i32.add (local.get $from)
      (i32.and (local.get $size) (i32.const -64))))
{_loop("hex-many", 64, hexadecimal(4))}
    (local.set $stop (i32.add (local.get $from)
      (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
{_loop("hex-few", 16, hexadecimal(1))}
    (local.get $text)
    (i32.add (i32.shl (local.get $size) (i32.const 1)) (i32.const 1)))"""
