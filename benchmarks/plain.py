"""The peers: wasmtime-py as it is, and the bare fibre calls of the C API."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref
from typing import Any

import wasmtime
from attrs import define, field
from wasmtime import _ffi as library
from wasmtime.component import Component, Func, Instance, Linker

from airssys.engine import _ffi

__all__ = ("BareFibre", "Plain", "engine")

_FUEL = 2**62


def engine() -> wasmtime.Engine:
    """Make a wasmtime engine with the settings of ours."""
    config = wasmtime.Config()
    config.wasm_component_model = True
    config.consume_fuel = True
    config.memory_reservation = 4 << 20
    config.memory_guard_size = 64 << 10
    config.memory_may_move = True
    return wasmtime.Engine(config)


@define(eq=False)
class Plain:
    """One instance in wasmtime-py: every call blocks."""

    text: str
    functions: dict[str, Callable[..., object]] = field(factory=dict)
    store: wasmtime.Store = field(init=False)
    instance: Instance = field(init=False)

    def __attrs_post_init__(self) -> None:
        made = engine()
        self.store = wasmtime.Store(made)
        self.store.set_fuel(_FUEL)
        linker = Linker(made)
        with linker.root() as root:
            for name, function in self.functions.items():
                root.add_func(name, function)
        self.instance = linker.instantiate(self.store, Component(made, self.text))

    def function(self, name: str) -> Callable[..., Any]:
        """Return an export, called as wasmtime-py has it: with the store first."""
        found = self.instance.get_func(self.store, name)
        assert isinstance(found, Func)
        return found


@define(eq=False)
class BareFibre:
    """One instance whose calls are driven straight through ctypes.

    The arguments are lowered once and the result is not lifted, so this is less than
    any call can be. It must outlive its calls.
    """

    text: str
    _engine: wasmtime.Engine = field(factory=engine)
    store: wasmtime.Store = field(init=False)
    _kept: list[Any] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.store = wasmtime.Store(self._engine)
        self.store.set_fuel(_FUEL)
        component = Component(self._engine, self.text)
        linker = Linker(self._engine)
        raw = library.wasmtime_component_instance_t()
        error = POINTER(library.wasmtime_error_t)()
        future = library.wasmtime_component_linker_instantiate_async(
            linker.ptr(),
            self.store._context(),
            component.ptr(),
            byref(raw),
            byref(error),
        )
        _poll(future)
        assert not bool(error)  # a pointer, which may be null
        self._kept += (linker, component, raw)

    def function(self, name: str) -> Func:
        """Return an export."""
        instance = Instance._from_raw(self._kept[2])
        found = instance.get_func(self.store, name)
        assert isinstance(found, Func)
        return found

    def calling(self, name: str, *numbers: int) -> Callable[[], int]:
        """Return a call with u32 arguments, through wasmtime-py's own bindings."""
        func, context = self.function(name), self.store._context()
        args, result = _u32s(*numbers), library.wasmtime_component_val_t()

        def call() -> int:
            error = POINTER(library.wasmtime_error_t)()
            future = library.wasmtime_component_func_call_async(
                byref(func._func),
                context,
                args,
                len(numbers),
                byref(result),
                1,
                byref(error),
            )
            _poll(future)
            value: int = result.of.u32
            return value

        return call

    def calling_lean(self, name: str, *numbers: int) -> Callable[[], int]:
        """Return the same call with every address worked out beforehand."""
        func = self.function(name)
        args, result = _u32s(*numbers), library.wasmtime_component_val_t()
        error = ctypes.c_uint64(0)
        self._kept += (func, args, result, error)
        start, poll, delete = _ffi.func_call_async, _ffi.future_poll, _ffi.future_delete
        call_args = (
            ctypes.addressof(func._func),
            _ffi.address(self.store._context()),
            ctypes.addressof(args),
            len(numbers),
            ctypes.addressof(result),
            1,
            ctypes.addressof(error),
        )
        value = ctypes.c_uint32.from_address(ctypes.addressof(result) + 8)

        def call() -> int:
            future = start(*call_args)
            while not poll(future):
                pass
            delete(future)
            return value.value

        return call


def _u32s(*numbers: int) -> Any:
    args = (library.wasmtime_component_val_t * len(numbers))()
    for slot, number in zip(args, numbers, strict=True):
        slot.kind, slot.of.u32 = 6, number
    return args


def _poll(future: Any) -> None:
    while not library.wasmtime_call_future_poll(future):
        pass
    library.wasmtime_call_future_delete(future)
