"""Write the core code of the lane: its memory, and the coding of bytes as text.

A list of bytes crosses as ASCII text. Bytes below 0x80 are such text already. Of the
others, many are packed (see `packing`): 0x7d, how many bytes the last group has, and
the text of all groups. A few come from the host as 0x7f and two planes, the low seven
bits of each byte and then the high bits, and leave the guest as 0x7e and hexadecimal
digits, which Python codes as quickly. Bytes that begin with 0x7c or more count among
the others.

Some texts get a kilobyte in front, that begins with 0x7c. Blocks of memory of a whole
number of pages come to lie one after the other, 16 bytes further into a page each, and
some processors of AMD's copy from one to the next ten times slower than from anywhere
else. A kilobyte more and they lie otherwise.

All codings are quick on both sides, whatever the bytes are. UTF-8 of random bytes is
not, as every branch on them is mispredicted.

Fuel is charged by the instruction, and for each byte of ``memory.copy``, so the loops
work on many bytes at once with vectors.
"""

from __future__ import annotations

from typing import Final

from .packing import GROUP, LOCALS, TEXT, pack, start, unpack

__all__ = (
    "AREA",
    "DIGITS",
    "LANE_OUT_OF_MEMORY",
    "MANY",
    "NAME",
    "PACKED",
    "PADDED",
    "PADDING",
    "PLANES",
    "machine",
    "top",
)

NAME: Final = "airssys-lane"
"""The name of the lane's core modules, by which its frames are known in backtraces."""
LANE_OUT_OF_MEMORY: Final = "lane-out-of-memory"
"""The function that is called when memory cannot grow."""
AREA: Final = 16
"""The address where results lie that are no single core value."""
_SLACK: Final = 64
"""Bytes of memory behind the last block: the loops read and write past the ends."""
PLANES: Final = 0x7F
DIGITS: Final = 0x7E
PACKED: Final = 0x7D
PADDED: Final = 0x7C
"""The first bytes of text that is not the bytes themselves."""
PADDING: Final = 1024
"""Bytes in front of a text that is padded."""
MANY: Final = 1024
"""Bytes from which on they are packed."""
_DECODED: Final = 256
_COPIED: Final = 256
_SCANNED: Final = 128


def top(area: int) -> int:
    """Return where blocks begin, with so many bytes of results in front."""
    return (AREA + area + 15) & -16


def machine(area: int) -> str:
    """Return the module of memory and codecs, with so many bytes for results."""
    start = top(area)
    pages = (start + _SLACK + 0xFFFF) >> 16
    return f"""(module ${NAME}
  (import "guest" "memory" (memory $guest 0))
  (memory $lane (export "memory") {pages})
  (global (export "start") i32 (i32.const {start}))
  (global $top (export "top") (mut i32) (i32.const {start}))
  (global $last (mut i32) (i32.const 0))
  (func $lane-out-of-memory unreachable)
  (func $lane-out-of-bounds unreachable)
{_REALLOC}
{_BOUNDS}
{_copy("in", "$lane", "$guest")}
{_copy("out", "$guest", "$lane")}
{_DECODED_SIZE}
{_decode_digits()}
{_unpack()}
{_decode()}
{_pack()}
{_encode()})"""


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
          (memory.size $lane))
      (then (if (i32.eq (i32.const -1) (memory.grow $lane (i32.sub
            (i32.shr_u (i32.add (local.get $end) (i32.const {_SLACK + 0xFFFF}))
              (i32.const 16))
            (memory.size $lane))))
        (then (call $lane-out-of-memory)))))
    (if (i32.and (i32.ne (local.get $old) (i32.const 0))
          (i32.ne (local.get $old) (local.get $at)))
      (then
        (memory.copy $lane $lane (local.get $at) (local.get $old) (local.get $was))))
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


# The guest may have written any address and size.
_BOUNDS: Final = """\
  (func $in-guest (export "in-guest") (param $from i32) (param $size i32)
    (if (i64.gt_u
          (i64.add (i64.extend_i32_u (local.get $from))
            (i64.extend_i32_u (local.get $size)))
          (i64.shl (i64.extend_i32_u (memory.size $guest)) (i64.const 16)))
      (then (call $lane-out-of-bounds))))"""


def _copy(way: str, source: str, target: str) -> str:
    """Return the function that copies a block: fuel is charged for each byte else."""

    def blocks(count: int) -> str:
        lines = [
            f"(v128.store {target} offset={at} (local.get $to)"
            f" (v128.load {source} offset={at} (local.get $at)))"
            for at in range(0, count * 16, 16)
        ]
        step = f"(i32.add (local.get $to) (i32.const {count * 16}))"
        return "\n        ".join((*lines, f"(local.set $to {step})"))

    return f"""\
  (func $copy-{way} (export "copy-{way}")
    (param $at i32) (param $to i32) (param $size i32) (local $stop i32)
    (local.set $stop (i32.add (local.get $at)
      (i32.and (local.get $size) (i32.const -{_COPIED}))))
{_loop("many", _COPIED, blocks(_COPIED // 16))}
    (local.set $size (i32.and (local.get $size) (i32.const {_COPIED - 1})))
    (local.set $stop (i32.add (local.get $at)
      (i32.and (local.get $size) (i32.const -16))))
{_loop("few", 16, blocks(1))}
    (memory.copy {target} {source} (local.get $to) (local.get $at)
      (i32.and (local.get $size) (i32.const 15))))"""


# What one component within another hands over comes as digits.
_DIGIT: Final = (
    "(i32.add (i32.and (local.tee $digit (i32.load8_u $lane offset={at}"
    " (local.get $at))) (i32.const 15)) (i32.mul (i32.const 9)"
    " (i32.shr_u (local.get $digit) (i32.const 6))))"
)


def _decode_digits() -> str:
    """Return the function for hexadecimal digits, two by two."""
    body = f"""\
(i32.store8 $guest (local.get $to) (i32.or
          (i32.shl {_DIGIT.format(at=1)} (i32.const 4)) {_DIGIT.format(at=2)}))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))"""
    return f"""\
  (func $decode-digits (param $at i32) (param $to i32) (param $size i32)
    (local $stop i32) (local $digit i32)
    (local.set $stop (i32.add (local.get $at)
      (i32.and (local.get $size) (i32.const -2))))
{_loop("digits", 2, body)})"""


_DECODED_SIZE: Final = f"""\
  (func (export "decoded-size") (param $at i32) (param $size i32) (result i32)
    (if (i32.eqz (local.get $size)) (then (return (i32.const 0))))
    (if (i32.eq (i32.load8_u $lane (local.get $at)) (i32.const {PADDED}))
      (then (return (i32.sub (local.get $size) (i32.const {PADDING})))))
    (if (i32.eq (i32.load8_u $lane (local.get $at)) (i32.const {PACKED}))
      (then (return (i32.add (i32.load8_u $lane offset=1 (local.get $at))
        (i32.mul (i32.const {GROUP}) (i32.sub
          (i32.div_u (local.get $size) (i32.const {TEXT})) (i32.const 1)))))))
    (i32.shr_u (local.get $size)
      (i32.ge_u (i32.load8_u $lane (local.get $at)) (i32.const {DIGITS}))))"""


# The last group is coded where its text lies, as beyond its end the memory is not ours.
def _unpack() -> str:
    """Return the function for packed text."""
    at, to = "(local.get $at)", "(local.get $to)"
    body = f"""\
{unpack("$lane", "$guest", at, to)}
        (local.set $to (i32.add {to} (i32.const {GROUP})))"""
    return f"""\
  (func $unpack (param $at i32) (param $to i32) (param $size i32)
    (local $stop i32) (local $last i32) {LOCALS}
    {start()}
    (local.set $last (i32.load8_u $lane offset=1 {at}))
    (local.set $at (i32.add {at} (i32.const 2)))
    (local.set $stop (i32.add {at}
      (i32.sub (local.get $size) (i32.const {TEXT + 2}))))
{_loop("unpack", TEXT, body)}
    {unpack("$lane", "$lane", at, at)}
    (memory.copy $guest $lane {to} {at} (local.get $last)))"""


def _pack() -> str:
    """Return the function that packs many bytes: address and size of their text."""
    at, to = "(local.get $at)", "(local.get $to)"
    body = f"""\
{pack("$guest", "$lane", at, to)}
        (local.set $to (i32.add {to} (i32.const {TEXT})))"""
    return f"""\
  (func $pack (param $at i32) (param $size i32) (result i32 i32)
    (local $stop i32) (local $last i32) (local $text i32) (local $to i32) {LOCALS}
    {start()}
    (local.set $last (i32.div_u (i32.sub (local.get $size) (i32.const 1))
      (i32.const {GROUP})))
    (local.set $stop (i32.add {at}
      (i32.mul (local.get $last) (i32.const {GROUP}))))
    (local.set $size (i32.sub (local.get $size)
      (i32.mul (local.get $last) (i32.const {GROUP}))))
    (local.set $last (i32.add (i32.const 2)
      (i32.mul (i32.add (local.get $last) (i32.const 1)) (i32.const {TEXT}))))
    (local.set $text (call $realloc (i32.const 0) (i32.const 0) (i32.const 1)
      (local.get $last)))
    (i32.store8 $lane (local.get $text) (i32.const {PACKED}))
    (i32.store8 $lane offset=1 (local.get $text) (local.get $size))
    (local.set $to (i32.add (local.get $text) (i32.const 2)))
{_loop("pack", GROUP, body)}
    (memory.copy $lane $guest {to} {at} (local.get $size))
    {pack("$lane", "$lane", to, to)}
    (local.get $text) (local.get $last))"""


def _decode() -> str:
    """Return ``decode``: text at an address, and its size, to bytes in the guest."""

    def blocks(count: int, memory: str, to: str) -> str:
        lines = [
            f"(v128.store {memory} offset={at} (local.get {to}) (v128.or"
            f" (v128.load $lane offset={at + 1} (local.get $at))"
            f" (i16x8.shl (v128.load $lane offset={at} (local.get $high))"
            " (i32.const 7))))"
            for at in range(0, count * 16, 16)
        ]
        for each in ("$high", *(() if to == "$at" else (to,))):
            step = f"(i32.add (local.get {each}) (i32.const {count * 16}))"
            lines.append(f"(local.set {each} {step})")
        return "\n        ".join(lines)

    return f"""\
  (func $decode (export "decode") (param $at i32) (param $size i32) (param $to i32)
    (local $high i32) (local $stop i32) (local $end i32)
    (if (i32.eqz (local.get $size)) (then return))
    (if (i32.eq (i32.load8_u $lane (local.get $at)) (i32.const {DIGITS}))
      (then (return
        (call $decode-digits (local.get $at) (local.get $to) (local.get $size)))))
    (if (i32.eq (i32.load8_u $lane (local.get $at)) (i32.const {PACKED}))
      (then (return
        (call $unpack (local.get $at) (local.get $to) (local.get $size)))))
    (if (i32.eq (i32.load8_u $lane (local.get $at)) (i32.const {PADDED}))
      (then
        (local.set $at (i32.add (local.get $at) (i32.const {PADDING})))
        (return (call $copy-in (local.get $at) (local.get $to)
          (i32.sub (local.get $size) (i32.const {PADDING}))))))
    (if (i32.ne (i32.load8_u $lane (local.get $at)) (i32.const {PLANES}))
      (then (return
        (call $copy-in (local.get $at) (local.get $to) (local.get $size)))))
    (local.set $size (i32.shr_u (local.get $size) (i32.const 1)))
    (local.set $high (i32.add (i32.add (local.get $at) (i32.const 1))
      (local.get $size)))
    (local.set $end (i32.add (local.get $at)
      (i32.and (local.get $size) (i32.const -16))))
    (local.set $stop (i32.add (local.get $at)
      (i32.and (local.get $size) (i32.const -{_DECODED}))))
{_loop("many", _DECODED, blocks(_DECODED // 16, "$guest", "$to"))}
    (local.set $stop (local.get $end))
{_loop("few", 16, blocks(1, "$guest", "$to"))}
    {blocks(1, "$lane", "$at")}
    (memory.copy $guest $lane (local.get $to) (local.get $at)
      (i32.and (local.get $size) (i32.const 15))))"""


def _encode() -> str:
    """Return ``encode``: bytes, by address and size, to text, by the same."""
    digits = " ".join(str(ord(digit)) for digit in "0123456789abcdef")
    first = " ".join(f"{i} {i + 16}" for i in range(8))
    second = " ".join(f"{i} {i + 16}" for i in range(8, 16))

    def scan(size: int) -> str:
        blocks = [
            f"(v128.load $guest offset={at} (local.get $at))"
            for at in range(0, size, 16)
        ]
        found = blocks[0]
        for block in blocks[1:]:
            found = f"(v128.or {found} {block})"
        return f"(br_if $other (i8x16.bitmask {found}))"

    def hexadecimal(
        count: int, memory: str = "$guest", place: str = "(local.get $at)"
    ) -> str:
        lines = [
            f"""(v128.store $lane offset={2 * at + 1} (local.get $to)
          (i8x16.shuffle {first}
          (local.tee $highs (i8x16.swizzle (local.get $digits) (i8x16.shr_u
            (local.tee $bytes (v128.load {memory} offset={at} {place})) (i32.const 4))))
          (local.tee $lows (i8x16.swizzle (local.get $digits) (v128.and
            (local.get $bytes) (v128.const i8x16 {"15 " * 16}))))))
        (v128.store $lane offset={2 * at + 17} (local.get $to) (i8x16.shuffle {second}
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
      (then (return (i32.const {AREA}) (local.get $size))))
    (call $in-guest (local.get $from) (local.get $size))
    (memory.copy $lane $guest (i32.const 0)
      (i32.add (local.get $from) (i32.and (local.get $size) (i32.const -16)))
      (i32.and (local.get $size) (i32.const 15)))
    (local.set $at (local.get $from))
    (block $other
      (br_if $other
        (i32.ge_u (i32.load8_u $guest (local.get $at)) (i32.const {PADDED})))
      (local.set $stop (i32.add (local.get $at)
        (i32.and (local.get $size) (i32.const -{_SCANNED}))))
{_loop("scan-many", _SCANNED, scan(_SCANNED))}
      (local.set $stop (i32.add (local.get $from)
        (i32.and (local.get $size) (i32.const -16))))
{_loop("scan-few", 16, scan(16))}
      (br_if $other (i32.and (i8x16.bitmask (v128.load $lane (i32.const 0)))
        (i32.sub (i32.shl (i32.const 1)
          (i32.and (local.get $size) (i32.const 15))) (i32.const 1))))
      (local.set $text (call $realloc (i32.const 0) (i32.const 0) (i32.const 1)
        (local.get $size)))
      (call $copy-out (local.get $from) (local.get $text) (local.get $size))
      (return (local.get $text) (local.get $size)))
    (if (i32.gt_u (local.get $size) (i32.const 0x7fff0000))
      (then (call $lane-out-of-memory)))
    (if (i32.ge_u (local.get $size) (i32.const {MANY}))
      (then (return (call $pack (local.get $from) (local.get $size)))))
    (local.set $text (call $realloc (i32.const 0) (i32.const 0) (i32.const 1)
      (i32.add (i32.shl (local.get $size) (i32.const 1)) (i32.const 1))))
    (i32.store8 $lane (local.get $text) (i32.const {DIGITS}))
    (local.set $digits (v128.const i8x16 {digits}))
    (local.set $to (local.get $text))
    (local.set $at (local.get $from))
    (local.set $stop (i32.add (local.get $from)
      (i32.and (local.get $size) (i32.const -64))))
{_loop("hex-many", 64, hexadecimal(4))}
    (local.set $stop (i32.add (local.get $from)
      (i32.and (local.get $size) (i32.const -16))))
{_loop("hex-few", 16, hexadecimal(1))}
    {hexadecimal(1, "$lane", "(i32.const 0)")}
    (local.get $text)
    (i32.add (i32.shl (local.get $size) (i32.const 1)) (i32.const 1)))"""
