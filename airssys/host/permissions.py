"""Tell guests what they may do, without doing it: ``airssys:core/permissions``."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import ClassVar, Final, cast

from attrs import define

from ..core.errors import WitError
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, interface_of, operation
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..storage import keys
from ..witmodel.types import Variant
from .errors import denied
from .filesystem.access import Access, Action, Disk
from .network.addresses import target_of

__all__ = ("PERMISSIONS", "PermissionsOperations", "permissions_interface")

PERMISSIONS: Final = "airssys:core/permissions@1.0.0"
_FREE: Final = Free("tells only what the caller itself may do")
_GRANTED: Final = Variant("granted")


def permissions_interface(gate: Gate, disk: Disk | None = None) -> HostInterface:
    """Return the interface for all components of a system.

    A question is no attempt, so no answer is an event.

    Args:
        gate: Has the answers.
        disk: Where paths lead: that of the files' interfaces, whose working directory
            relative paths begin at. By default they begin at ``/``.
    """
    return interface_of(PermissionsOperations(gate, disk or Disk(gate)))


@define(eq=False)
class PermissionsOperations:
    """The operations of ``airssys:core/permissions``."""

    interface: ClassVar[str] = PERMISSIONS
    gate: Gate
    disk: Disk

    @operation(needs=_FREE)
    async def check_file_read(self, call: Call, path: str) -> Variant:
        return await self._on_path(call, "read", path)

    @operation(needs=_FREE)
    async def check_file_write(self, call: Call, path: str) -> Variant:
        return await self._on_path(call, "write", path)

    @operation(needs=_FREE)
    async def check_file_delete(self, call: Call, path: str) -> Variant:
        return await self._on_path(call, "delete", path)

    @operation(needs=_FREE)
    async def check_directory_list(self, call: Call, path: str) -> Variant:
        return await self._on_path(call, "list", path)

    @operation(needs=_FREE)
    def check_network_outbound(self, call: Call, host: str, port: int) -> Variant:
        try:
            target = target_of(Variant("name", (host, port)))
        except ValueError as error:
            return denied(str(error))
        if not port:
            return denied("0 is no port to connect to")
        denial = self.gate.judge(call, target.outbound)
        return _GRANTED if denial is None else denied(self.gate.words(denial))

    @operation(needs=_FREE)
    def check_storage_access(self, call: Call, namespace: str) -> Variant:
        if namespace != keys.OWN:
            return denied(f"the caller's own namespace is {keys.OWN!r}")
        grants = call.grants
        if grants.holds("storage", self.gate.clock()) and any(
            grants.reach("storage", action, keys.target(""))
            for action in ("read", "write", "delete")
        ):
            return _GRANTED
        return denied("no grant reaches into it")

    async def _on_path(self, call: Call, action: Action, path: str) -> Variant:
        # Who deletes a link deletes the link.
        look = partial(_look, path=path, action=action, follow=action != "delete")
        access = Access(self.disk, call)
        try:
            # Not `Disk.run`, which would emit events: a question is no attempt.
            await self.disk.workers.run(partial(access.settle, look))
        except WitError as error:
            refused = cast("Variant", error.value)
            return denied(str(refused.value))
        finally:
            access.gone = True
        return _GRANTED


def _look(access: Access, *, path: str, action: Action, follow: bool) -> None:
    with suppress(
        OSError
    ):  # the path is granted; whether the system could open it is not asked
        place = access.ask(path, action, follow=follow)
        with access.held(place):
            pass  # what the host forbids by another name shows here
