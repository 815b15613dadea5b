"""Turn a function's arguments into C memory and its results back, compiled once."""

from __future__ import annotations

import ctypes
from struct import Struct, error as StructError
from typing import Any, Final

from ..core.errors import ValueMismatch, WitError
from . import _ffi
from ._ffi import VAL
from .types import Err, FuncType, Ok, Result, Scalar
from .values import Arena, Converter, Mismatch, converter, number_kind, numbers

__all__ = ("ExportSignature", "Frame", "ImportSignature")

_read_pointer: Final = Struct("=Q").unpack_from
_TAIL: Final = VAL + 8  # the result's slot, then the error's


class Frame:
    """The C memory of one call: arguments, then the result's slot, then the error's.

    It must live until the call's future is deleted: wasmtime writes into it when the
    fibre ends.
    """

    __slots__ = ("base", "block", "error_at", "result_at")

    def __init__(self, block: bytearray, base: int, result_at: int) -> None:
        self.block = block
        self.base = base
        self.result_at = result_at
        self.error_at = result_at + VAL

    @property
    def error(self) -> int:
        """The address of the error, or 0."""
        address: int = _read_pointer(self.block, self.error_at)[0]
        return address


class ExportSignature:
    """How to call one exported function."""

    __slots__ = (
        *("_kinds", "_lift", "_params", "_read", "_scalar_frame", "_spare"),
        *("name", "params", "result_at", "results", "type"),
    )

    def __init__(self, name: str, type_: FuncType) -> None:
        self.name = name
        self.type = type_
        self.params = len(type_.params)
        self.results = 0 if type_.result is None else 1
        self.result_at = self.params * VAL
        self._params = [
            (param, converter(param_type)) for param, param_type in type_.params
        ]
        self._lift = _lift_result(type_)
        # Numbers in and a number (or nothing) out is common and can be quicker: one
        # pack that also clears both slots, into a frame that is used again.
        fmt = numbers(t for _, t in type_.params)
        self._scalar_frame = None if fmt is None else Struct(f"={fmt}{_TAIL}x")
        self._kinds: list[Any] = []  # kinds, each with a place for the value after it
        if fmt is not None:
            for _, param_type in type_.params:
                self._kinds += (number_kind(param_type), None)
        self._read = _number_reader(type_)
        self._spare: list[Frame] = []

    def frame(self, args: tuple[Any, ...]) -> Frame:
        """Lower the arguments.

        Raises:
            ValueMismatch: Too few or too many, or one does not fit its type.
        """
        if len(args) != self.params:
            raise ValueMismatch(
                self.name,
                "arguments",
                f"{self.params} ({', '.join(n for n, _ in self.type.params)})",
                str(len(args)),
            )
        if self._scalar_frame is None:
            return self._compound_frame(args)
        try:
            frame = self._spare.pop()
        except IndexError:
            arena = Arena.of(self.result_at + _TAIL)
            frame = Frame(arena.block, arena.settle(), self.result_at)
        flat = self._kinds.copy()
        flat[1::2] = args
        try:
            self._scalar_frame.pack_into(frame.block, 0, *flat)
        except (StructError, TypeError, OverflowError):
            return self._compound_frame(args)  # which says what does not fit
        return frame

    def _compound_frame(self, args: tuple[Any, ...]) -> Frame:
        arena = Arena.of(self.result_at + _TAIL)
        for index, ((param, inner), arg) in enumerate(zip(self._params, args)):
            try:
                inner.lower(arena, index * VAL, arg)
            except Mismatch as mismatch:
                raise mismatch.within(param).error(self.name) from None
        return Frame(arena.block, arena.settle(), self.result_at)

    def result(self, frame: Frame) -> Any:
        """Lift the result of a call that ended without an error.

        Raises:
            WitError: The function's result is an ``err``.
        """
        if self._read is not None:
            value = self._read(frame.block, self.result_at + 8)[0]
            self.recycle(frame)
            return value
        if self._lift is None:
            self.recycle(frame)
            return None
        try:
            return self._lift(frame.block, self.result_at)
        finally:
            _ffi.val_delete(frame.base + self.result_at)

    def recycle(self, frame: Frame) -> None:
        """Take back a frame whose future is deleted and whose result needs no free."""
        if self._scalar_frame is not None and len(self._spare) < 8:
            self._spare.append(frame)


def _number_reader(type_: FuncType) -> Any:
    if not isinstance(type_.result, Scalar) or not (fmt := numbers((type_.result,))):
        return None
    return Struct(f"={fmt[3]}").unpack_from


def _lift_result(type_: FuncType) -> Any:
    """Return what lifts a function's result: an ``err`` raises."""
    if type_.result is None:
        return None
    lift = converter(type_.result).lift
    if not isinstance(type_.result, Result):
        return lift

    def lift_ok(block: bytes | bytearray, at: int) -> Any:
        value = lift(block, at)
        if isinstance(value, Err):
            raise WitError(value.value)
        return value.value

    return lift_ok


class ImportSignature:
    """How a host function's parameters and result cross."""

    __slots__ = ("_lifts", "_lower", "fallible", "name", "params", "type")

    def __init__(self, name: str, type_: FuncType) -> None:
        self.name = name
        self.type = type_
        self.params = len(type_.params)
        self._lifts = [
            (index * VAL, converter(param).lift)
            for index, (_, param) in enumerate(type_.params)
        ]
        self.fallible = isinstance(type_.result, Result)
        self._lower: Converter | None = (
            None if type_.result is None else converter(type_.result)
        )

    def lift(self, arguments: int) -> list[Any]:
        """Lift the parameters from where the guest's call left them."""
        if not self._lifts:
            return []
        block = ctypes.string_at(arguments, self.params * VAL)
        return [lift(block, at) for at, lift in self._lifts]

    def lower(self, value: Any, results: int) -> None:
        """Lower what the host function returned to where the guest's call expects it.

        Raises:
            ValueMismatch: The value does not fit the result's type.
        """
        if self._lower is None:
            return
        self._write(self._lower, Ok(value) if self.fallible else value, results)

    def lower_error(self, value: Any, results: int) -> None:
        """Lower the value of a `WitError` as the result's ``err``."""
        assert self._lower is not None
        self._write(self._lower, Err(value), results)

    def _write(self, inner: Converter, value: Any, results: int) -> None:
        arena = Arena.of(VAL)
        try:
            inner.lower(arena, 0, value)
        except Mismatch as mismatch:
            raise mismatch.within("result").error(self.name) from None
        # wasmtime frees the result, so it gets a copy in memory of its own.
        _ffi.val_clone(arena.settle(), results)
