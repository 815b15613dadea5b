"""Write the core code that takes values from one memory to another.

A guest may have written anything. So its pointers are checked, for their alignment and
against the end of its memory, as the canonical functions would, and what they would
trap on traps here, in functions that are named after it (see `engine.trap`). There are
two differences: an empty list may have any address, and where several values are wrong,
another one may be named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from attrs import Factory, define

from ...witmodel.types import FuncType, Scalar, Tuple, WitType
from .abi import (
    BYTES,
    flat,
    size,
)
from .machine import AREA, NAME
from .walk import Locals, Memory, Place, listed, points, walk

__all__ = (
    "Forwarders",
    "area",
    "core_shape",
    "is_indirect",
    "passed",
    "returned",
    "taken",
)

_FLAT_PARAMS: Final = 16
"""Core values as which parameters are passed; more lie in memory."""

Way: TypeAlias = Literal["in", "out"]
"""From the lane's memory to the guest's, or back."""
_TARGET: Final = {"in": "$guest", "out": "$lane"}
_REALLOC: Final = {"in": "$guest-realloc", "out": "$realloc"}


def area(type_: FuncType) -> int:
    """Return the bytes of memory that a function's result takes."""
    return 0 if type_.result is None else size(type_.result)[0]


def is_indirect(type_: FuncType) -> bool:
    """Tell whether a function's result lies in memory."""
    return type_.result is not None and len(flat(type_.result)) > 1


@define
class Forwarders:
    """A core module of functions that pass calls on, and values between memories."""

    realloc: bool
    """Whether blocks can be made in the guest's memory."""
    _imports: list[str] = Factory(list)
    _functions: list[str] = Factory(list)
    _lists: dict[tuple[Way, WitType], str] = Factory(dict)

    def text(self) -> str:
        """Return the module."""
        realloc = (
            '(import "guest" "realloc" (func $guest-realloc'
            " (param i32 i32 i32 i32) (result i32)))"
        )
        body = "\n  ".join(
            (
                *((realloc,) if self.realloc else ()),
                *self._imports,
                "(global $back (mut i32) (i32.const 0))",
                _helpers("out"),
                *((_helpers("in"),) if self.realloc else ()),
                *self._functions,
            )
        )
        return f"""(module ${NAME}
  (import "lane" "memory" (memory $lane 1))
  (import "guest" "memory" (memory $guest 0))
  (import "lane" "top" (global $top (mut i32)))
  (import "lane" "start" (global $start i32))
  (import "lane" "decoded-size" (func $decoded-size (param i32 i32) (result i32)))
  (import "lane" "decode" (func $decode (param i32 i32 i32)))
  (import "lane" "encode" (func $out-bytes (param i32 i32) (result i32 i32)))
  (import "lane" "in-guest" (func $in-guest (param i32 i32)))
  (import "lane" "copy-in" (func $copy-in (param i32 i32 i32)))
  (import "lane" "copy-out" (func $copy-out (param i32 i32 i32)))
  (import "lane" "realloc"
    (func $realloc (param i32 i32 i32 i32) (result i32)))
  {body})"""

    def lift(self, name: str, type_: FuncType, *, done: str) -> bool:
        """Add an exported function, which the guest has.

        Args:
            name: What it is exported as, and the guest's own imported as.
            type_: Its type.
            done: What to call the function for after the call; empty if the guest has
                none.

        Returns:
            Whether there is now such a function.
        """
        types, given, results = core_shape(type_)
        code = self._params("in", types, given)
        call = f"(call ${name} {passed(given)})"
        code.append("(global.set $top (global.get $start))")
        indirect = is_indirect(type_)
        if indirect:
            assert type_.result is not None
            width, to = size(type_.result)
            area_, all_ = f"(i32.const {AREA})", f"(i32.const {width})"
            # The result lies in the guest's memory until its post-return. Its address
            # is kept in a global: one call at a time, or `rewrite` refuses the guest.
            code += (
                f"(global.set $back {call})",
                *_aligned("(global.get $back)", to),
                f"(memory.copy $lane $guest {area_} (global.get $back) {all_})",
                *self._points_to("out", type_.result, area_),
                area_,
            )
        else:
            code.append(call)
        back = "(result i32)" if indirect else returned(results)
        self._imports.append(
            f'(import "guest" "{name}" (func ${name} {taken(given)} {back}))'
        )
        self._add(name, f"{taken(given)} {back}", code)
        if not indirect or type_.result is None:
            return False
        if not (done or points(type_.result)):
            return False
        code = ["(global.set $top (global.get $start))"]
        if done:
            post = f"post-{name}"
            self._imports.append(
                f'(import "guest" "{post}" (func ${post} (param i32)))'
            )
            code.insert(0, f"(call ${post} (global.get $back))")
        self._add(done or f"post-{name}", "(param i32)", code)
        return True

    def lower(self, name: str, type_: FuncType) -> None:
        """Add a function for the guest to call, which is imported as the same."""
        types, given, results = core_shape(type_)
        code = self._params("out", types, given)
        start = "(global.set $top (global.get $start))"
        if is_indirect(type_):
            assert type_.result is not None
            width, to = size(type_.result)
            area_, all_ = f"(i32.const {AREA})", f"(i32.const {width})"
            back = f"(local.get {len(given)})"
            code += (
                f"(call ${name} {passed(given)} {area_})",
                *_aligned(back, to),
                f"(memory.copy $guest $lane {back} {area_} {all_})",
                *self._points_to("in", type_.result, back),
                start,
            )
            given, results = [*given, "i32"], []
        else:
            code += (f"(call ${name} {passed(given)})", start)
        shape = f"{taken(given)} {returned(results)}"
        self._imports.append(f'(import "guest" "{name}" (func ${name} {shape}))')
        self._add(name, shape, code)

    def _add(self, name: str, shape: str, code: Sequence[str]) -> None:
        body = "\n    ".join(code)
        self._functions.append(
            f'(func (export "{name}") {shape} (local $size i32)\n    {body})'
        )

    def _params(self, way: Way, types: Tuple, given: Sequence[str]) -> list[str]:
        if given != (cores := flat(types)):
            width, to = size(types)
            return [
                f"(local.set 0 {self._block(way, '(local.get 0)', width, to)})",
                *self._points_to(way, types, "(local.get 0)"),
            ]
        return self._moving(way, types, Locals(cores))

    def _block(self, way: Way, at: str, width: int, to: int) -> str:
        return f"(call ${way}-list {at} (i32.const {width}) (i32.const {to}))"

    def _points_to(self, way: Way, type_: WitType, at: str) -> list[str]:
        """Return code for what a value points to that is copied already."""
        return self._moving(way, type_, Memory(at, name=_TARGET[way]))

    def _moving(self, way: Way, type_: WitType, place: Place) -> list[str]:
        """Return code that copies what a value points to, and points it there."""

        def found(type_: WitType, place: Place) -> list[str]:
            moved = self._moved(way, type_, place.pointer, place.count)
            match place:
                case Memory():
                    return _stored(place, moved, type_)
                case Locals(cores, first):
                    count = _write(first + 1, cores) if type_ == BYTES else []
                    return [moved, *count, *_write(first, cores)]

        return walk(type_, place, found, concerns=points)

    def _moved(self, way: Way, type_: WitType, pointer: str, count: str) -> str:
        """Return code that copies what a pointer leads to, and leaves the new one."""
        if type_ == BYTES:
            return f"(call ${way}-bytes {pointer} {count})"
        if isinstance(type_, Scalar):
            return f"(call ${way}-string {pointer} {count})"
        return f"(call {self._list(way, type_)} {pointer} {count})"

    def _list(self, way: Way, type_: WitType) -> str:
        """Return the function that copies a list with what its elements point to."""
        element = listed(type_)
        if (way, element) not in self._lists:
            name = f"${way}-list-{len(self._lists)}"
            self._lists[way, element] = name
            step, to = size(element)
            body = " ".join(self._points_to(way, element, "(local.get $at)"))
            walk = f"""
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $at) (local.get $stop)))
      {body}
      (local.set $at (i32.add (local.get $at) (i32.const {step})))
      (br $next)))"""
            self._functions.append(f"""(func {name} (param $from i32) (param $count i32)
    (result i32) (local $at i32) (local $to i32) (local $size i32) (local $stop i32)
    (if (i64.gt_u (i64.mul (i64.extend_i32_u (local.get $count)) (i64.const {step}))
        (i64.const 0xffffffff))
      (then (call $lane-out-of-bounds)))
    (local.set $size (i32.mul (local.get $count) (i32.const {step})))
    (local.set $to (call ${way}-list (local.get $from) (local.get $size)
      (i32.const {to})))
    (local.set $at (local.get $to))
    (local.set $stop (i32.add (local.get $at) (local.get $size))){walk if body else ""}
    (local.get $to))""")
        return self._lists[way, element]


def core_shape(type_: FuncType) -> tuple[Tuple, list[str], list[str]]:
    """Return parameters, the core values as which they are passed, and the result's."""
    types = Tuple(tuple(param for _, param in type_.params))
    cores = flat(types)
    results = [] if type_.result is None else flat(type_.result)
    return types, cores if len(cores) <= _FLAT_PARAMS else ["i32"], results


def taken(cores: Sequence[str]) -> str:
    """Write the parameters of a function."""
    return f"(param {' '.join(cores)})" if cores else ""


def returned(cores: Sequence[str]) -> str:
    """Write the results of a function."""
    return "".join(f"(result {core})" for core in cores)


def passed(cores: Sequence[str]) -> str:
    """Write the arguments of a call that passes all parameters on."""
    return " ".join(f"(local.get {index})" for index in range(len(cores)))


def _stored(place: Memory, moved: str, type_: WitType) -> list[str]:
    """Store a new pointer in memory; of bytes a new length too."""
    memory, at, offset = place.name, place.at, place.offset
    if type_ == BYTES:
        return [
            f"{at} {moved} (local.set $size)",
            f"(i32.store {memory} offset={offset})",
            f"(i32.store {memory} offset={offset + 4} {at} (local.get $size))",
        ]
    return [f"(i32.store {memory} offset={offset} {at} {moved})"]


def _write(index: int, cores: Sequence[str]) -> list[str]:
    """Set a parameter to the i32 on the stack."""
    wider = [] if cores[index] == "i32" else ["(i64.extend_i32_u)"]
    return [*wider, f"(local.set {index})"]


def _aligned(at: str, to: int) -> list[str]:
    """Trap if an address is no multiple of so many bytes."""
    if to == 1:
        return []
    rest = f"(i32.and {at} (i32.const {to - 1}))"
    return [f"(if {rest} (then (call $lane-unaligned-pointer)))"]


def _helpers(way: Way) -> str:
    """Return the functions that copy blocks."""
    # Guests may free what they are given even where it is empty.
    empty = {
        "in": "",
        "out": """\
(if (i32.eqz (local.get $size)) (then (return {})))
    (call $in-guest (local.get $from) (local.get $size))""",
    }[way]
    unaligned = {"in": "$lane-unaligned-realloc", "out": "$lane-unaligned-pointer"}[way]
    tested = {"in": "$to", "out": "$from"}[way]

    def copied(align: str) -> str:
        return f"""\
{empty.format(align)}
    (local.set $to (call {_REALLOC[way]} (i32.const 0) (i32.const 0) {align}
      (local.get $size)))"""

    copy = f"""\
(call $copy-{way} (local.get $from) (local.get $to) (local.get $size))
    (local.get $to)"""
    code = f"""\
(func ${way}-string (param $from i32) (param $size i32) (result i32) (local $to i32)
    {copied("(i32.const 1)")}
    {copy})
  (func ${way}-list (param $from i32) (param $size i32) (param $align i32)
    (result i32) (local $to i32)
    {copied("(local.get $align)")}
    (if (i32.and (local.get {tested}) (i32.sub (local.get $align) (i32.const 1)))
      (then (call {unaligned})))
    {copy})"""
    if way == "out":
        return f"""\
(func $lane-unaligned-pointer unreachable)
  (func $lane-out-of-bounds unreachable)
  {code}"""
    return f"""\
(func $lane-unaligned-realloc unreachable)
  {code}
  (func $in-bytes (param $from i32) (param $size i32) (result i32 i32)
    (local $count i32) (local $to i32)
    (local.set $count
      (call $decoded-size (local.get $from) (local.get $size)))
    (local.set $to (call $guest-realloc (i32.const 0) (i32.const 0) (i32.const 1)
      (local.get $count)))
    (call $decode (local.get $from) (local.get $size) (local.get $to))
    (local.get $to) (local.get $count))"""
