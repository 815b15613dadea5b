"""Keep the resources of one instance: the guest's own, and what the host lends it.

A guest's resource is a `Handle` in Python. A host's resource is any Python object; for
the guest it is a number, by which it is found again here.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, Final, Protocol, Self, TypeAlias

from attrs import define, frozen

from ..core.errors import InstanceClosed
from ..hostcalls.bodies import dashed
from ..hostcalls.interface import HostResource
from ..witmodel.types import Borrow, Own, ResourceType
from . import _ffi
from .values.kept import Handles, Kept
from .values.layout import Mismatch
from .values.pieces import Held

__all__ = ("Handle", "Hosted", "LiftParameters", "Resources")

_OPEN: Final = ""

# Looked up once: see `Resources.lent`.
_any_to_host, _host_rep = _ffi.resource_any_to_host, _ffi.resource_host_rep
_host_delete = _ffi.resource_host_delete

LiftParameters: TypeAlias = Callable[[int, Handles], list[Any] | Held]
"""Reads the parameters of a call from where the guest left them, or takes them away."""


@frozen
class Hosted:
    """A host's resource at its place in one linker."""

    index: int
    """The number by which wasmtime knows its type."""
    offer: HostResource


class _Owner(Protocol):
    """The instance that a handle belongs to."""

    async def call(self, export: str, *args: Any) -> Any: ...
    async def drop(self) -> None:
        """Run the destructors of the handles that were closed."""


class Handle:
    """A resource that a component made, and that the host owns.

    Closing it runs its destructor in the guest: at once where the result of `close` is
    awaited, and else before the next call of its instance. A handle that is forgotten
    counts as closed. One that was passed where WIT says ``own`` is gone; the instance's
    end is the end of its handles, without a destructor, as its memory is freed.
    """

    __slots__ = ("__weakref__", "_gone", "_pointer", "_resources", "type")

    def __init__(self, resources: Resources, type_: ResourceType, pointer: int) -> None:
        self.type: ResourceType = type_
        self._resources = resources
        self._pointer = pointer
        self._gone = _OPEN

    def __repr__(self) -> str:
        state = self._gone or ("open" if self._resources.ended is None else "ended")
        return f"<Handle of {self.type.name!r}: {state}>"

    @property
    def closed(self) -> bool:
        """Whether it was closed or given away, or its instance has ended."""
        return bool(self._gone) or self._resources.ended is not None

    async def call(self, method: str, *args: Any) -> Any:
        """Call a method, such as ``get-all`` (or ``get_all``), as `Instance.call` does.

        Raises:
            ValueMismatch: The handle is closed, or an argument does not fit.
            MissingExport: There is no such method.
        """
        name = f"[method]{self.type.name}.{dashed(method)}"
        home = f"{self.type.home}#" if self.type.home else ""
        return await self._resources.owner().call(f"{home}{name}", self, *args)

    def close(self) -> Awaitable[None]:
        """Give the resource up. Does nothing when it is gone already.

        Returns:
            What runs the destructor when it is awaited; who does not wait leaves it to
            the instance's next call.

        Raises:
            GuestTrapped: The destructor trapped (where it is awaited). As after any
                trap, the instance has ended.
        """
        if not self.closed:
            self._gone = "closed"
            self._resources.closing.append(self)
        return _Closing(self._resources)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __del__(self) -> None:
        if self._gone is _OPEN:
            if self._resources.ended is None:
                self._gone = "closed"
                self._resources.closing.append(self)
            else:
                self.release()

    def take(self, gone: str) -> int:
        """Return the C resource, which is the caller's from now on."""
        self._gone = gone
        pointer, self._pointer = self._pointer, 0
        return pointer

    def release(self) -> None:
        """Free the C side's memory, without a destructor."""
        if self._pointer:
            _ffi.resource_any_delete(self.take(self._gone or "ended"))


@frozen
class _Closing:
    """Runs destructors when it is awaited."""

    resources: Resources

    def __await__(self) -> Generator[Any, Any, None]:
        if self.resources.closing and self.resources.ended is None:
            yield from self.resources.owner().drop().__await__()


@define(slots=True)
class _Held:
    """A host's object and the handles of the guest's that own it."""

    value: object
    offer: HostResource
    owned: int = 0


class Resources:
    """The resources of one instance, and so what its guest reaches of the host."""

    __slots__ = (
        *("_context", "_held", "_hosted", "_last", "_lifts", "_objects", "_out"),
        *("_out_at", "_owner", "closing", "component", "dropped", "dropping", "ended"),
    )

    def __init__(
        self,
        component: str,
        context: int,
        lifts: Sequence[LiftParameters],
        hosted: Mapping[ResourceType, Hosted],
        owner: Callable[[], _Owner | None],
    ) -> None:
        self.component: str = component
        self._owner: Callable[[], _Owner | None] = owner
        self.closing: deque[Handle] = deque()
        """Handles whose destructor is to be run."""
        self.dropping: Handle | None = None
        """The one whose destructor runs."""
        self.dropped: list[int] = []
        """Numbers of the host's objects that the guest dropped in this call."""
        self.ended: str | None = None
        """Why the instance has ended; None: it has not."""
        self._context = context
        self._lifts = lifts
        self._hosted = hosted
        self._objects: dict[int, _Held] = {}
        self._held: dict[int, _Held] = {}
        self._last = 0
        self._out = ctypes.c_uint64()
        self._out_at: int = ctypes.addressof(self._out)

    def owner(self) -> _Owner:
        """Return the instance. Raises `InstanceClosed` when it has ended."""
        owner = self._owner()
        if owner is None or self.ended is not None:
            raise InstanceClosed(self.component, self.ended or "closed")
        return owner

    # The host of a `Store`, during a poll:

    def lift(self, index: int, arguments: int) -> list[object] | Held:
        return self._lifts[index](arguments, self)

    def drop(self, rep: int) -> None:
        self.dropped.append(rep)

    # Handles of `lower`:

    def check(self, type_: Own | Borrow, value: object, kept: Kept) -> object:
        name = type_.resource.name
        if type_.resource.imported:
            offer = self._hosted[type_.resource].offer
            if not isinstance(value, offer.made):
                raise Mismatch(f"{name} (a {offer.made.__name__})", value)
            return value
        handle = value if isinstance(value, Handle) else getattr(value, "handle", None)
        if not isinstance(handle, Handle) or handle.type is not type_.resource:
            raise Mismatch(f"a handle of {name}", value)
        if handle._resources is not self:  # noqa: SLF001 - they are one thing
            raise Mismatch(f"a handle of {name} of this instance", handle)
        self.check_open(type_, handle)
        gives = isinstance(type_, Own)
        gone = kept.seen.get(id(handle))
        if gone or (gives and gone is not None):
            raise Mismatch(f"a handle of {name} that is not given away too", handle)
        kept.seen[id(handle)] = gives
        return handle

    def check_open(self, type_: Own | Borrow, value: object) -> None:
        if isinstance(value, Handle) and value.closed and value is not self.dropping:
            raise Mismatch(f"an open handle of {type_.resource.name}", value)

    def lowered(self, type_: Own | Borrow, value: object) -> int:
        if isinstance(value, Handle):
            if isinstance(type_, Own):
                return value.take("given away")
            return int(_ffi.resource_any_clone(value._pointer))  # noqa: SLF001
        hosted = self._hosted[type_.resource]
        rep = self._add(value, hosted.offer, lent=isinstance(type_, Borrow))
        host = _ffi.resource_host_new(True, rep, hosted.index)  # noqa: FBT003
        error = _ffi.resource_host_to_any(self._context, host, self._out_at)
        assert not error, _ffi.take_error(error)
        _ffi.resource_host_delete(host)
        return self._out.value

    def returned(self, type_: Own | Borrow, value: object, resource: int) -> None:
        if isinstance(type_, Borrow) and not isinstance(value, Handle):
            del self._objects[self._rep(resource)]
        _ffi.resource_any_delete(resource)

    # Handles of `lift`:

    def lifted(self, type_: Own | Borrow, resource: int) -> object:
        if not type_.resource.imported:
            return Handle(self, type_.resource, _ffi.resource_any_clone(resource))
        if isinstance(type_, Borrow):
            return self.lent(resource)
        return self._take(self._rep(resource)).value

    def lent(self, resource: int) -> object:
        # As of `_rep`, once more: most host calls come this way, and one polls 10,000.
        if error := _any_to_host(self._context, resource, self._out_at):
            raise AssertionError(_ffi.take_error(error))
        host = self._out.value
        rep = _host_rep(host)
        _host_delete(host)
        return self._objects[rep].value

    # The host's objects:

    def _add(self, value: object, offer: HostResource, *, lent: bool) -> int:
        """Return a number for an object that a guest's handle comes to stand for."""
        if lent:
            held = _Held(value, offer)  # it stays the host's, whatever happens
        else:
            held = self._held.setdefault(id(value), _Held(value, offer))
            held.owned += 1
        rep = self._last % 0xFFFF_FFFF + 1
        while rep in self._objects:
            rep = rep % 0xFFFF_FFFF + 1
        self._last = rep
        self._objects[rep] = held
        return rep

    def _take(self, rep: int) -> _Held:
        """Forget a number, and the object with its last one."""
        held = self._objects.pop(rep)
        held.owned -= 1
        if not held.owned:
            del self._held[id(held.value)]
        return held

    def _rep(self, resource: int) -> int:
        """Return the number in a C resource, which ends its claim on it."""
        error = _ffi.resource_any_to_host(self._context, resource, self._out_at)
        assert not error, _ffi.take_error(error)
        host = self._out.value
        rep: int = _ffi.resource_host_rep(host)
        _ffi.resource_host_delete(host)
        return rep

    def destroy(self) -> None:
        """Run the destructors of the host's objects that the guest dropped."""
        dropped, self.dropped = self.dropped, []
        held = {id(each): each for each in map(self._take, dropped)}
        self._destroy(list(held.values()))

    def end(self, why: str, error: BaseException | None = None) -> None:
        """Run the destructors of all objects that are left: the guest is gone.

        Args:
            why: Why it has ended.
            error: What is to be raised for that; it gets a note of what destructors
                raise, which would hide it otherwise.
        """
        self.ended = why
        for handle in self.closing:
            handle.release()
        self.closing.clear()
        left = list(self._held.values())
        self._objects.clear()
        self._held.clear()
        for each in left:
            each.owned = 0
        try:
            self._destroy(left)
        except Exception as problem:
            if error is None:
                raise
            try:
                shown = repr(problem)
            except Exception:  # noqa: BLE001 - it is another's
                shown = type(problem).__name__
            error.add_note(f"besides, a destructor of the host's raised {shown}")

    @staticmethod
    def _destroy(held: list[_Held]) -> None:
        """Run destructors, all of them, whatever some of them raise."""
        problems = []
        for each in held:
            if not each.owned and each.offer.drop is not None:
                try:
                    each.offer.drop(each.value)
                except Exception as problem:  # noqa: BLE001 - none may be left out
                    problems.append(problem)
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise ExceptionGroup("destructors of host resources failed", problems)
