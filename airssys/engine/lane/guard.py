"""Write the core code that counts a guest's handles, and weighs what it passes.

Each handle takes memory of the host's, in a table that no limit of wasmtime's holds. A
table's numbers are dense: what is dropped is used again before it grows. So nothing
needs to be counted. A handle whose number is above the limit says that there are too
many; and where handles come in some value, the number that the next handle would have
says whether the table had to grow for them. Where there are no tasks, nothing tells
that number (see `engine.borrows`), and the handles in a value are looked at one by one.

See the canonical ABI for what puts handles into a table: `resource.new`, what a called
function returns, what a caller gives away; and tasks, streams, futures, sets of them.
Borrowed handles are gone when the call is, so they are counted in lists only, before
these are passed on to a component within the guest.

What values weigh is the matter of `weights`.
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import Factory, define, evolve, frozen

from ...core.limits import HANDLES, MIB, Limits
from ...witmodel.types import (
    Borrow,
    FuncType,
    List,
    Map,
    Opaque,
    Own,
    Tuple,
    WitType,
)
from .abi import cases, elements, flat, parts, size
from .arrivals import Arrivals, comes
from .forward import core_shape, is_indirect, passed, returned, taken
from .machine import NAME
from .walk import Locals, Memory, Place, each_element, listed, points, walk
from .weights import Weights

__all__ = (
    "SET_LIMITS",
    "TOO_HEAVY",
    "TOO_MANY_HANDLES",
    "TO_HOST",
    "Bounds",
    "Guards",
    "Watch",
    "counting",
    "limiting",
    "watch_builtin",
    "watch_lift",
    "watch_lower",
    "watch_return",
)

TOO_MANY_HANDLES: Final = "lane-too-many-handles"
"""The function that is called when there are too many handles."""
TOO_HEAVY: Final = "lane-too-heavy"
"""The function that is called when values weigh too much."""
TO_HOST: Final = "lane-to "
"""What the name of a function begins with that passes a host function arguments; the
host function's name follows."""
SET_LIMITS: Final = "airssys-set-limits"
"""The function of a guarded component that takes the limits."""
_FLAT_ASYNC: Final = 4
"""Core values as which parameters of an asynchronous lower are passed."""

_SPARE: Final = 12 * MIB
"""Bytes that values may take in wasmtime, whatever the limit of values is."""
_BURN: Final = 500_000


@frozen
class Bounds:
    """What the code that is put into a guest holds it to."""

    handles: int = HANDLES
    weight: int = 2 * Limits().values + _SPARE
    """Bytes of values that wasmtime makes of what the guest passes."""
    burn: int = _BURN
    """Fuel that is used up before much is made: then it is made in a worker thread."""

    @classmethod
    def of(cls, limits: Limits, inline: int) -> Bounds:
        """Return what follows from the limits, and the fuel used on the event loop."""
        weight = min(2 * limits.values + _SPARE, 2**63 - 1)
        return cls(limits.handles, weight, inline + inline // 4)

    def numbers(self) -> tuple[int, int, int]:
        """Return the arguments of `SET_LIMITS`."""
        return self.handles, self.weight, min(self.burn, 2**63 - 1)


_USUAL: Final = Bounds()
_SETS: Final = """
  (import "sets" "new" (func $new (result i32)))
  (import "sets" "drop" (func $drop (param i32)))"""
_TABLE: Final = f"""
  (func (export "table") (local i32)
    (local.set 0 (call $new))
    (call $drop (local.get 0))
    (if (i32.gt_u (i32.sub (local.get 0) (i32.const 1)) (global.get $most))
      (then (call ${TOO_MANY_HANDLES}))))"""


def limiting(*, tasks: bool) -> str:
    """Return the module of the limits.

    Its ``seen`` takes a new handle, and ``table`` looks at the number that the next one
    would have: if the table has just grown, no other is free.

    Args:
        tasks: Whether there are tasks, and so sets of them; else there is no ``table``.
    """
    sets, table = (_SETS, _TABLE) if tasks else ("", "")
    return f"""(module ${NAME}{sets}
  (global $most (export "most") (mut i32) (i32.const {_USUAL.handles}))
  (global $heaviest (export "heaviest") (mut i64) (i64.const {_USUAL.weight}))
  (global $burn (mut i64) (i64.const {_USUAL.burn}))
  (func ${TOO_MANY_HANDLES} unreachable)
  (func ${TOO_HEAVY} unreachable)
  (func (export "limit") (param i32 i64 i64)
    (global.set $most (local.get 0))
    (global.set $heaviest (local.get 1))
    (global.set $burn (local.get 2)))
  (func (export "too-many") (call ${TOO_MANY_HANDLES}))
  (func (export "too-heavy") (call ${TOO_HEAVY}))
  (func (export "burn") (local i64)
    (local.set 0 (i64.div_u (global.get $burn) (i64.const 5)))
    (loop (br_if 0 (i64.ne (i64.const 0)
      (local.tee 0 (i64.sub (local.get 0) (i64.const 1)))))))
  (func (export "seen") (param i32)
    (if (i32.gt_u (local.get 0) (global.get $most))
      (then (call ${TOO_MANY_HANDLES})))){table})"""


def counting(limited: int) -> str:
    """Return a module that passes the limits on to so many others."""
    imports = "\n  ".join(
        f'(import "limits" "f{index}" (func $f{index} (param i32 i64 i64)))'
        for index in range(limited)
    )
    calls = " ".join(
        f"(call $f{index} {passed(('i32', 'i64', 'i64'))})" for index in range(limited)
    )
    return f"""(module ${NAME}
  {imports}
  (func (export "limit") (param i32 i64 i64) {calls}))"""


@frozen
class Watch:
    """What to look at when a core function is called, and what it takes."""

    params: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    seen: tuple[int, ...] = ()
    """The parameters that are new handles."""
    before: bool = False
    """Whether the table may have grown when it is called."""
    lists: Tuple | None = None
    """The parameters, where they have lists of handles to be counted."""
    after: Literal["", "handle", "pair", "subtask", "table"] = ""
    """What its result is: a handle, two, or the number of a task with its state in four
    bits. Or the table may have grown."""

    params_seen: Tuple | None = None
    """The parameters, where the handles within them are looked at one by one."""
    result_seen: WitType | None = None
    """The result, where the handles within it are looked at one by one."""
    given: Tuple | None = None
    """The parameters, where they are to be weighed."""
    back: WitType | None = None
    """The result, where it is to be weighed: it lies in memory."""
    wide: bool = False
    """Whether texts may be in UTF-16."""
    label: str = ""
    """The host's function that gets the parameters; empty: it is not known."""

    @property
    def has_memory(self) -> bool:
        """Whether what it looks at lies in the guest's memory."""
        looked_at = (
            self.lists,
            self.params_seen,
            self.result_seen,
            self.given,
            self.back,
        )
        return any(part is not None for part in looked_at)

    def without_tasks(self, type_: FuncType) -> Watch:
        """Return what to look at of a function where there are no sets of tasks."""
        if self.before:
            return evolve(self, before=False, params_seen=core_shape(type_)[0])
        if self.after == "table":
            return evolve(self, after="", result_seen=type_.result)
        return self


def watch_builtin(code: int) -> Watch | None:
    """Return what to watch of a canonical function that is no function's lower."""
    return _BUILTINS.get(code)


_BUILTINS: Final = {
    0x02: Watch(("i32",), ("i32",), after="handle"),  # resource.new
    0x0E: Watch((), ("i64",), after="pair"),  # stream.new
    0x15: Watch((), ("i64",), after="pair"),  # future.new
    0x1F: Watch((), ("i32",), after="handle"),  # waitable-set.new
    # What they read may be handles, and come later.
    0x0F: Watch(("i32", "i32", "i32"), ("i32",), before=True),  # stream.read
    0x16: Watch(("i32", "i32"), ("i32",), before=True),  # future.read
}


def watch_lift(type_: FuncType, *, is_async: bool, callback: bool) -> Watch | None:
    """Return what to watch where a guest's core function is called from outside."""
    _, given, results = core_shape(type_)
    if is_async:
        results = ["i32"] if callback else []
    elif is_indirect(type_):
        results = ["i32"]
    weighed = type_.result is not None and not is_async and points(type_.result)
    watch = Watch(tuple(given), tuple(results), back=type_.result if weighed else None)
    own = [param for _, param in type_.params if comes(param)]
    if not own:
        return watch if weighed else None
    if any(not isinstance(param, Own) for param in own) or given == ["i32"] != [
        core for _, param in type_.params for core in flat(param)
    ]:
        return evolve(watch, before=True)
    seen, at = [], 0
    for _, param in type_.params:
        if isinstance(param, Own):
            seen.append(at)
        at += len(flat(param))
    return evolve(watch, seen=tuple(seen))


def watch_lower(type_: FuncType, *, is_async: bool) -> Watch | None:
    """Return what to watch where a guest calls a function from its core code."""
    types, given, results = core_shape(type_)
    lists = types if any(map(_listed_handles, types.elements)) else None
    result = type_.result
    if is_async:
        cores = flat(types)
        given = cores if len(cores) <= _FLAT_ASYNC else ["i32"]
        more = [] if result is None else ["i32"]
        params = (*given, *more)
        return Watch(params, ("i32",), before=True, lists=lists, after="subtask")
    if is_indirect(type_):
        given, results = [*given, "i32"], []
    weighed = types if points(types) else None
    watch = Watch(tuple(given), tuple(results), lists=lists, given=weighed)
    if isinstance(result, Own):
        return evolve(watch, after="handle")
    if result is not None and comes(result):
        return evolve(watch, after="table")
    return watch if watch.has_memory else None


def watch_return(type_: WitType) -> Watch | None:
    """Return what to watch where an asynchronous function returns its result."""
    types, given, _ = core_shape(FuncType((("result", type_),)))
    return Watch(tuple(given), given=types) if points(type_) else None


def _handles(type_: WitType) -> bool:
    return any(isinstance(part, Own | Borrow | Opaque) for part in parts(type_))


def _listed_handles(type_: WitType) -> bool:
    """Tell whether a value has lists of handles."""
    return any(
        isinstance(part, List | Map) and _handles(listed(part)) for part in parts(type_)
    )


@define
class Guards:
    """A core module of functions that pass calls on, and look at handles."""

    memory: bool
    """Whether the guest's memory is there to be read."""
    weights: Weights
    tasks: bool
    """Whether there are tasks in the guest."""
    _arrivals: Arrivals = Factory(Arrivals)
    _imports: list[str] = Factory(list)
    _functions: list[str] = Factory(list)
    _lists: dict[WitType, str] = Factory(dict)

    def text(self) -> str:
        """Return the module."""
        memory = '(import "guest" "memory" (memory $guest 0))' if self.memory else ""
        weights = (self.weights.text(),) if self.memory else ()
        table = '(import "handles" "table" (func $table))' if self.tasks else ""
        added = (*self._functions, *self._arrivals.functions)
        body = "\n  ".join((memory, *self._imports, *added, *weights))
        return f"""(module ${NAME}
  (import "handles" "most" (global $most (mut i32)))
  (import "handles" "seen" (func $seen (param i32)))
  {table}
  (import "handles" "too-many" (func $too-many))
  (import "handles" "heaviest" (global $heaviest (mut i64)))
  (import "handles" "too-heavy" (func $too-heavy))
  (import "handles" "burn" (func $burn))
  {body}
  (global $count (mut i64) (i64.const 0)))"""

    def add(self, name: str, watch: Watch) -> None:
        """Add an exported function, which passes calls on to the import of its name."""
        shape = f"{taken(watch.params)} {returned(watch.results)}"
        self._imports.append(f'(import "guest" "{name}" (func ${name} {shape}))')
        call = f"(call ${name} {passed(watch.params)})"
        back = len(watch.params)
        code = ["(call $table)"] if watch.before else []
        code += [f"(call $seen (local.get {index}))" for index in watch.seen]
        if watch.params_seen is not None:
            code += self._arrivals.of(
                watch.params_seen, _given(watch, watch.params_seen)
            )
        if watch.lists is not None:
            code += ["(global.set $count (i64.const 0))", *self._counted(watch)]
        if watch.given is not None:
            code += ["(call $begin)", *self._weighed(watch), "(call $end)"]
        has_local = watch.after not in {"", "table"} or watch.back is not None
        has_local |= watch.result_seen is not None
        local = f"(local {' '.join(watch.results)})" if has_local else ""
        match watch.after:
            case "" if watch.back is not None:
                at = f"(local.get {back})"
                inner = self.weights.of(watch.back, Memory(at), wide=watch.wide)
                code += [f"(local.set {back} {call})", "(call $begin)"]
                code += [*inner, "(call $end)", at]
            case "" if watch.result_seen is not None:
                code += self._seen(watch, watch.result_seen, call)
            case "":
                code.append(call)
            case "table":
                code += (call, "(call $table)")
            case "handle":
                code += _kept(call, back, f"(local.get {back})")
            case "subtask":
                code += _kept(
                    call, back, f"(i32.shr_u (local.get {back}) (i32.const 4))"
                )
            case "pair":
                code += _kept(
                    call,
                    back,
                    f"(i32.wrap_i64 (local.get {back}))",
                    f"(i32.wrap_i64 (i64.shr_u (local.get {back}) (i64.const 32)))",
                )
        body = "\n    ".join(code)
        known = f'(@name "{TO_HOST}{watch.label}")' if watch.label else ""
        self._functions.append(
            f'(func {known} (export "{name}") {shape} {local}\n    {body})'
        )

    def _weighed(self, watch: Watch) -> list[str]:
        """Return code that weighs a function's parameters."""
        assert watch.given is not None
        return self.weights.of(watch.given, _given(watch, watch.given), wide=watch.wide)

    def _seen(self, watch: Watch, type_: WitType, call: str) -> list[str]:
        """Return code that passes a call on, and looks at the handles it returned."""
        back = len(watch.params)
        if not watch.results:  # the last parameter says where the result is to be
            return [call, *self._arrivals.of(type_, Memory(f"(local.get {back - 1})"))]
        result = Locals((*watch.params, *watch.results), back)
        seen = self._arrivals.of(type_, result)
        return [f"(local.set {back} {call})", *seen, f"(local.get {back})"]

    def _counted(self, watch: Watch) -> list[str]:
        """Return code that counts the handles in a function's parameters."""
        assert watch.lists is not None
        return self._counting(watch.lists, _given(watch, watch.lists))

    def _counting(self, type_: WitType, place: Place) -> list[str]:
        def found(type_: WitType, place: Place) -> list[str]:
            return [f"(call {self._list(type_)} {place.pointer} {place.count})"]

        return walk(type_, place, found, concerns=_listed_handles)

    def _list(self, type_: WitType) -> str:
        """Return the function that counts the handles in a list."""
        inner = listed(type_)
        if inner not in self._lists:
            name = f"$count-handles-{len(self._lists)}"
            self._lists[inner] = name
            step, _ = size(inner)
            body = " ".join(self._counting(inner, Memory("(local.get $at)")))
            each = sum(isinstance(part, Own | Borrow) for part in _unlisted(inner))
            self._functions.append(f"""\
(func {name} (@name "count-handles") (param $at i32) (param $n i32) (local $stop i64)
    (global.set $count (i64.add (global.get $count)
      (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const {each}))))
    (if (i64.gt_u (global.get $count) (i64.extend_i32_u (global.get $most)))
      (then (call $too-many))){each_element(step, body)})""")
        return self._lists[inner]


def _given(watch: Watch, types: WitType) -> Place:
    """Return where a function has its parameters."""
    cores = flat(types)
    if list(watch.params[: len(cores)]) != cores:
        return Memory("(local.get 0)")
    return Locals(cores)


def _unlisted(type_: WitType) -> list[WitType]:
    """Return the parts of a type that are not in lists."""
    if isinstance(type_, List | Map):
        return []
    inner = elements(type_) or [case for case in cases(type_) or () if case is not None]
    return [type_, *(part for each in inner for part in _unlisted(each))]


def _kept(call: str, back: int, *handles: str) -> list[str]:
    """Return code that looks at the handles in a result and returns it."""
    seen = [f"(call $seen {handle})" for handle in handles]
    return [f"(local.set {back} {call})", *seen, f"(local.get {back})"]
