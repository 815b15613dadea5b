"""Reach the calls of wasmtime's C API that run guests as fibres.

wasmtime-py loads the shared library and carries these functions, but wraps none of the
asynchronous ones and no callback that is safe to leave from (its own callback layer
crashes the process on a BaseException and swaps exceptions between threads). Pointers
are plain integers here: each function has a prototype of its own, so nothing that
wasmtime-py declares is changed.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import (
    c_bool,
    c_char,
    c_char_p,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from functools import cache
from importlib import metadata
from struct import Struct
from typing import Any, Final, Protocol

import trio
from wasmtime import _ffi as _library

__all__ = (
    "TESTED",
    "VAL",
    "VERSION",
    "Continuation",
    "Frames",
    "HostSide",
    "Slot",
    "take_error",
)

VERSION: Final = metadata.version("wasmtime")
TESTED: Final = range(49, 51)
"""Major versions of wasmtime-py whose private layout was tested."""

VAL: Final = 32
"""Bytes of one `wasmtime_component_val_t`: the kind, padding, 24 bytes of payload."""

# --- is this the Python, and the library, we know? --------------------------------

# What the rest of this file takes for granted is private to wasmtime-py, and how a
# callback may be entered is private to CPython. So both are checked here, before a
# crash could say it: each check raises ImportError, and names what it found.


def check_python(version: tuple[int, ...]) -> None:
    """Refuse a Python that would not run callbacks on a fibre's stack.

    CPython 3.14.0 takes any stack pointer below the bounds of the thread's own stack
    for an overflow (gh-139653, mended in 3.14.1). A fibre has a stack of its own, which
    often lies there.
    """
    if (3, 14) <= version < (3, 14, 1):
        raise ImportError(
            "CPython 3.14.0 refuses calls on the stacks that guests run on "
            "(gh-139653): use 3.14.1 or newer, or 3.11 to 3.13"
        )


def _check_layout() -> None:
    if int(VERSION.split(".", 1)[0]) not in TESTED:
        raise ImportError(
            f"airssys was tested with wasmtime {TESTED.start} to {TESTED.stop - 1}, "
            f"not {VERSION}: install 'wasmtime>={TESTED.start},<{TESTED.stop}'"
        )
    sizes = {
        "wasmtime_component_val_t": VAL,
        "wasmtime_component_valrecord_entry_t": 48,
        "wasmtime_component_instance_t": 16,
        "wasmtime_component_func_t": 32,
        "wasmtime_async_continuation_t": 24,
    }
    for name, size in sizes.items():
        found = ctypes.sizeof(getattr(_library, name))
        if found != size:
            raise ImportError(
                f"wasmtime {VERSION} lays out {name} in {found} bytes, not {size}"
            )
    if _library.wasmtime_component_val_t.of.offset != 8:
        raise ImportError(f"wasmtime {VERSION} lays out component values differently")


check_python(sys.version_info[:3])
_check_layout()

# --- prototypes -------------------------------------------------------------------

# A PyDLL call keeps the GIL: right for what never runs guest code and takes well under
# a microsecond. Whatever polls a fibre goes through the CDLL, which lets it go.
_brief = ctypes.PyDLL("libwasmtime", handle=_library.dll._handle)  # noqa: SLF001


def function(name: str, returns: Any, *takes: Any, brief: bool = True) -> Any:
    try:
        function = (_brief if brief else _library.dll)[name]
    except AttributeError:
        raise ImportError(f"wasmtime {VERSION} has no {name}") from None
    function.restype, function.argtypes = returns, takes
    return function


_P = c_void_p

store_new = function("wasmtime_store_new", _P, _P, _P, _P)
store_delete = function("wasmtime_store_delete", None, _P, brief=False)
store_context = function("wasmtime_store_context", _P, _P)
store_limiter = function("wasmtime_store_limiter", None, _P, *(c_int64,) * 5)
context_get_data = function("wasmtime_context_get_data", _P, _P)
context_set_fuel = function("wasmtime_context_set_fuel", _P, _P, c_uint64)
context_get_fuel = function("wasmtime_context_get_fuel", _P, _P, _P)
context_yield_interval = function(
    "wasmtime_context_fuel_async_yield_interval", _P, _P, c_uint64
)
error_delete = function("wasmtime_error_delete", None, _P)
val_clone = function("wasmtime_component_val_clone", None, _P, _P)
val_delete = function("wasmtime_component_val_delete", None, _P)
val_delete_slowly = function("wasmtime_component_val_delete", None, _P, brief=False)
resource_type_new = function("wasmtime_component_resource_type_new_host", _P, c_uint32)
resource_type_delete = function("wasmtime_component_resource_type_delete", None, _P)
resource_any_clone = function("wasmtime_component_resource_any_clone", _P, _P)
resource_any_delete = function("wasmtime_component_resource_any_delete", None, _P)
resource_any_to_host = function(
    "wasmtime_component_resource_any_to_host", _P, _P, _P, _P
)
resource_host_new = function(
    "wasmtime_component_resource_host_new", _P, c_bool, c_uint32, c_uint32
)
resource_host_rep = function("wasmtime_component_resource_host_rep", c_uint32, _P)
resource_host_delete = function("wasmtime_component_resource_host_delete", None, _P)
resource_host_to_any = function(
    "wasmtime_component_resource_host_to_any", _P, _P, _P, _P
)
linker_add_resource = function(
    "wasmtime_component_linker_instance_add_resource",
    _P,
    *(_P, c_char_p, c_size_t, _P, _P, _P, _P),
)
func_call_async = function(
    "wasmtime_component_func_call_async", _P, _P, _P, _P, c_size_t, _P, c_size_t, _P
)
linker_instantiate_async = function(
    "wasmtime_component_linker_instantiate_async", _P, _P, _P, _P, _P, _P
)
linker_add_func_async = function(
    "wasmtime_component_linker_instance_add_func_async",
    _P,
    *(_P, c_char_p, c_size_t, _P, _P, _P),
)
instance_get_func = function(
    "wasmtime_component_instance_get_func", c_bool, _P, _P, _P, _P
)
core_func_call = function("wasmtime_func_call_unchecked", _P, _P, _P, _P, c_size_t, _P)
future_poll = function("wasmtime_call_future_poll", c_bool, _P, brief=False)
future_delete = function("wasmtime_call_future_delete", None, _P, brief=False)

give_way = getattr(ctypes.CDLL(None), "sched_yield", None) or (lambda: 0)
"""Lets another thread have the processor, without holding the interpreter lock."""

INSTANCE_SIZE: Final = 16
FUNC_SIZE: Final = 32


address_of_bytes = ctypes.pythonapi["PyBytes_AsString"]
"""Returns the address of a bytes object's content, which lives as long as it does."""
address_of_bytes.restype, address_of_bytes.argtypes = c_void_p, (ctypes.py_object,)


def address(pointer: Any) -> int:
    """Return the address a wasmtime-py pointer holds."""
    return ctypes.cast(pointer, c_void_p).value or 0


def core_func(func: Any) -> Any:
    """Return what `core_func_call` takes for a core function of wasmtime-py's."""
    return ctypes.byref(func._func)  # noqa: SLF001 - it has no address to give


# Those of ctypes itself let go of the GIL, for longer than it takes to copy.
_memmove: Final = address(ctypes.memmove)
move = ctypes.PYFUNCTYPE(None, _P, _P, c_size_t)(_memmove)
"""Copies to an address from another, so many bytes."""
put = ctypes.PYFUNCTYPE(None, _P, c_char_p, c_size_t)(_memmove)
"""Copies to an address, of a bytes object so many bytes."""


@cache
def _chars(size: int) -> Any:
    # ctypes forgets the type with its last slot, and takes 50 µs to make it.
    return c_char * size


class Slot:
    """So many bytes of C memory, at one address and then another.

    Mostly it is the same as the last time, and to look a place up takes longer than to
    read it or to write there. Several threads may use one.
    """

    __slots__ = ("_kind", "_last")

    def __init__(self, size: int) -> None:
        self._kind: Any = _chars(size)
        self._last: tuple[int, Any] = (0, None)

    def at(self, address: int) -> Any:
        """Return a C array of the bytes at an address, to be used at once."""
        last = self._last
        if last[0] != address:
            last = self._last = address, self._kind.from_address(address)
        return last[1]


# --- errors -----------------------------------------------------------------------


class Frames(tuple[str, ...]):
    """Guest frames of a wasm backtrace, innermost first."""

    __slots__ = ()


_UNKNOWN: Final = c_size_t(-1).value
"""The offset of a frame that wasmtime cannot place, as where the stack ends."""
_error_message = function("wasmtime_error_message", None, _P, _P)
_error_trace = function("wasmtime_error_wasm_trace", None, _P, _P)
_vec_delete = function("wasm_byte_vec_delete", None, _P)
_frames_delete = function("wasm_frame_vec_delete", None, _P)
_frame_func_index = function("wasm_frame_func_index", c_uint32, _P)
_frame_func_offset = function("wasm_frame_func_offset", c_size_t, _P)
_frame_func_name = function("wasmtime_frame_func_name", _P, _P)
_frame_module_name = function("wasmtime_frame_module_name", _P, _P)
_SIZE_POINTER: Final = Struct("=QQ")


def _vec(at: int) -> tuple[int, int]:
    """Read a C vector: its size and the address of its items."""
    size, items = _SIZE_POINTER.unpack(ctypes.string_at(at, 16))
    return size, items


def _name(at: int | None) -> str:
    if not at:
        return ""
    size, text = _vec(at)
    return ctypes.string_at(text, size).decode("utf-8", "replace")


def take_error(error: int) -> tuple[str, Frames]:
    """Return an error's message and guest frames, and delete it."""
    vec = (c_uint64 * 2)()
    at = ctypes.addressof(vec)
    _error_message(error, at)
    message = _name(at)
    _vec_delete(at)
    _error_trace(error, at)
    size, items = _vec(at)
    frames = []
    for index in range(size):
        frame = int.from_bytes(ctypes.string_at(items + 8 * index, 8), sys.byteorder)
        function = _name(_frame_func_name(frame)) or f"#{_frame_func_index(frame)}"
        module = _name(_frame_module_name(frame))
        place = f"{module}!{function}" if module else function
        offset = _frame_func_offset(frame)
        frames.append(f"{place}+{'?' if offset == _UNKNOWN else f'{offset:#x}'}")
    _frames_delete(at)
    error_delete(error)
    return message, Frames(frames)


# --- callbacks --------------------------------------------------------------------


class HostSide(Protocol):
    """What a store's data pointer points to: the owner of the guest's fibre."""

    continuation: Continuation
    """Of the place where the owner marks an answer."""

    def requested(self, index: int, arguments: int, results: int) -> None:
        """Note a host call; the arguments are only readable during this call."""

    def dropped(self, rep: int) -> None:
        """Note that the guest dropped a resource of the host's."""

    def failed(self, error: BaseException) -> None:
        """Keep what went wrong inside a callback until the poll has returned."""


_CONTINUATION: Final = Struct("=QQQ")
# CPython is entered on a fibre's stack here, not on its thread's. Up to 3.13 it counts
# calls and does not care; from 3.14 on it compares the stack pointer with the bounds of
# the thread's stack: see `check_python`.
_callback_type = ctypes.CFUNCTYPE(
    None, _P, _P, _P, _P, c_size_t, _P, c_size_t, _P, c_void_p
)
# wasmtime asks "is the host call over?" by calling bool(*)(void *). In Python that
# could raise before its first statement, when a signal arrives, and C would take
# garbage for the answer; and an answer that fails each time is asked for for ever. The
# length of a C string of no or one byte says the same.
_strlen: Final = address(
    ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).strlen
)
_never = ctypes.create_string_buffer(1)


class Continuation:
    """What says "not yet" until the two bytes at an address are 1 and 0."""

    __slots__ = ("_content", "_place")

    def __init__(self, answer: int) -> None:
        self._content: bytes = _CONTINUATION.pack(_strlen, answer, 0)
        self._place = Slot(_CONTINUATION.size)

    def write(self, at: int) -> None:
        """Write it where wasmtime reads it."""
        self._place.at(at).raw = self._content


_NEVER: Final = Continuation(ctypes.addressof(_never))


_counted = ctypes.pythonapi["Py_NewRef"]
_counted.restype, _counted.argtypes = ctypes.py_object, (c_void_p,)


def _owner(context: int) -> HostSide:
    # A pointer that nobody counts. The owner is alive: it holds the fibre whose poll
    # called back. Never a global in its place: other threads poll other instances.
    owner: HostSide = _counted(context_get_data(context))
    return owner


# An exception that leaves a callback is undefined behaviour in C: in practice the
# process is gone. Ctrl-C may raise at any instruction of Python, also before the `try`,
# so trio holds it off while this runs. What is left is a signal handler of somebody
# else's that raises at once, and a second Ctrl-C on asyncio, on the first instruction.
@trio.lowlevel.enable_ki_protection
def _host_call(
    index: int | None,
    context: int,
    _type: int,
    arguments: int | None,
    _count: int,
    results: int | None,
    _results: int,
    _error: int,
    continuation: int,
) -> None:
    """Note a guest's call of a host function and tell wasmtime "not yet".

    Runs on the fibre's own stack (2 MiB, of which wasm may use 512 KiB), so it stays
    shallow: no host function is called from here, only its arguments are read, which
    are gone when this returns. It must not raise: wasmtime aborts the process when no
    continuation is set. Any BaseException is kept on the owner instead, who then
    deletes the fibre.
    """
    try:
        owner = _owner(context)
        owner.requested(index or 0, arguments or 0, results or 0)
        owner.continuation.write(continuation)
    except BaseException as problem:  # noqa: BLE001 - the edge to C
        _NEVER.write(continuation)
        _owner(context).failed(problem)


@trio.lowlevel.enable_ki_protection
def _dropped(_: int | None, context: int, rep: int) -> int:
    """Note that a guest dropped a resource of the host's. Must not raise either."""
    try:
        _owner(context).dropped(rep)
    except BaseException as problem:  # noqa: BLE001 - the edge to C
        _owner(context).failed(problem)
    return 0  # no error


# ctypes frees a thunk with the object that made it, and linkers keep its bare address:
# these live as long as the module.
_dropped_thunk = ctypes.CFUNCTYPE(c_size_t, _P, _P, c_uint32)(_dropped)
DROPPED: Final = address(_dropped_thunk)
"""The C address of the one destructor of all host resources."""
_host_call_thunk = _callback_type(_host_call)
HOST_CALL: Final = address(_host_call_thunk)
"""The C address of the one callback behind every host function."""
