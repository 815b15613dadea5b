"""Turn a function's arguments into C memory and its results back, compiled once."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct
from typing import Any, Final

from ..core.errors import ValueMismatch, WitError
from ..witmodel.types import (
    Borrow,
    Err,
    FuncType,
    Ok,
    Own,
    Result,
    Scalar,
    Shapes,
    WitType,
)
from . import _ffi
from ._ffi import VAL
from .lane import is_large
from .lane.abi import parts
from .values.heft import Heft, hefting
from .values.inline import UNUSUAL, Inlined, inline, inline_ok
from .values.kept import Handles, Kept, Lowering
from .values.layout import NUMBERS, Fixed, Kind, Mismatch, numbers, pin
from .values.lift import Lift, lifting
from .values.lower import lowering
from .values.pieces import PIECE, Held, Meter, piecewise
from .values.weigh import weighing

__all__ = ("LATER", "ExportSignature", "Frame", "ImportSignature")

LATER: Final = object()
"""A result that is to be lifted in pieces."""

_read_pointer: Final = Struct("=Q").unpack_from
_SLOTS: Final = VAL + 8
"""Bytes of the result's slot, then the error's."""
_NOTHING: Final = bytes(_SLOTS)
_DONE: Final = Struct("=B7xB23x").pack(Kind.RESULT, True)  # noqa: FBT003
"""An ``ok`` with nothing in it."""
_NO_SHAPES: Final = Shapes()
_SPARE: Final = 8
"""Frames that a signature keeps for its next calls."""


class Frame:
    """The C memory of one call: arguments, the result's slot, the error's, tails.

    It must live, where it is, until the call's future is deleted: wasmtime keeps its
    address, and writes the result, or an error, when the fibre ends. So all of a call's
    memory belongs to this one object.
    """

    __slots__ = ("base", "block", "error_address", "error_at", "keep", "result_address")

    def __init__(self, template: bytes, result_at: int, fixed: Sequence[Fixed]) -> None:
        self.block: bytearray = bytearray(template)
        self.base: int = pin(self.block)
        for head in fixed:
            head.write(self.block, self.base)
        self.error_at: int = result_at + VAL
        self.result_address: int = self.base + result_at
        self.error_address: int = self.result_address + VAL
        self.keep: Kept = Kept()
        """The objects that the block points to."""

    @property
    def error(self) -> int:
        """The address of the error, or 0."""
        address: int = _read_pointer(self.block, self.error_at)[0]
        return address


class _Lowered:
    """Frames for values of given types, in order."""

    __slots__ = ("_fixed", "_inlined", "_plan", "_spare", "_template", "result_at")

    def __init__(
        self, types: Sequence[tuple[str, WitType]], shapes: Shapes = _NO_SHAPES
    ) -> None:
        self.result_at: int = len(types) * VAL
        self._template = bytes(self.result_at + _SLOTS)
        self._plan: list[tuple[str, Lowering, int, int]] = []
        for index, (name, type_) in enumerate(types):
            each = lowering(type_, shapes)
            self._plan.append((name, each, index * VAL, len(self._template)))
            self._template += each.template
        self._fixed: list[Fixed] = []
        self._inlined = inline(
            [type_ for _, type_ in types],
            [tail for _, _, _, tail in self._plan],
            self._fixed,
            shapes,
        )
        self._spare: list[Frame] = []

    @property
    def first_tail(self) -> int:
        """The offset of the first value's tail."""
        return self._plan[0][3]

    def frame(self) -> Frame:
        """Return a frame, a used one if there is one."""
        try:
            return self._spare.pop()
        except IndexError:
            return Frame(self._template, self.result_at, self._fixed)

    def write(self, frame: Frame, values: Sequence[Any], handles: Handles) -> None:
        """Lower the values into a frame. Raises `Mismatch`."""
        frame.keep.handles = handles
        self._write(frame, values)
        if frame.keep.pending:
            frame.keep.give()

    def _write(self, frame: Frame, values: Sequence[Any]) -> None:
        block, base, keep = frame.block, frame.base, frame.keep
        if self._inlined is not None:
            try:
                return self._inlined(block, base, keep, *values)
            except UNUSUAL:
                # The writers know more types, and say what does not fit.
                keep.forget()
        name = ""
        try:
            for (name, each, head, tail), value in zip(self._plan, values):  # noqa: B007 - for the error
                each.write(block, head, tail, base, keep, value)
        except Mismatch as mismatch:
            raise mismatch.within(name) from None

    def recycle(self, frame: Frame) -> None:
        """Take back a frame that nothing in C refers to any more."""
        if frame.keep.given:
            frame.keep.take_back()
        frame.keep.clear()
        if len(self._spare) < _SPARE:
            self._spare.append(frame)


class ExportSignature:
    """How to call one exported function."""

    __slots__ = (
        *("_kinds", "_lift", "_lowered", "_numbers", "_pieces", "_read", "_shapes"),
        "_weigh",
        *("hefts", "name", "params", "result_at", "results", "slow", "type"),
    )

    def __init__(self, name: str, type_: FuncType, shapes: Shapes = _NO_SHAPES) -> None:
        self.name: str = name
        self.type: FuncType = type_
        self.params: int = len(type_.params)
        self.results: int = 0 if type_.result is None else 1
        self._lowered = _Lowered(type_.params, shapes)
        self.hefts: list[tuple[int, Heft]] = _hefts([t for _, t in type_.params])
        """What weighs the arguments of which lists and maps are a part, and where; no
        handle is one, as resources belong to the event loop's thread."""
        self.result_at: int = self._lowered.result_at
        self._lift = _lift_result(type_, shapes)
        self._shapes = shapes
        self._pieces: Any = None
        self.slow: bool = is_large(type_)
        """Whether calls are to be polled in threads: see `Store.slow`."""
        self._weigh = None if type_.result is None else weighing(type_.result).walk
        # Numbers in and a number out are common and can be quicker: one pack, which
        # also clears both slots, and one unpack.
        fmt = numbers(param for _, param in type_.params)
        self._numbers = None if fmt is None else Struct(f"={fmt}{_SLOTS}x")
        self._kinds: list[Any] = []  # kinds, each with a place for the value after it
        if fmt is not None:
            for _, param in type_.params:
                assert isinstance(param, Scalar)
                self._kinds += (NUMBERS[param.name].kind, None)
        self._read = _number_reader(type_)

    def frame(self, args: tuple[Any, ...], handles: Handles) -> Frame:
        """Lower the arguments.

        Raises:
            ValueMismatch: Too few or too many, or one does not fit its type.
        """
        if len(args) != self.params:
            names = ", ".join(name for name, _ in self.type.params) or "none"
            expected = f"{self.params} ({names})"
            raise ValueMismatch(self.name, "arguments", expected, str(len(args)))
        frame = self._lowered.frame()
        if self._numbers is not None:
            flat = self._kinds.copy()
            flat[1::2] = args
            try:
                self._numbers.pack_into(frame.block, 0, *flat)
            except (struct.error, TypeError, OverflowError):
                pass  # the long way says what does not fit
            else:
                return frame
        frame.block[self.result_at : self.result_at + _SLOTS] = _NOTHING
        try:
            self._lowered.write(frame, args, handles)
        except Mismatch as mismatch:
            raise mismatch.error(self.name) from None
        return frame

    def heft(self, args: tuple[Any, ...], most: int) -> int:
        """Weigh the arguments, as `Heft` does."""
        if len(args) != self.params:
            return 0
        return sum(heft(args[place], most) for place, heft in self.hefts)

    def result(self, frame: Frame, handles: Handles) -> Any:
        """Lift the result of a call that ended without an error; take the frame back.

        Returns:
            The result, or `LATER` where it is too large to be lifted at a stretch: then
            `held` takes it.

        Raises:
            WitError: The function's result is an ``err``.
        """
        if self._read is not None:
            number = self._read(frame.block, self.result_at + 8)[0]
            self._lowered.recycle(frame)
            return number
        weigh = self._weigh
        if weigh is not None and weigh(frame.block, self.result_at, PIECE) > PIECE:
            return LATER
        try:
            if self._lift is None:
                return None
            try:
                return self._lift(frame.block, self.result_at, handles)
            finally:
                _ffi.val_delete(frame.result_address)
        finally:
            self._lowered.recycle(frame)

    def held(self, frame: Frame) -> Held:
        """Take a large result out of its frame, and the frame back."""
        held = Held(frame.result_address, 1)
        self._lowered.recycle(frame)
        return held

    async def result_in_pieces(self, held: Held, handles: Handles, meter: Meter) -> Any:
        """Lift a large result. Raises `TooHeavy`, and as `result`."""
        assert self.type.result is not None
        if self._pieces is None:
            self._pieces = piecewise(self.type.result, self._shapes)
        value = await self._pieces(held.block, 0, handles, meter)
        if not isinstance(self.type.result, Result):
            return value
        if isinstance(value, Err):
            raise WitError(value.value)
        return value.value


def _hefts(types: Sequence[WitType]) -> list[tuple[int, Heft]]:
    if any(isinstance(part, Own | Borrow) for each in types for part in parts(each)):
        return []
    found = [(place, hefting(each)) for place, each in enumerate(types)]
    return [(place, heft) for place, heft in found if heft is not None]


def _number_reader(type_: FuncType) -> Any:
    if not isinstance(type_.result, Scalar) or type_.result.name not in NUMBERS:
        return None
    return Struct(f"={NUMBERS[type_.result.name].code}").unpack_from


def _number_packer(type_: WitType) -> Callable[[Any], bytes] | None:
    """Return what makes the C value of a number, which owns no memory; else None."""
    fmt = numbers((type_,))
    if fmt is None:
        return None
    assert isinstance(type_, Scalar)
    return partial(Struct(f"={fmt}").pack, NUMBERS[type_.name].kind)


def _lift_result(type_: FuncType, shapes: Shapes) -> Lift | None:
    """Return what lifts a function's result: an ``err`` raises."""
    if type_.result is None:
        return None
    lift = lifting(type_.result, shapes)
    if not isinstance(type_.result, Result):
        return lift
    ok = None if type_.result.ok is None else lifting(type_.result.ok, shapes)

    def lift_ok(block: bytes | bytearray, at: int, handles: Handles) -> Any:
        if not block[at + 8]:
            raise WitError(lift(block, at, handles).value)
        if ok is None:
            return None
        pointer = _read_pointer(block, at + 16)[0]
        return ok(ctypes.string_at(pointer, VAL), 0, handles)

    return lift_ok


class ImportSignature:
    """How a host function's parameters and result cross."""

    __slots__ = (
        *(
            "_arguments",
            "_done",
            "_lifts",
            "_lowered",
            "_ok",
            "_pack",
            "_pieces",
            "_shapes",
        ),
        *("_result", "_weighs"),
        *("fallible", "has_handles", "hefts", "name", "params", "says_text"),
        *("slow", "type"),
    )

    def __init__(self, name: str, type_: FuncType, shapes: Shapes = _NO_SHAPES) -> None:
        self.name: str = name
        self.type: FuncType = type_
        self.params: int = len(type_.params)
        self._lifts = [
            (index * VAL, lifting(param, shapes))
            for index, (_, param) in enumerate(type_.params)
        ]
        self._arguments = _ffi.Slot(self.params * VAL)
        self._result = _ffi.Slot(VAL)
        walks = [weighing(param).walk for _, param in type_.params]
        self._weighs = [
            (index * VAL, walk) for index, walk in enumerate(walks) if walk is not None
        ]
        self._shapes = shapes
        self.slow: bool = is_large(type_)
        """Whether calls of it are to be polled in threads: see `Store.slow`."""
        self._pieces: list[Any] = []
        self.fallible: bool = isinstance(type_.result, Result)
        self.says_text: bool = isinstance(
            type_.result, Result
        ) and type_.result.err == Scalar("string")
        """Whether its ``err`` is a text."""
        self.has_handles: bool = any(
            isinstance(part, Own | Borrow)
            for _, param in type_.params
            for part in parts(param)
        )
        self.hefts: list[tuple[int, Heft]] = (
            [] if type_.result is None else _hefts([type_.result])
        )
        """What weighs the result, if lists and maps are a part of it."""
        self._lowered = (
            None
            if type_.result is None
            else _Lowered((("result", type_.result),), shapes)
        )
        self._pack = None if type_.result is None else _number_packer(type_.result)
        self._ok: Inlined | None = None
        self._done = False
        if self._lowered is not None and isinstance(type_.result, Result):
            self._ok = inline_ok(type_.result, self._lowered.first_tail, shapes)
            self._done = type_.result.ok is None

    def lift(self, arguments: int, handles: Handles) -> list[Any] | Held:
        """Lift the parameters from where the guest's call left them.

        Those that are too large to be lifted at a stretch are only taken from there.
        """
        if not self._lifts:
            return []
        block = self._arguments.at(arguments).raw
        weight = 0
        for at, weigh in self._weighs:
            weight += weigh(block, at, PIECE)
            if weight > PIECE:
                return Held(arguments, self.params)
        return [lift(block, at, handles) for at, lift in self._lifts]

    async def lift_in_pieces(
        self, held: Held, handles: Handles, meter: Meter
    ) -> list[Any]:
        """Lift large parameters. Raises `TooHeavy`."""
        if not self._pieces:
            self._pieces = [
                piecewise(param, self._shapes) for _, param in self.type.params
            ]
        return [
            await pieces(held.block, index * VAL, handles, meter)
            for index, pieces in enumerate(self._pieces)
        ]

    def heft(self, value: Any, most: int) -> int:
        """Weigh a result, as `Heft` does."""
        result = Ok(value) if self.fallible else value
        return sum(heft(result, most) for _, heft in self.hefts)

    def lower(self, value: Any, results: int, handles: Handles) -> None:
        """Lower what the host function returned to where the guest's call expects it.

        Raises:
            ValueMismatch: The value does not fit the result's type.
        """
        if self._pack is not None:
            try:
                self._result.at(results).raw = self._pack(value)
            except (struct.error, TypeError, OverflowError):
                pass  # the long way says what does not fit
            else:
                return
        elif self._done and value is None:
            self._result.at(results).raw = _DONE
            return
        if self._lowered is not None:
            write = self._ok
            if write is not None and self._quickly(write, value, results, handles):
                return
            lowered = Ok(value) if self.fallible else value
            self._write(self._lowered, lowered, results, handles)

    def _quickly(
        self, write: Inlined, value: Any, results: int, handles: Handles
    ) -> bool:
        """Lower an ``ok`` of a usual type; tell whether it was one."""
        assert self._lowered is not None
        frame = self._lowered.frame()
        keep = frame.keep
        keep.handles = handles
        try:
            write(frame.block, frame.base, keep, value)
            if keep.pending:
                keep.give()
        except UNUSUAL:
            # The writers know more types, and say what does not fit.
            keep.forget()
            usual = False
        else:
            usual = True
            _ffi.val_clone(frame.base, results)
        self._lowered.recycle(frame)
        return usual

    def lower_error(self, value: Any, results: int, handles: Handles) -> None:
        """Lower the value of a `WitError` as the result's ``err``."""
        assert self._lowered is not None
        self._write(self._lowered, Err(value), results, handles)

    def _write(
        self, lowered: _Lowered, value: Any, results: int, handles: Handles
    ) -> None:
        frame = lowered.frame()
        try:
            lowered.write(frame, (value,), handles)
        except Mismatch as mismatch:
            raise mismatch.error(self.name) from None
        # wasmtime frees the result, so it gets a copy in memory of its own.
        _ffi.val_clone(frame.base, results)
        lowered.recycle(frame)
