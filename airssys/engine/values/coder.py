"""Pack bytes into text, and back, by the same core code that guests have for it.

Python has nothing that does so quickly, and a byte in Python takes as long as sixteen
do with vectors. So a module of wasmtime's does it, in an instance of its own for each
thread: bytes are copied into its memory, and text out of it.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import Any, Final

import wasmtime

from .. import _ffi
from ..lane.packing import GROUP, LOCALS, TEXT, pack, start, unpack

__all__ = ("Coder", "coder")

_GROUPS: Final = 586
"""Groups that are coded at a stretch, in some 10 µs: those of 64 KiB fit."""
_HEAD: Final = 16
"""Bytes of memory for what stands before a text."""
_TEXT_AT: Final = _GROUPS * GROUP + _HEAD
_PAGE: Final = 65_536
_PAGES: Final = (_TEXT_AT + _GROUPS * TEXT) // _PAGE + 1
_string_at = ctypes.string_at
_move = _ffi.move


def _function(name: str, step: int, body: str, begin: int, width: int, to: int) -> str:
    return f"""\
  (func (export "{name}") (param $groups i32)
    (local $at i32) (local $to i32) (local $stop i32) {LOCALS}
    {start()}
    (local.set $at (i32.const {begin}))
    (local.set $to (i32.const {to}))
    (local.set $stop (i32.add (local.get $at)
      (i32.mul (local.get $groups) (i32.const {step}))))
    (loop $next
        {body}
        (local.set $to (i32.add (local.get $to) (i32.const {width})))
        (br_if $next (i32.ne (local.get $stop)
          (local.tee $at (i32.add (local.get $at) (i32.const {step})))))))"""


_AT_TO: Final = ("", "", "(local.get $at)", "(local.get $to)")
_MODULE: Final = f"""(module
  (memory (export "memory") {_PAGES})
{_function("pack", GROUP, pack(*_AT_TO), 0, TEXT, _TEXT_AT)}
{_function("unpack", TEXT, unpack(*_AT_TO), _TEXT_AT, GROUP, 0)})"""


@cache
def _compiled() -> tuple[wasmtime.Engine, wasmtime.Module]:
    """Compile the module, once in a process, in a millisecond or two."""
    config = wasmtime.Config()
    # By threads of the process, which would not be there after `os.fork`.
    config.parallel_compilation = False
    # No 4 GiB of addresses for so little.
    config.memory_reservation = _PAGES * _PAGE
    config.memory_reservation_for_growth = 0
    engine = wasmtime.Engine(config)
    return engine, wasmtime.Module(engine, _MODULE)


class Coder:
    """Packs and unpacks bytes; for one thread."""

    __slots__ = (
        *("_arguments", "_arguments_at", "_context", "_failed", "_failed_at"),
        *("_memory", "_pack", "_store", "_text", "_unpack"),
    )

    def __init__(self) -> None:
        engine, module = _compiled()
        self._store = wasmtime.Store(engine)
        self._context: int = _ffi.store_context(_ffi.address(self._store.ptr()))
        exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        memory = exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self._memory: int = _ffi.address(memory.data_ptr(self._store))
        self._text: int = self._memory + _TEXT_AT
        self._pack: Any = _ffi.core_func(exports["pack"])
        self._unpack: Any = _ffi.core_func(exports["unpack"])
        self._arguments = (ctypes.c_uint64 * 2)()
        self._arguments_at: int = ctypes.addressof(self._arguments)
        self._failed = ctypes.c_uint64()
        self._failed_at: int = ctypes.addressof(self._failed)

    def pack(self, octets: bytes, head: bytes) -> bytes:
        """Return the text of bytes; of the last group, all of it.

        Args:
            octets: One at the least.
            head: What stands before the text: a few bytes.
        """
        at, left = _ffi.address_of_bytes(octets), len(octets)
        texts = []
        while left > 0:
            size = min(left, _GROUPS * GROUP)
            groups = -(-size // GROUP)
            _move(self._memory, at, size)
            self._run(self._pack, groups)
            _ffi.put(self._text - len(head), head, len(head))
            texts.append(_string_at(self._text - len(head), len(head) + groups * TEXT))
            at, left, head = at + size, left - size, b""
        return b"".join(texts)

    def unpack(self, text: bytes, size: int) -> bytes:
        """Return the bytes of all groups of a text, but so many at the most.

        A group that is not whole, at the end, counts for nothing.
        """
        at, left = _ffi.address_of_bytes(text), len(text) // TEXT
        octets = []
        while left > 0:
            groups = min(left, _GROUPS)
            _move(self._text, at, groups * TEXT)
            self._run(self._unpack, groups)
            octets.append(_string_at(self._memory, min(groups * GROUP, size)))
            at, left, size = at + groups * TEXT, left - groups, size - len(octets[-1])
        return b"".join(octets)

    def _run(self, function: Any, groups: int) -> None:
        self._arguments[0] = groups
        error = _ffi.core_func_call(
            self._context, function, self._arguments_at, 1, self._failed_at
        )
        assert not error
        assert not self._failed.value


class _Coders(threading.local):
    """The coder of each thread."""

    def __init__(self) -> None:
        self.coder: Coder = Coder()


@cache
def _coders() -> _Coders:
    return _Coders()


def coder() -> Coder:
    """Return the thread's own coder."""
    return _coders().coder
