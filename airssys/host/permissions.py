"""Tell guests what they may do, without doing it: ``airssys:core/permissions``."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final, cast

from ..core.errors import WitError
from ..core.grants.pattern import overlaps
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, offer
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..storage import keys
from ..witmodel.signatures import SIGNATURES
from ..witmodel.types import Variant
from .filesystem.access import Access, Action, Disk
from .network.addresses import target_of

__all__ = ("PERMISSIONS", "permissions")

PERMISSIONS: Final = "airssys:core/permissions@1.0.0"
_TYPES: Final = SIGNATURES[PERMISSIONS]
_FREE: Final = Free("tells only what the caller itself may do")
_GRANTED: Final = Variant("granted")


def permissions(gate: Gate, disk: Disk | None = None) -> HostInterface:
    """Return the interface for all components of a system.

    A question is no attempt, so no answer is an event.

    Args:
        gate: Has the answers.
        disk: Where paths lead: that of the files' interfaces, whose working directory
            relative paths begin at. By default they begin at ``/``.
    """
    interface = HostInterface(PERMISSIONS)
    paths = disk or Disk(gate)

    async def on_path(call: Call, action: Action, path: str) -> Variant:
        # Who deletes a link deletes the link.
        look = partial(_look, path=path, action=action, follow=action != "delete")
        access = Access(paths, call)
        try:
            # Not `Disk.run`, which would have the audit told.
            await paths.workers.run(partial(access.settle, look))
        except WitError as error:
            refused = cast("Variant", error.value)
            return _denied(str(refused.value))
        finally:
            access.gone = True
        return _GRANTED

    @offer(interface, needs=_FREE, wit=_TYPES["check-file-read"])
    async def check_file_read(call: Call, path: str) -> Variant:
        return await on_path(call, "read", path)

    @offer(interface, needs=_FREE, wit=_TYPES["check-file-write"])
    async def check_file_write(call: Call, path: str) -> Variant:
        return await on_path(call, "write", path)

    @offer(interface, needs=_FREE, wit=_TYPES["check-file-delete"])
    async def check_file_delete(call: Call, path: str) -> Variant:
        return await on_path(call, "delete", path)

    @offer(interface, needs=_FREE, wit=_TYPES["check-directory-list"])
    async def check_directory_list(call: Call, path: str) -> Variant:
        return await on_path(call, "list", path)

    @offer(interface, needs=_FREE, wit=_TYPES["check-network-outbound"])
    def check_network_outbound(call: Call, host: str, port: int) -> Variant:
        try:
            target = target_of(Variant("name", (host, port)))
        except ValueError as error:
            return _denied(str(error))
        if not port:
            return _denied("0 is no port to connect to")
        denial = gate.judge(call, target.outbound)
        return _GRANTED if denial is None else _denied(gate.words(denial))

    @offer(interface, needs=_FREE, wit=_TYPES["check-storage-access"])
    def check_storage_access(call: Call, namespace: str) -> Variant:
        if namespace != keys.OWN:
            return _denied(f"the caller's own namespace is {keys.OWN!r}")
        grants = call.grants.at(gate.clock())
        if any(
            overlaps(grants.patterns("storage", action), keys.under(""))
            for action in ("read", "write", "delete")
        ):
            return _GRANTED
        return _denied("no grant reaches into it")

    return interface


def _look(access: Access, *, path: str, action: Action, follow: bool) -> None:
    with suppress(OSError):  # it is granted; whether it can be done is another question
        access.ask(path, action, follow=follow)


def _denied(words: str) -> Variant:
    return Variant("denied", words)
