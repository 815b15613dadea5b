"""Compile components, with what the bytes lane puts into them."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Final

import wasmtime
from attrs import define, evolve, field, frozen
from wasmtime.component import Component as Code

from ..core.errors import InvalidComponent
from ..core.limits import CompileLimits
from ..witmodel.types import Extern
from . import _ffi
from .cache import Cache
from .compilers import Compilers, Job, Target, size_limit
from .lane import (
    NOTHING_ADDED,
    Added,
    LanePlan,
    may_need_lane,
    outer_names,
    plan_lane,
    rewritten,
    skeleton,
)
from .needs import UNKNOWN, Needs, needs_of
from .proposals import hint
from .shared import has_shared_memory
from .values.read import TypeReader

__all__ = ("FORM", "MAGIC", "Compiled", "Compiler", "Targets")

FORM: Final = 1
"""The form of what is kept in a cache; another number leaves older entries alone."""

MAGIC: Final = b"\0asm"
_CORE_MODULE: Final = b"\1\0\0\0"
_PREVIEW_1: Final = b"wasi_snapshot_preview1"
"""What a core module imports that was built for the WASI before components."""
_NOTHING: Final = LanePlan()


@frozen
class Compiled:
    """A component's code, and its types as they were before it was rewritten."""

    size: int
    """Bytes of its binary."""
    engine: wasmtime.Engine
    """What the code is for."""
    code: Code
    imports: Mapping[str, Extern]
    exports: Mapping[str, Extern]
    plan: LanePlan = _NOTHING
    """What was put into it."""
    added: Added = NOTHING_ADDED
    """What the rewriting adds to each instance."""
    counts: bool = False
    """Whether code was put into it that takes limits."""
    needs: Needs = UNKNOWN
    """What each instance has from the start, at the least."""
    borrows_one: bool = False
    """Whether wasmtime passes its host functions one borrowed handle at most."""


@define
class Targets:
    """The engines of wasmtime's that an engine has."""

    usual: Target
    without_tasks: Callable[[], Target]
    """Makes the engine for components that wasmtime passes several borrowed handles
    only where there are no tasks."""
    needs_taskless: Callable[[Mapping[str, Extern]], bool]
    """Tells of what a component imports whether it is one of those."""
    _made: Target | None = field(default=None, init=False)

    @property
    def taskless(self) -> Target:
        """The engine without tasks, made when it is first needed."""
        if self._made is None:
            self._made = self.without_tasks()
        return self._made

    def suitable(self, imports: Mapping[str, Extern]) -> Sequence[Target]:
        """Return for which engines code can be made, the best first."""
        if self.needs_taskless(imports):
            return self.taskless, self.usual
        return (self.usual,)


@define
class Compiler:
    """Compiles components, or takes them from the cache."""

    targets: Targets
    cache: Cache | None
    lane: bool
    """Whether bytes are to cross as strings."""
    compilers: Compilers
    """Does what takes long."""
    limits: CompileLimits

    def compile(self, source: bytes, job: Job, *, text: bool) -> Compiled:
        """Compile a component from binary or text.

        Raises:
            InvalidComponent: It is no component.
            CompileLimit: It takes too much.
            CannotCompile: There is nothing to compile with.
            GivenUp: Nobody waits for it any more.
        """
        name = job.name
        if text:
            source = source.removeprefix(codecs.BOM_UTF8)
        try:
            binary = self.compilers.binary(source, job) if text else source
            if len(binary) > self.limits.size:
                raise size_limit(name, self.limits)
            if not binary.startswith(MAGIC):
                raise InvalidComponent(name, "it does not start like WebAssembly")
            if binary[4:8] == _CORE_MODULE:
                raise InvalidComponent(name, _not_a_component(binary))
            if _shares(binary):
                raise InvalidComponent(
                    name, "it has a shared memory, and there are no threads to share it"
                )
            digest = hashlib.sha256(binary).digest()
            needs = _needs(binary)
            why: list[str] = []
            if found := self._rewritten(binary, digest, job, why):
                return evolve(found, needs=needs)
            bare = evolve(self._bare(binary, digest, job), needs=needs)
        except wasmtime.WasmtimeError as error:
            raise InvalidComponent(name, _reason(str(error))) from None
        if why:
            # Without that a guest could take all memory there is.
            raise InvalidComponent(name, f"it cannot be held to its limits: {why[-1]}")
        return bare

    def _bare(self, binary: bytes, digest: bytes, job: Job) -> Compiled:
        usual = self.targets.usual
        code = self._code(usual, "", digest, lambda: binary, job)
        types = self._types(code, binary, job)
        return Compiled(len(binary), usual.engine, code, *types)

    def _rewritten(
        self, binary: bytes, digest: bytes, job: Job, why: list[str]
    ) -> Compiled | None:
        """Compile a component with what is put into it; None where it needs nothing.

        What is to be done must be known before its code is compiled, which takes long.
        So its types are read from a skeleton of it.

        Args:
            binary: The component.
            digest: Of the binary.
            job: Who waits for it.
            why: Takes why it could not be done.
        """
        # What is wrong with a broken one is said by the compiler of all of it.
        try:
            if not may_need_lane(binary):
                return None
            usual = self.targets.usual
            bones = self._code(usual, "skeleton", digest, lambda: skeleton(binary), job)
            imports, exports = self._types(bones, binary, job)
            full = plan_lane(imports, exports)
            bare = full.without_lane()
            plans = (full, bare) if self.lane and full.lane else (bare,)
            targets = self.targets.suitable(imports)
            for target, plan in product(targets, plans):
                job.check()
                why.clear()
                tasks = target is usual
                try:
                    new = rewritten(
                        binary, lane=plan.lane, drops=plan.drops, tasks=tasks
                    )
                    if len(targets) == 1 and not (plan or new.counts):
                        return None
                    key = hashlib.sha256(new.binary).digest()
                    code = self._code(target, "", key, partial(bytes, new.binary), job)
                except (wasmtime.WasmtimeError, ValueError) as error:
                    why.append(_reason(str(error)))
                    continue
                return Compiled(
                    len(binary),
                    target.engine,
                    code,
                    imports,
                    exports,
                    plan,
                    new.added,
                    new.counts,
                    borrows_one=tasks and len(targets) > 1,
                )
        except (wasmtime.WasmtimeError, ValueError) as error:
            why.append(_reason(str(error)))
        return None

    def _types(
        self, code: Code, binary: bytes, job: Job
    ) -> tuple[dict[str, Extern], dict[str, Extern]]:
        names: tuple[tuple[str, ...], tuple[str, ...]] = (), ()
        with contextlib.suppress(ValueError):
            names = outer_names(binary)
        return TypeReader.read(
            _ffi.address(self.targets.usual.engine.ptr()),
            _ffi.address(code.ptr()),
            names,
            job.check,
        )

    def _code(
        self,
        target: Target,
        form: str,
        digest: bytes,
        binary: Callable[[], bytes],
        job: Job,
    ) -> Code:
        """Return the code of a component in some form, from the cache."""
        if self.cache is None:
            code, made = self.compilers.code(target, binary(), job)
            return code or Code.deserialize(target.engine, made)
        material = f"{_settings(target)}\0{form}\0".encode() + digest
        key = hashlib.sha256(material).hexdigest()
        # wasmtime refuses code made for another processor, in a shared home say.
        with contextlib.suppress(wasmtime.WasmtimeError), self.cache.find(key) as file:
            if file is not None:
                return Code.deserialize_file(target.engine, file)
        code, made = self.compilers.code(target, binary(), job)
        self.cache.keep(key, made)
        if code is not None:
            return code
        # What is in a file need not be in memory.
        with contextlib.suppress(wasmtime.WasmtimeError), self.cache.find(key) as file:
            if file is not None:
                return Code.deserialize_file(target.engine, file)
        return Code.deserialize(target.engine, made)


def _settings(target: Target) -> str:
    """Return all that code depends on besides the component."""
    return repr((FORM, _ffi.VERSION, platform.machine(), target.settings))


def _shares(binary: bytes) -> bool:
    try:
        return has_shared_memory(binary)
    except ValueError:
        return False  # what is malformed is said by the compiler


def _needs(binary: bytes) -> Needs:
    try:
        return needs_of(binary)
    except ValueError:
        return UNKNOWN  # it is found out when an instance is made


_EXCERPT: Final = re.compile(r"\n *--> [^\n]*?:([0-9]+):([0-9]+)\n.*", re.DOTALL)
"""Where text is wrong, and that line of it."""


def _not_a_component(binary: bytes) -> str:
    """Say of a core module how to make a component of it."""
    make = "wasm-tools component new"
    why = "it is a core module, not a component"
    if _PREVIEW_1 in binary:
        why = f"it is a core module for WASI preview 1, {why.partition(', ')[2]}"
        make += f" --adapt {_PREVIEW_1.decode()}=ADAPTER"
    return f"{why} (make one with: {make})"


def _reason(message: str) -> str:
    """Return the innermost cause of a compile error, on one line.

    Text that is no component is not quoted: who says which file to load may not be one
    who may read it.
    """
    message = _EXCERPT.sub(r" (line \1, column \2)", message)
    cause = message.rsplit("Caused by:", 1)[-1].strip()
    reason = " ".join(line.strip() for line in cause.splitlines() if line.strip())
    return reason + hint(reason)
