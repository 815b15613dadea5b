"""Compile components and say what they import and export."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import wasmtime
from attrs import evolve, frozen

from ..core.errors import InvalidComponent, MissingExport
from ..core.grants.grants import Grants
from ..core.limits import CACHE_SIZE, KIB, MIB, CompileLimits, Limits
from ..core.names import Digest
from ..hostcalls.call import Call, Standing
from ..hostcalls.gate import Gate
from ..hostcalls.interface import Guard, HostInterface, Missing, check_missing
from ..reading import read_bytes
from ..witmodel.agreement import meant
from ..witmodel.types import (
    Extern,
    FuncType,
    InstanceType,
    ResourceType,
    Scalar,
    Shapes,
    shortened,
)
from . import _ffi
from .borrows import needs_taskless
from .bound import Bindable, Bound
from .cache import Cache, default_folder
from .ceiling import Ceiling
from .compile import MAGIC, Compiled, Compiler, Targets
from .compilers import Processes, Target, Thread, size_limit
from .fiber import ClockPace, CountedPace, Pace, Slicing, Threads
from .flights import Flights, Progress
from .instance import Instance
from .lane import SET_LIMITS, Added
from .link import Link, link
from .needs import Needs
from .proposals import proposals
from .room import room
from .settings import check_settings
from .signature import ExportSignature, ImportSignature
from .values.layout import Unsupported

__all__ = ("Component", "Engine")

_E = TypeVar("_E", bound=Bindable)

_FIBRE_SPARE: Final = MIB
"""Bytes of a fibre's stack beyond what wasm may use: host callbacks run there."""
_GATE: Final = Gate()
_NO_SHAPES: Final = Shapes()
_LIMITS: Final = Limits()
_COMPILE_LIMITS: Final = CompileLimits()
_HASHED_INLINE: Final = 64 * KIB
"""Bytes that are hashed on the event loop."""
_LIMITING: Final = FuncType(
    (("handles", Scalar("u32")), ("weight", Scalar("u64")), ("burn", Scalar("u64")))
)
"""The type of the function that takes limits."""
_NEAR: Final = 8
_COMPARED: Final = 200
"""Exports that are compared with one that is not there."""
_LINKS: Final = 8
"""Linkers a component keeps, one for each set of host interfaces it was used with."""
_functions: Final = attrgetter("functions")


@frozen
class _Compiling:
    """What compiles for an engine in one process."""

    compiler: Compiler
    flights: Flights[Compiled]


class Engine:
    """Compiles and runs components. Cheap to share: one per process is normal.

    Args:
        cache: The folder of compiled components; None: the user's cache folder;
            False: none.
        cache_size: Bytes of compiled components that are kept there; those that were
            not used for the longest time make room for others.
        compiler: Where components are compiled: in a ``"process"`` of its own, within
            limits and cut off when nobody waits any more; or in a ``"thread"``, where
            no process can be started: without limits, and to the end.
        compile_limits: What it may take to compile a component.
        progress: Called each second while somebody waits for a component to be
            compiled, on the waiting task's event loop, with the component's name and
            the seconds so far; and with None for them when it has ended.
        slicing: How long guests run at a stretch.
        stack: Bytes of stack a guest may use; more is a ``stack-overflow`` trap.
        threads: Guests that may compute in worker threads at once; None: one for each
            processor.
        memory_reservation: Bytes of address space set aside for each linear memory; a
            memory that outgrows them is moved, which takes time in proportion to its
            size. None: 4 GiB, or 4 MiB where the address space is limited (RLIMIT_AS,
            ``vm.overcommit_memory = 2``, 32-bit systems).
        optimize: Compile for speed; False compiles about twice as fast.
        bytes_lane: Let ``list<u8>`` cross between host and guest in one piece, through
            core code put into the guest. Without it each byte is a value of its
            own, which takes 30 to 230 times as long for 64 KiB.
        exceptions: Let guests throw exceptions of WebAssembly. Off, for they make
            `Limits.fuel` leak: wasmtime gives back what a function burned before it
            threw. Only a ``timeout`` bounds such guests.
        pace: Calls, of an instance and of the host functions that it calls, after which
            other tasks have a turn, whatever a clock says. Guests then compute on the
            event loop alone, slice by slice, never in worker threads: so the same
            instances, with host functions that do the same, do the same in the same
            order, and use the same fuel. None: others have a turn each 0.5 ms, and
            what computes for long moves to a thread.
    """

    def __init__(
        self,
        *,
        cache: Path | str | bool | None = None,
        cache_size: int = CACHE_SIZE,
        compiler: Literal["process", "thread"] = "process",
        compile_limits: CompileLimits = _COMPILE_LIMITS,
        progress: Progress | None = None,
        slicing: Slicing | None = None,
        stack: int = 512 * KIB,
        threads: int | None = None,
        memory_reservation: int | None = None,
        optimize: bool = True,
        bytes_lane: bool = True,
        exceptions: bool = False,
        pace: int | None = None,
    ) -> None:
        if compiler not in ("process", "thread"):
            raise ValueError(
                f"compiler {compiler!r} is unknown: it is 'process' or 'thread'"
            )
        check_settings(
            stack=stack,
            threads=threads,
            memory_reservation=memory_reservation,
            cache_size=cache_size,
            slicing=slicing,
            compile_limits=compile_limits,
            progress=progress,
            pace=pace,
        )
        given = room(memory_reservation)

        def target(*, tasks: bool) -> Target:
            attributes, switches = proposals(exceptions=exceptions, tasks=tasks)
            settings: dict[str, Any] = {
                **attributes,
                "consume_fuel": True,
                "memory_reservation": given.reservation,
                "memory_guard_size": given.guard,
                "memory_reservation_for_growth": given.growth,
                "memory_may_move": True,
                "cranelift_opt_level": "speed" if optimize else "none",
                "switches": {
                    **switches,
                    "max_wasm_stack": stack,
                    "async_stack_size": stack + _FIBRE_SPARE,
                },
            }
            return Target.of(settings)

        usual = target(tasks=True)
        self.wasmtime: wasmtime.Engine = usual.engine
        taskless = partial(target, tasks=False)
        self._targets = Targets(usual, taskless, needs_taskless)
        self.slicing: Slicing = slicing or Slicing()
        self.ceiling: Ceiling = Ceiling()
        self.pace: Pace = ClockPace() if pace is None else CountedPace(pace)
        if cache is False:
            kept = None
        else:
            folder = default_folder() if cache in (None, True) else Path(str(cache))
            kept = Cache(folder, cache_size)
        self._threads = threads or os.cpu_count() or 1
        self._limiter: anyio.lowlevel.RunVar[Threads] = anyio.lowlevel.RunVar(
            f"airssys guests of engine {id(self)}"
        )
        self._limits = compile_limits

        def compiling() -> _Compiling:
            return _Compiling(
                Compiler(
                    self._targets,
                    kept,
                    bytes_lane,
                    Processes(compile_limits) if compiler == "process" else Thread(),
                    compile_limits,
                ),
                Flights(progress),
            )

        self._make_compiling = compiling
        self._compiling: dict[int, _Compiling] = {}
        """By process: what is forked has neither the threads nor the pipes."""

    def threads(self) -> Threads:
        """Return what bounds the guests in worker threads, one for each event loop."""
        limiter = self._limiter.get(None)
        if limiter is None:
            limiter = Threads(self._threads)
            self._limiter.set(limiter)
        return limiter

    async def load(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        source: bytes | None = None,
    ) -> Component:
        """Read and compile a component off the event loop.

        Args:
            path: A ``.wasm`` or ``.wat`` file.
            name: What to call it in errors and events; the file's stem by default.
            source: What the file holds, where the caller has read, and checked, it.

        Raises:
            OSError: The file cannot be read.
            InvalidComponent: It holds no component.
            CompileLimit: To compile it takes more than `CompileLimits` allow.
            CannotCompile: There is nothing to compile with.
        """
        file = anyio.Path(path)
        if source is None:
            if (await file.stat()).st_size > self._limits.size:
                raise size_limit(name or file.stem, self._limits)
            source = await anyio.to_thread.run_sync(read_bytes, path)
        text = not source.startswith(MAGIC) and file.suffix in (".wat", ".wast")
        return await self._compile(source, text=text, name=name or file.stem)

    async def compile(
        self, source: bytes | str, *, name: str = "component"
    ) -> Component:
        """Compile a component from binary (bytes) or text (str), off the event loop.

        Raises:
            InvalidComponent: It is no component.
            CompileLimit: To compile it takes more than `CompileLimits` allow.
            CannotCompile: There is nothing to compile with.
        """
        if not isinstance(source, str):
            return await self._compile(bytes(source), text=False, name=name)
        # A surrogate goes through, so that wasmtime refuses it like any bad text.
        binary = source.encode(errors="surrogatepass")
        return await self._compile(binary, text=True, name=name)

    async def _compile(self, source: bytes, *, text: bool, name: str) -> Component:
        if len(source) > self._limits.size:
            raise size_limit(name, self._limits)
        if len(source) > _HASHED_INLINE:
            hashed = await anyio.to_thread.run_sync(
                hashlib.sha256, source, abandon_on_cancel=True
            )
        else:
            hashed = hashlib.sha256(source)
        here = self._compiling.get(os.getpid())
        if here is None:
            made = self._make_compiling()
            here = self._compiling.setdefault(os.getpid(), made)
        work = partial(here.compiler.compile, source, text=text)
        compiled = await here.flights.fly((hashed.digest(), text), work, name)
        return Component(self, compiled, name, Digest(hashed.hexdigest()))


class Component:
    """A compiled component. Made by `Engine.load` and `Engine.compile`.

    Attributes:
        name: What errors and events call it.
        digest: Of what it was compiled from, binary or text.
        size: Bytes of its binary.
        imports: What it needs, by name.
        exports: What it offers, by name. Values print as WIT.
    """

    def __init__(
        self, engine: Engine, compiled: Compiled, name: str, digest: Digest
    ) -> None:
        self.engine: Engine = engine
        self.name: str = name
        self.digest: Digest = digest
        self.size: int = compiled.size
        self._wasmtime = compiled.engine
        self.engine_pointer: int = _ffi.address(compiled.engine.ptr())
        """The address of the engine of wasmtime's that its code is for."""
        self._code = compiled.code
        self.pointer: int = _ffi.address(compiled.code.ptr())
        """The address of its code."""
        self.imports: Mapping[str, Extern] = compiled.imports
        self.exports: Mapping[str, Extern] = compiled.exports
        self.added: Added = compiled.added
        """What the rewriting has put into an instance."""
        self.counts: bool = compiled.counts
        """Whether code was put into it that takes limits."""
        self.lane: frozenset[str] = compiled.plan.exports
        """Exported functions whose bytes cross in one piece."""
        self._lane_imports = compiled.plan.imports
        self._borrows_one = compiled.borrows_one
        self._drops = {drop.resource: drop for drop in compiled.plan.drops}
        self._dropping = {drop.label: drop for drop in compiled.plan.drops}
        self._exported: Mapping[str, FuncType] | None = None
        self.needs: Needs = compiled.needs
        """What an instance has from the start, at the least, as its binary shows."""
        self.mappings: int = 0
        """Memory mappings that an instance takes; 0 before the first was made."""
        self._functions: dict[str, tuple[ExportSignature, int]] = {}
        self._indices: list[Any] = []
        self._links: dict[tuple[object, ...], tuple[Link, object]] = {}
        self._signatures: dict[str, ImportSignature] = {}
        """How imported functions cross, which is the same for all who offer them."""

    def __repr__(self) -> str:
        return f"<Component {self.name!r}: {', '.join(self.exports) or 'no exports'}>"

    def functions(self) -> Mapping[str, FuncType]:
        """Return every exported function under the name `Instance.call` takes."""
        if self._exported is None:
            self._exported = dict(InstanceType(self.exports).functions())
        return self._exported

    def function(self, export: str) -> tuple[ExportSignature, int]:
        """Return how to call an exported function, compiled once, and its index.

        Raises:
            MissingExport: There is none of that name.
            InvalidComponent: Its type holds what cannot be passed.
        """
        if export not in self._functions:
            self._functions[export] = self.resolve(export)
        return self._functions[export]

    def bind(self, exports: type[_E]) -> Bound[_E]:
        """See the component through typed bindings, which ``airssys bindgen`` writes.

        Args:
            exports: The class ``Exports`` of the bindings' module.

        Raises:
            InvalidComponent: The component has not the exports that the module was
                made for; lists every difference.
        """
        return Bound(self, exports)

    def drop(self, resource: ResourceType) -> str | None:
        """Return the function that runs a resource's destructor in the component."""
        drop = self._drops.get(resource)
        return None if drop is None else drop.label

    def resolve(
        self, export: str, shapes: Shapes = _NO_SHAPES
    ) -> tuple[ExportSignature, int]:
        """Compile how to call an exported function; as `function`, which keeps it.

        Args:
            export: Its name.
            shapes: The Python classes of the component's types.
        """
        added = self._added(export)
        if added is None:
            export = self.named(export)
        path, type_ = added or (export, self.functions()[export])
        index = None
        for part in path.split("#"):
            index = self._code.get_export_index(part, index)
            self._indices.append(index)
        assert index is not None
        try:
            shapes = evolve(shapes, lane=export in self.lane)
            signature = ExportSignature(export, type_, shapes)
        except Unsupported as unsupported:
            raise InvalidComponent(
                self.name,
                f"function {export!r} has a {unsupported} in its type, which "
                f"wasmtime's C API cannot pass: {shortened(type_)}",
            ) from None
        return signature, _ffi.address(index.ptr())

    def named(self, export: str) -> str:
        """Return what the component calls a function that it exports.

        Its interface may have another version there: as with imports, a compatible one.
        Where the name says no version, any will do if there is but one.

        Raises:
            MissingExport: There is none.
        """
        functions = self.functions()
        if export in functions:
            return export
        home, mark, name = export.rpartition("#")
        homes = [f.rpartition("#")[0] for f in functions if f.endswith(f"{mark}{name}")]
        found = [f"{each}#{name}" for each in meant(home, homes)] if home else []
        if found and (len(found) == 1 or "@" in home):
            return found[0]
        some = tuple(islice(functions, _COMPARED))
        near = found or difflib.get_close_matches(export, some, _NEAR, 0.4)
        if len(functions) <= _NEAR:
            near = sorted(functions)
        raise MissingExport(self.name, export, tuple(near))

    def _added(self, export: str) -> tuple[str, FuncType] | None:
        """Return the name and type of a function that was put into the component."""
        if export == SET_LIMITS and self.counts:
            return export, _LIMITING
        drop = self._dropping.get(export)
        return None if drop is None else (drop.export, drop.type)

    async def instantiate(
        self,
        imports: Sequence[HostInterface] = (),
        *,
        limits: Limits | None = None,
        grants: Grants | Standing | None = None,
        actor: str = "",
        guard: Guard | None = None,
        context: object = None,
        missing: Missing = "refuse",
    ) -> Instance:
        """Make an instance, with memory of its own.

        Args:
            imports: The interfaces to offer; more than the component imports is fine.
            limits: What the instance may use; `Limits()` by default.
            grants: What the component may do where host functions say ``needs=``; a
                `Standing` that is shared with it can be changed later.
            actor: The id of the actor the instance belongs to, for `Call`.
            guard: What stands between a host call and the host function; by default a
                `Gate` that emits no events.
            context: What host functions find as ``call.context``: the instance's own
                state, where they keep any.
            missing: ``"trap"`` links a component of whose imports some are not offered:
                whatever calls one of them ends with `GuestTrapped`, which names it.

        Raises:
            UnknownImport: The component imports what is not offered, or what is offered
                has another type.
            OutOfMemory: It needs more memory, tables or instances than its limits.
            TooManyHandles: Its start function made more than its limit.
            QuotaExceeded: The host has no room for another instance.
            GuestTrapped: Its start function trapped.
            LimitExceeded: Its start function ran out of fuel or time.
            ValueError: ``missing`` is another word.
        """
        check_missing(missing)
        await self.engine.pace.begin().step()
        call = Call(self.name, actor, "", grants or Standing(), context)
        ceiling = self.engine.ceiling
        before = 0 if self.mappings else ceiling.count()
        instance = Instance(
            self, self._link(imports, missing), limits or _LIMITS, call, guard or _GATE
        )
        await instance.start()
        if not self.mappings:
            self.mappings = max(ceiling.count() - before, 1) + 1
        return instance

    def _link(self, imports: Sequence[HostInterface], missing: Missing) -> Link:
        """Return the linker for these interfaces as they are now."""
        # An interface may be given more functions later, so their number counts too.
        key = (missing, *map(id, imports), *map(len, map(_functions, imports)))
        found = self._links.get(key)
        if found is None:
            made = link(
                self._wasmtime,
                self.name,
                self.imports,
                imports,
                missing=missing,
                lane=self._lane_imports,
                borrows_one=self._borrows_one,
                signatures=self._signatures,
            )
            if len(self._links) >= _LINKS:
                del self._links[next(iter(self._links))]
            found = (made, tuple(imports))  # kept alive, so ids stay theirs
            self._links[key] = found
        return found[0]
