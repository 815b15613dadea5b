"""Write the core code that finds every list of bytes among a function's values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from attrs import Factory, define

from ..types import Borrow, FuncType, List, Map, Octets, ResourceType, Tuple, WitType
from .abi import (
    cases,
    discriminant,
    elements,
    flat,
    has_octets,
    offsets,
    payload,
    size,
)
from .machine import AREA

__all__ = ("Forwarders", "area")

_FLAT_PARAMS: Final = 16
"""Core values as which parameters are passed; more lie in memory."""

Way: TypeAlias = Literal["decode", "encode"]
"""From the host's text to the guest's bytes, or back."""


def area(type_: FuncType) -> int:
    """Return the bytes of memory that a function's result takes."""
    return 0 if type_.result is None else size(type_.result)[0]


@define
class Forwarders:
    """A core module of functions that pass calls on and code bytes on the way."""

    start: int
    """Where blocks begin in memory."""
    imports: list[str] = Factory(list)
    """The functions that it needs, by name."""
    dropped: list[ResourceType] = Factory(list)
    """The resources whose handles it drops."""
    _functions: list[str] = Factory(list)
    _lists: dict[tuple[Way, WitType], str] = Factory(dict)

    def text(self, name: str, module: str) -> str:
        """Return the module.

        Args:
            name: What the text calls it.
            module: What backtraces call it.
        """
        drops = "".join(
            f'\n  (import "lane" "drop-{index}" (func $drop-{index} (param i32)))'
            for index in range(len(self.dropped))
        )
        body = "\n  ".join((*self.imports, *self._functions))
        return f"""(core module ${name} (@name "{module}")
  (import "lane" "memory" (memory 1))
  (import "lane" "top" (global $top (mut i32)))
  (import "lane" "decode" (func $decode (param i32 i32) (result i32)))
  (import "lane" "encode" (func $encode (param i32 i32) (result i32 i32)))
  (import "lane" "decode-at" (func $decode-at (param i32)))
  (import "lane" "encode-at" (func $encode-at (param i32))){drops}
  {body})"""

    def add(self, name: str, type_: FuncType, inward: Way, outward: Way) -> None:
        """Add a function.

        Args:
            name: What it is exported as, and what it forwards to imported as.
            type_: The retyped function.
            inward: What to do with bytes in parameters.
            outward: What to do with bytes in the result.
        """
        types = tuple(param for _, param in type_.params)
        cores = [core for param in types for core in flat(param)]
        results = [] if type_.result is None else flat(type_.result)
        code: list[str] = []
        given = cores
        if len(cores) > _FLAT_PARAMS:
            given = ["i32"]
            code += self._in_memory(inward, Tuple(types), "(local.get 0)", 0)
        else:
            code += self._in_locals(inward, Tuple(types), 0, cores)
        code.append(f"(global.set $top (i32.const {self.start}))")
        passed = [f"(local.get {index})" for index in range(len(given))]
        indirect = len(results) > 1
        if indirect:
            passed.append(f"(i32.const {AREA})")
        returned = "(result i32)" if indirect else _results(results)
        taken = f"(param {' '.join(given)})" if given else ""
        kept, lent = self._lent(types, spilled=len(cores) > _FLAT_PARAMS)
        code += kept
        code.append(f"(call ${name} {' '.join(passed)})")
        code += lent
        if indirect:
            assert type_.result is not None
            at = f"(i32.const {AREA})"
            code += self._in_memory(outward, type_.result, at, 0)
            code.append(at)
        inner = f"(param {' '.join((*given, *['i32'] * indirect))})" if passed else ""
        self.imports.append(
            f'(import "to" "{name}" (func ${name} {inner}'
            f" {'' if indirect else _results(results)}))"
        )
        body = "\n    ".join(code)
        self._functions.append(
            f'(func (export "{name}") {taken} {returned}'
            f" (local {' '.join(['i32'] * len(kept))})\n    {body})"
        )

    def _lent(
        self, types: Sequence[WitType], *, spilled: bool
    ) -> tuple[list[str], list[str]]:
        """Return code around the call that gives back what was lent for it."""
        before: list[str] = []
        after: list[str] = []
        place = 0
        for offset, each in offsets(types):
            if isinstance(each, Borrow):
                if each.resource not in self.dropped:
                    self.dropped.append(each.resource)
                handle = place
                if spilled:
                    # What the call returns may be written where the parameters are.
                    handle = 1 + len(before)
                    before.append(
                        f"(local.set {handle} (i32.load offset={offset} (local.get 0)))"
                    )
                drop = f"$drop-{self.dropped.index(each.resource)}"
                after.append(f"(call {drop} (local.get {handle}))")
            place += len(flat(each))
        return before, after

    # Values in memory.

    def _in_memory(self, way: Way, type_: WitType, at: str, offset: int) -> list[str]:
        """Return code for the bytes in a value at an address and offset."""
        if not has_octets(type_):
            return []
        if isinstance(type_, Octets):
            return [f"(call ${way}-at (i32.add {at} (i32.const {offset})))"]
        if (inner := elements(type_)) is not None:
            return [
                line
                for place, each in offsets(inner)
                for line in self._in_memory(way, each, at, offset + place)
            ]
        if (choices := cases(type_)) is not None:
            width = discriminant(len(choices)) * 8
            load = f"i32.load{'' if width == 32 else f'{width}_u'}"
            tag = f"({load} offset={offset} {at})"
            place = offset + payload(type_)
            return [
                _case(tag, index, self._in_memory(way, case, at, place))
                for index, case in enumerate(choices)
                if case is not None and has_octets(case)
            ]
        pointer = f"(i32.load offset={offset} {at})"
        count = f"(i32.load offset={offset + 4} {at})"
        return [f"(call {self._list(way, type_)} {pointer} {count})"]

    def _list(self, way: Way, type_: WitType) -> str:
        """Return the function for the bytes in a list's elements."""
        element = _element(type_)
        if (way, element) not in self._lists:
            name = f"${way}-list-{len(self._lists)}"
            self._lists[way, element] = name
            step = size(element)[0]
            body = " ".join(self._in_memory(way, element, "(local.get $at)", 0))
            self._functions.append(f"""(func {name} (param $at i32) (param $count i32)
    (local $stop i32)
    (local.set $stop (i32.add (local.get $at)
      (i32.mul (local.get $count) (i32.const {step}))))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $at) (local.get $stop)))
      {body}
      (local.set $at (i32.add (local.get $at) (i32.const {step})))
      (br $next))))""")
        return self._lists[way, element]

    # Values in core parameters.

    def _in_locals(
        self, way: Way, type_: WitType, first: int, cores: Sequence[str]
    ) -> list[str]:
        """Return code for the bytes in a value passed in parameters from a first on."""
        if not has_octets(type_):
            return []
        if (inner := elements(type_)) is not None:
            code = []
            for each in inner:
                code += self._in_locals(way, each, first, cores)
                first += len(flat(each))
            return code
        if (choices := cases(type_)) is not None:
            tag = _read(first, cores)
            return [
                _case(tag, index, self._in_locals(way, case, first + 1, cores))
                for index, case in enumerate(choices)
                if case is not None and has_octets(case)
            ]
        both = f"{_read(first, cores)} {_read(first + 1, cores)}"
        if not isinstance(type_, Octets):
            return [f"(call {self._list(way, type_)} {both})"]
        code = [f"(call ${way} {both})", *_write(first + 1, cores)]
        if way == "encode":
            code += _write(first, cores)
        return code


def _results(cores: Sequence[str]) -> str:
    return "".join(f"(result {core})" for core in cores)


def _element(type_: WitType) -> WitType:
    """Return the type of what lies in a list's memory."""
    match type_:
        case List(element):
            return element
        case Map(key, value):
            return Tuple((key, value))
        case _:
            raise AssertionError(type_)


def _case(tag: str, index: int, code: Sequence[str]) -> str:
    return f"(if (i32.eq {tag} (i32.const {index})) (then {' '.join(code)}))"


def _read(index: int, cores: Sequence[str]) -> str:
    """Return a parameter as i32: where variants share it, it may be wider."""
    local = f"(local.get {index})"
    return local if cores[index] == "i32" else f"(i32.wrap_i64 {local})"


def _write(index: int, cores: Sequence[str]) -> list[str]:
    """Set a parameter to the i32 on the stack."""
    wider = [] if cores[index] == "i32" else ["(i64.extend_i32_u)"]
    return [*wider, f"(local.set {index})"]
