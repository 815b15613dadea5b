"""Use a component through a module of typed bindings, as `bindgen` writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ..core.grants.grants import Grants
from ..core.limits import Limits
from ..hostcalls.call import Standing
from ..hostcalls.interface import Guard, HostInterface, Missing
from ..witmodel.types import Extern, Shapes
from .instance import Instance
from .origin import Origin
from .signature import ExportSignature

__all__ = ("Bindable", "Binding", "Bound", "Template")


class Binding(Protocol):
    """What a module of bindings knows of the types of a world."""

    def shapes(
        self,
        component: str,
        imports: Mapping[str, Extern],
        exports: Mapping[str, Extern],
    ) -> Shapes:
        """Return the module's classes for a component's types.

        Raises:
            InvalidComponent: The component has not the exports that the module was
                made for; lists every difference.
        """


class Bindable(Protocol):
    """The class for what a world exports, in a module of bindings."""

    __airssys__: ClassVar[Any]
    """A `Binding`."""

    def __init__(self, instance: Instance, /) -> None: ...


class Template(Origin, Protocol):
    """The component that bindings are of."""

    def resolve(self, export: str, shapes: Shapes, /) -> tuple[ExportSignature, int]:
        """Compile how to call an exported function, with classes for its values."""

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
        """Make an instance."""


_E = TypeVar("_E", bound=Bindable)


class Bound(Generic[_E]):
    """A component seen through bindings. Made by `Component.bind`."""

    __slots__ = ("_exports", "_functions", "_shapes", "component")

    def __init__(self, component: Template, exports: type[_E]) -> None:
        self.component: Template = component
        self._exports = exports
        binding: Binding = exports.__airssys__
        self._shapes = binding.shapes(
            component.name, component.imports, component.exports
        )
        self._functions: dict[str, tuple[ExportSignature, int]] = {}

    def __repr__(self) -> str:
        return f"<Bound {self.component.name!r}>"

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
    ) -> _E:
        """Make an instance and return its exports; as `Component.instantiate`."""
        instance = await self.component.instantiate(
            imports,
            limits=limits,
            grants=grants,
            actor=actor,
            guard=guard,
            context=context,
            missing=missing,
        )
        return self.attach(instance)

    def attach(self, instance: Instance) -> _E:
        """Return the exports of an instance that was made without bindings.

        From then on its own `Instance.call` returns the module's classes too.

        Raises:
            ValueError: It is an instance of another component, or other bindings are
                attached to it.
        """
        if instance.component is not self.component:
            raise ValueError(f"{instance!r} is no instance of {self.component!r}")
        instance.attach(self)
        return self._exports(instance)

    def function(self, export: str) -> tuple[ExportSignature, int]:
        """Return how to call an exported function; as `Component.function`."""
        found = self._functions.get(export)
        if found is None:
            found = self.component.resolve(export, self._shapes)
            self._functions[export] = found
        return found
