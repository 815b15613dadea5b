"""Find out whether wasmtime passes several borrowed handles to a host function.

wasmtime 50 makes the task of a host call only when it needs one, and takes its second
borrowed handle for none of that call's: "deferred host scope has no call context". It
does not where there are no tasks at all. So where it has that fault, a component whose
host functions have several borrows is compiled for an engine without tasks, unless it
has asynchronous functions, which need them.

Nobody looks at a version for that: a component of a few lines tries it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from ctypes import c_uint64
from functools import cache
from typing import Any, Final

import wasmtime
from attrs import Factory, define, field
from wasmtime.component import Component, Linker

from ..witmodel.types import (
    Borrow,
    Extern,
    FuncType,
    InstanceType,
    List,
    Map,
    WitType,
)
from . import _ffi
from .compile_process import configured
from .lane.abi import cases, elements
from .proposals import proposals
from .values.layout import Kind, pin, write_head

__all__ = (
    "FAULT",
    "has_several_borrows",
    "needs_taskless",
    "passes_borrows",
    "passes_several_borrows",
    "several_borrows",
)

FAULT: Final = "deferred host scope"
"""Words of wasmtime's for the fault."""

_SEVERAL: Final = 2


def needs_taskless(imports: Mapping[str, Extern]) -> bool:
    """Tell whether what a component imports works only where there are no tasks."""
    functions = InstanceType(imports).functions()
    several = any(has_several_borrows(type_) for _, type_ in functions)
    return several and not passes_several_borrows()


def has_several_borrows(type_: FuncType) -> bool:
    """Tell whether a function may be passed several borrowed handles."""
    return sum(_borrows(param) for _, param in type_.params) >= _SEVERAL


def _borrows(type_: WitType) -> int:
    """Return how many borrowed handles a value may have; more than two are two."""
    if isinstance(type_, Borrow):
        return 1
    if isinstance(type_, List):
        return _SEVERAL * min(_borrows(type_.element), 1)
    if isinstance(type_, Map):
        return _SEVERAL * min(_borrows(type_.key) + _borrows(type_.value), 1)
    if (inner := elements(type_)) is not None:
        return min(sum(map(_borrows, inner)), _SEVERAL)
    choices = [case for case in cases(type_) or () if case is not None]
    return max(map(_borrows, choices), default=0)


def several_borrows() -> str:
    """Return what to say of a function that cannot be passed its handles."""
    return (
        f"takes several borrowed handles, of which wasmtime {_ffi.VERSION} passes a "
        "component with asynchronous functions only one (49 passes all)"
    )


# --- the probe ----------------------------------------------------------------------


def _probe(count: int) -> str:
    """Return a component that passes a host function so many borrowed handles."""
    params = " ".join(f'(param "p{place}" (borrow $r))' for place in range(count))
    return f"""(component
  (import "r" (type $r (sub resource)))
  (import "f" (func $f {params}))
  (core func $lowered (canon lower (func $f)))
  (core func $drop (canon resource.drop $r))
  (core module $code
    (import "h" "f" (func $f (param{" i32" * count})))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "try") (param i32)
      (call $f {"(local.get 0) " * count})
      (call $drop (local.get 0))))
  (core instance $c (instantiate $code (with "h"
    (instance (export "f" (func $lowered)) (export "drop" (func $drop))))))
  (func (export "try") (param "x" (own $r)) (canon lift (core func $c "try"))))"""


@cache
def passes_several_borrows() -> bool:
    """Tell whether wasmtime does; it is tried once in a process, in some 2 ms."""
    return passes_borrows(_SEVERAL)


def passes_borrows(count: int) -> bool:
    """Try whether wasmtime passes a host function so many borrowed handles."""
    attributes, switches = proposals(exceptions=False)
    settings: dict[str, Any] = {
        **attributes,
        "cranelift_opt_level": "none",
        # By threads of the process, which would not be there after `os.fork`.
        "parallel_compilation": False,
        "switches": switches,
    }
    engine = wasmtime.Engine(configured(settings))
    code = Component(engine, wasmtime.wat2wasm(_probe(count)))
    linker = Linker(engine)
    resource = _ffi.resource_type_new(0)
    with linker.root() as root:
        place = _ffi.address(root.ptr())
        _ffi.linker_add_resource(place, b"r", 1, resource, _ffi.DROPPED, None, None)
        _ffi.linker_add_func_async(place, b"f", 1, _ffi.HOST_CALL, 0, None)
    _ffi.resource_type_delete(resource)
    host = _Host(count)
    store = _ffi.store_new(_ffi.address(engine.ptr()), id(host), None)
    try:
        host.context = _ffi.store_context(store)
        return _tried(host, code, linker)
    finally:
        _ffi.store_delete(store)


def _tried(host: _Host, code: Component, linker: Linker) -> bool:
    """Pass the host function its borrowed handles; tell whether that went well."""
    context = host.context
    made = (c_uint64 * 3)()  # an instance, and the error of making it
    instance = ctypes.addressof(made)
    _finish(
        _ffi.linker_instantiate_async(
            _ffi.address(linker.ptr()),
            context,
            _ffi.address(code.ptr()),
            instance,
            instance + _ffi.INSTANCE_SIZE,
        ),
        host,
    )
    assert not made[2], _ffi.take_error(made[2])
    index = code.get_export_index("try")
    assert index is not None
    raw = ctypes.create_string_buffer(_ffi.FUNC_SIZE)
    func, at = ctypes.addressof(raw), _ffi.address(index.ptr())
    assert _ffi.instance_get_func(instance, context, at, func)
    resource = _ffi.resource_host_new(True, 1, 0)  # noqa: FBT003
    given = c_uint64()
    error = _ffi.resource_host_to_any(context, resource, ctypes.addressof(given))
    assert not error, _ffi.take_error(error)
    _ffi.resource_host_delete(resource)
    block = bytearray(_ffi.VAL + 8)  # the argument, and the error of the call
    write_head(block, 0, Kind.RESOURCE, given.value, 0)
    base = pin(block)
    failed = base + _ffi.VAL
    _finish(_ffi.func_call_async(func, context, base, 1, base, 0, failed), host)
    _ffi.resource_any_delete(given.value)
    found = int.from_bytes(block[_ffi.VAL :], sys.byteorder)
    if found:
        _ffi.take_error(found)
    return not found


def _finish(future: int, host: _Host) -> None:
    """Poll a call to its end: nothing in it waits for anything."""
    while not _ffi.future_poll(future) and host.problem is None:
        pass
    _ffi.future_delete(future)
    if host.problem is not None:
        raise host.problem


@define
class _Host:
    """A host whose one function gives its handles back, at once: a `HostSide`."""

    count: int
    """The handles that the function takes."""
    context: int = 0
    _answer: Any = Factory(lambda: (ctypes.c_ubyte * 2)(1, 0))
    continuation: _ffi.Continuation = field(init=False)
    problem: BaseException | None = None

    def __attrs_post_init__(self) -> None:
        self.continuation = _ffi.Continuation(ctypes.addressof(self._answer))

    def requested(self, _: int, arguments: int, __: int) -> None:
        host = c_uint64()
        for place in range(self.count):
            head = arguments + place * _ffi.VAL
            resource = c_uint64.from_address(head + 8).value
            at = ctypes.addressof(host)
            error = _ffi.resource_any_to_host(self.context, resource, at)
            assert not error, _ffi.take_error(error)
            _ffi.resource_host_delete(host.value)

    def dropped(self, rep: int) -> None:
        pass

    def failed(self, error: BaseException) -> None:
        self.problem = error
