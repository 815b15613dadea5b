"""Write Protocols for what a host offers, and classes for what a component exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

from ..witmodel.types import FuncType, Result, WitType
from .annotate import Annotations
from .layout import assigned, docstring, indented, listed
from .names import members, parameters, split_function

__all__ = ("Writer",)


@frozen
class Writer:
    """Writes the methods of one interface, or of the world."""

    annotations: Annotations
    home: str
    """The interface; empty for the world itself."""
    functions: Mapping[str, FuncType]
    lines: Mapping[str, str]
    """How each function reads in WIT."""

    def plain(self) -> dict[str, FuncType]:
        """Return the functions that are no methods of a resource."""
        return {
            name: type_
            for name, type_ in self.functions.items()
            if split_function(name).kind != "method"
        }

    def methods(self, resource: str) -> dict[str, FuncType]:
        """Return a resource's methods, without their ``self``."""
        return {
            name: FuncType(type_.params[1:], type_.result, type_.is_async)
            for name, type_ in self.functions.items()
            if name.startswith(f"[method]{resource}.")
        }

    # What a host offers.

    def protocol(self, functions: Mapping[str, FuncType]) -> Iterator[str]:
        """Write the members of a Protocol."""
        names = members(functions)
        annotations = self.annotations.within(names.values())
        for name, type_ in functions.items():
            yield ""
            taken = ("self", "call")
            annotated = _annotated(type_, taken, annotations.taken)
            result = annotations.result(type_.result, given=True)
            params = ["self", "call: Call[Any]", *annotated, "/"]
            tail = f") -> Answer[{result}]:"
            yield from listed(f"def {names[name]}(", params, tail, steps=1)
            yield from indented(docstring(*self._doc(name, type_), steps=2))
            yield "    ..."

    # What a component exports.

    def calls(
        self, functions: Mapping[str, FuncType], reserved: set[str], target: str
    ) -> Iterator[str]:
        """Write methods that call the component.

        Args:
            functions: What to call.
            reserved: Names that methods cannot have.
            target: What is called: ``self.instance.call``, or that of a handle, which
                knows a method by its short name.
        """
        names = members(functions, reserved)
        prefix = f"{self.home}#" if self.home else ""
        for name, type_ in functions.items():
            yield ""
            given = parameters((n for n, _ in type_.params), but=("self",))
            annotations = self.annotations.within((*names.values(), *given))
            annotated = _annotated(type_, ("self",), annotations.given)
            result = annotations.result(type_.result, given=False)
            head = f"async def {names[name]}("
            yield from listed(head, ["self", *annotated], f") -> {result}:", steps=1)
            yield from indented(docstring(*self._doc(name, type_), steps=2))
            export = f"{prefix}{name}"
            if "handle" in target:
                export = split_function(name).name
            arguments = [f'"{export}"', *given]
            if result == "None":
                lines = listed(f"await {target}(", arguments, ")", steps=2)
            else:
                lines = assigned(result, f"await {target}", arguments)
                lines.append("return _result")
            yield from indented(lines)

    def _doc(self, name: str, type_: FuncType) -> Iterator[str]:
        yield f"``{_as_written(self.lines[name])}``"
        if isinstance(type_.result, Result):
            err = type_.result.err
            value = "None"
            if err is not None:
                value = f"of type ``{self.annotations.taken(err)}``"
            yield f"Raises:\n    WitError: Its value is {value}."


def _annotated(
    type_: FuncType, taken: tuple[str, ...], annotate: Callable[[WitType], str]
) -> list[str]:
    names = parameters((name for name, _ in type_.params), but=taken)
    return [
        f"{name}: {annotate(inner)}" for name, (_, inner) in zip(names, type_.params)
    ]


def _as_written(line: str) -> str:
    """Turn a function's line into what people write in WIT.

    Only resources of the world itself have functions that are printed otherwise.
    """
    line = re.sub(r"^\[constructor\][^:]*: func", "constructor", line)
    line = re.sub(r"^\[static\][^.]*\.([^:]*): ", r"\1: static ", line)
    method = r"^\[method\][^.]*\.(.*?)func\(self: borrow<[^>]*>(, )?"
    return re.sub(method, r"\1func(", line)
