"""Give guests the handle that stands for the network, and the reasons of failures.

These are ``wasi:sockets/instance-network`` and ``wasi:sockets/network``.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from ...hostcalls.call import Call
from ...hostcalls.declare import Free, operation
from ..streams import IoError
from .errors import ErrorCode, SocketFailure

__all__ = ("InstanceNetwork", "Network", "NetworkOperations")


@frozen(eq=False)
class Network:
    """The resource ``network``. It allows nothing: the guest's grants do."""


class InstanceNetwork:
    """The operations of ``wasi:sockets/instance-network``."""

    interface: ClassVar[str] = "wasi:sockets/instance-network@0.2.12"

    @operation(needs=Free("the handle allows nothing by itself"))
    def instance_network(self, _: Call) -> Network:
        return Network()


class NetworkOperations:
    """The operations of ``wasi:sockets/network``."""

    interface: ClassVar[str] = "wasi:sockets/network@0.2.12"

    @operation(needs=Free("it says what went wrong in the guest's own call"))
    def network_error_code(self, _: Call, err: IoError) -> ErrorCode | None:
        return err.code.code if isinstance(err.code, SocketFailure) else None
