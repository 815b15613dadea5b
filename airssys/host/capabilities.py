"""Let guests read their own grants: ``airssys:core/capabilities``."""

from __future__ import annotations

import posixpath
from collections.abc import Generator
from typing import ClassVar, Final

from attrs import define, fields

from ..core.errors import WitError
from ..core.grants.capabilities import KINDS, Capability
from ..core.grants.grants import Grants
from ..core.grants.spelling import LONGEST_MATCHED
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, interface_of, operation
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..hostcalls.pieces import in_pieces
from ..storage import keys
from ..witmodel.records import SECOND, timestamp
from ..witmodel.types import Variant

__all__ = ("CAPABILITIES", "CapabilitiesOperations", "capabilities_interface")

CAPABILITIES: Final = "airssys:core/capabilities@1.0.0"
_FREE: Final = Free("tells only what the caller itself was granted")


def capabilities_interface(gate: Gate) -> HostInterface:
    """Return the interface for all components of a system.

    A question is no attempt, so no answer is an event.
    """
    return interface_of(CapabilitiesOperations(gate))


@define(eq=False)
class CapabilitiesOperations:
    """The operations of ``airssys:core/capabilities``."""

    interface: ClassVar[str] = CAPABILITIES
    gate: Gate

    @operation(needs=_FREE)
    async def granted(self, call: Call) -> list[dict[str, object]]:
        while True:
            before = call.grants
            described = await in_pieces(self._described(before))
            if call.grants is before:
                return described

    def _described(
        self, grants: Grants
    ) -> Generator[int, None, list[dict[str, object]]]:
        """Describe all grants, in pieces."""
        grants = grants.at(self.gate.clock())
        described: list[dict[str, object]] = []
        for section, action, pattern in (yield from grants.in_force()):
            yield 1
            described.append(
                {
                    "section": section,
                    "action": action,
                    "pattern": str(pattern),
                    "expires": _moment(grants.expires.get(section)),
                }
            )
        return described

    @operation(needs=_FREE)
    def check(self, call: Call, section: str, action: str, target: str) -> None:
        try:
            need = _need(call.grants, section, action, target)
        except ValueError as error:
            raise WitError(Variant("invalid-argument", str(error))) from error
        denial = self.gate.judge(call, need)
        if denial is not None:
            raise WitError(Variant("access-denied", self.gate.words(denial)))


def _moment(seconds: float | None) -> dict[str, int] | None:
    return None if seconds is None else timestamp(round(seconds * SECOND))


def _need(grants: Grants, section: str, action: str, target: str) -> Capability:
    """Return the capability that a guest asks about.

    Raises:
        ValueError: There is no such action, or the target has another form.
    """
    if max(len(action), len(target)) > LONGEST_MATCHED:
        raise ValueError(
            f"actions and targets have at most {LONGEST_MATCHED:_} characters"
        )
    if section != "custom":
        actions = [each.name for each in fields(type(getattr(grants, section)))]
        if action not in actions:
            known = ", ".join(actions)
            raise ValueError(f"{section!r} has no action {action!r} (known: {known})")
    if section == "filesystem" or (section, action) == ("process", "spawn"):
        if posixpath.normpath(f"/{target.lstrip('/')}") != target:
            raise ValueError(f"{target!r} is no absolute path in normal form")
    elif section == "storage":
        space, _, key = target.partition("/")
        if space != keys.OWN:
            raise ValueError(f"{target!r} is no key: it begins with '{keys.OWN}/'")
        keys.check_key(key)
    return KINDS[section](action, target)
