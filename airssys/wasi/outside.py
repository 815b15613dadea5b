"""Keep what all guests of one host share: a gate, a disk, a network, tasks."""

from __future__ import annotations

import secrets
from functools import partial

from anyio.abc import TaskGroup
from attrs import Factory, field, frozen

from ..host.filesystem import Disk
from ..host.guest_log import GuestLog
from ..host.network.dealings import Ledger
from ..host.network.permits import Permits
from ..host.network.tls import Tls
from ..hostcalls.gate import Gate
from .kept import Kept
from .readiness import Readiness
from .values import Values

__all__ = ("Outside",)


@frozen(eq=False, kw_only=True)
class Outside:
    """What the interfaces reach the world outside of guests by."""

    gate: Gate
    """Is asked for each access, and emits events."""
    disk: Disk
    """Opens files as far as grants lead."""
    permits: Permits
    """Looks names up and judges addresses."""
    tls: Tls
    """How guests may speak TLS."""
    log: GuestLog
    """Takes the lines that guests write."""
    secret: bytes = field(factory=partial(secrets.token_bytes, 16), repr=False)
    """What guests are told in its stead of the host's own numbers is hashed with it."""
    kept: Kept
    """Keeps keys and values."""
    work: TaskGroup
    """Runs what outlives the host call that begins it. It is cancelled at the end."""
    readiness: Readiness = field(
        default=Factory(lambda self: Readiness(self.work), takes_self=True), init=False
    )
    """Tells when sockets can go on."""
    ledger: Ledger = field(factory=Ledger, init=False)
    """What guests were told of names."""
    values: Values = field(factory=Values, init=False)
    """Holds values that guests write or read piece by piece."""
