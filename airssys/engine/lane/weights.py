"""Write the core code that weighs what leaves a guest, before wasmtime makes values.

wasmtime turns what crosses into values of its own and these into C's. That takes 88
bytes for each, however small it is, some 300 ns, and cannot be interrupted. A guest
describes much with little, so its core code adds up what it describes, and is stopped
where that is too much. And where it is much, that code uses up the slices that are
polled on the event loop, so that the rest is done in a worker thread.

What lies outside of the guest's memory is not weighed: it traps where it is lifted.
"""

from __future__ import annotations

from typing import Final

from attrs import Factory, define

from ...witmodel.types import (
    Borrow,
    Enum,
    Flags,
    List,
    Map,
    Opaque,
    Option,
    Own,
    RecordType,
    Result,
    Scalar,
    Tuple,
    VariantType,
    WitType,
)
from .abi import (
    BYTES,
    cases,
    elements,
    size,
)
from .walk import Memory, Place, each_element, listed, points, walk

__all__ = ("HEAVY", "Weights")

HEAVY: Final = 400_000
"""What is more than that, as wasmtime has it, is not made on the event loop."""
_SLOT: Final = 88
_BLOCK: Final = 32
_BOX: Final = 96
_COPIES: Final = 2
"""Of texts, which are held by both kinds of values."""
_WIDE: Final = 3
"""Bytes of UTF-8 that a unit of UTF-16 may take."""
_SLOWER: Final = 16
"""How much longer values take than texts of the same size."""


def _own(type_: WitType) -> int:
    """Return what a value weighs without what its lists and texts hold."""
    match type_:
        case Scalar("string") | List() | Map():
            return _SLOT + _BLOCK
        case Scalar():
            return _SLOT
        case RecordType() | Tuple():
            return _SLOT + _BOX + sum(map(_own, elements(type_) or ()))
        case VariantType() | Option() | Result():
            inner = [_own(case) for case in cases(type_) or () if case is not None]
            return _SLOT + _BOX + max(inner, default=0)
        case Enum():
            return _SLOT + _BLOCK
        case Flags(names):
            return _SLOT + _BOX * len(names)
        case Own() | Borrow() | Opaque():
            return _SLOT + _BOX


@define
class Weights:
    """Functions of a module that weigh lists, and the code that calls them."""

    lane: bool
    """Whether lists of bytes cross as texts."""
    limited: bool
    """Whether the limit holds here, as it does for what goes to the host."""
    functions: list[str] = Factory(list)
    _lists: dict[tuple[WitType, bool], str] = Factory(dict)

    def of(self, type_: WitType, place: Place, *, wide: bool) -> list[str]:
        """Return code that weighs what a value points to."""

        def found(type_: WitType, place: Place) -> list[str]:
            return [self._weighed(type_, place.pointer, place.count, wide=wide)]

        return walk(type_, place, found, concerns=points)

    def _weighed(self, type_: WitType, at: str, count: str, *, wide: bool) -> str:
        if type_ == Scalar("string"):
            # The highest bit says how a text is coded, where that is its own choice.
            units = f"(i32.and {count} (i32.const 0x7fffffff))" if wide else count
            times = _WIDE if wide else 1
            return f"(call $weigh-text {at} {units} (i64.const {times}))"
        if type_ == BYTES and self.lane:
            return f"(call $weigh-text {at} {count} (i64.const 1))"
        return f"(call {self._list(type_, wide=wide)} {at} {count})"

    def _list(self, type_: WitType, *, wide: bool) -> str:
        """Return the function that weighs a list."""
        inner = listed(type_)
        key = inner, wide
        if key not in self._lists:
            name = self._lists[key] = f"$weigh-list-{len(self._lists)}"
            step, _ = size(inner)
            body = " ".join(self.of(inner, Memory("(local.get $at)"), wide=wide))
            self.functions.append(f"""\
(func {name} (param $at i32) (param $n i32) (local $stop i64)
    (if (call $outside (local.get $at) (local.get $n) (i64.const {step}))
      (then (return)))
    (call $weigh (i64.mul (i64.extend_i32_u (local.get $n))
      (i64.const {_own(inner)}))){each_element(step, body)})""")
        return self._lists[key]

    def text(self) -> str:
        """Return the functions, and the sums that they add to."""
        limit = "(if (i64.gt_u (global.get $weight) (global.get $heaviest))"
        check = f"{limit} (then (call $too-heavy)))" if self.limited else ""
        return f"""\
(global $weight (mut i64) (i64.const 0))
  (global $work (mut i64) (i64.const 0))
  (func $begin (global.set $weight (i64.const 0)) (global.set $work (i64.const 0)))
  (func $weigh (param i64)
    (global.set $weight (i64.add (global.get $weight) (local.get 0)))
    (global.set $work (i64.add (global.get $work) (local.get 0)))
    {check})
  (func $outside (param $at i32) (param $n i32) (param $step i64) (result i32)
    (i64.gt_u
      (i64.add (i64.extend_i32_u (local.get $at))
        (i64.mul (i64.extend_i32_u (local.get $n)) (local.get $step)))
      (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16))))
  (func $weigh-text (param $at i32) (param $n i32) (param $times i64)
    (local $size i64)
    (if (call $outside (local.get $at) (local.get $n) (i64.const 1)) (then (return)))
    (local.set $size (i64.mul (local.get $times)
      (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const {_COPIES}))))
    (global.set $weight (i64.add (global.get $weight) (local.get $size)))
    (global.set $work (i64.add (global.get $work)
      (i64.div_u (local.get $size) (i64.const {_SLOWER}))))
    {check})
  (func $end (if (i64.gt_u (global.get $work) (i64.const {HEAVY}))
    (then (call $burn))))
  {" ".join(self.functions)}"""
