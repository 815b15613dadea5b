"""Say what may be done with a socket when: the state machines of WASI's sockets.

The states are those of ``TcpSocketOperationalSemantics.md`` of the WASI sockets; a
datagram socket has the first three.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from .errors import ErrorCode, refuse

__all__ = ("Phase", "after")


class Phase(Enum):
    """What a socket is doing."""

    UNBOUND = "unbound"
    BINDING = "bind-in-progress"
    BOUND = "bound"
    LISTEN_BEGUN = "listen-in-progress"
    LISTENING = "listening"
    CONNECTING = "connect-in-progress"
    CONNECTED = "connected"
    CLOSED = "closed"


_UNDER_WAY: Final = (Phase.BINDING, Phase.LISTEN_BEGUN, Phase.CONNECTING)
_OPEN: Final = tuple(phase for phase in Phase if phase is not Phase.CLOSED)
_NAMED: Final = (
    Phase.BOUND,
    Phase.LISTEN_BEGUN,
    Phase.LISTENING,
    Phase.CONNECTING,
    Phase.CONNECTED,
)
"""Where a socket has a local address."""
_STEPS: Final[Mapping[str, Mapping[Phase, Phase]]] = {
    "start-bind": {Phase.UNBOUND: Phase.BINDING},
    "finish-bind": {Phase.BINDING: Phase.BOUND},
    "start-connect": dict.fromkeys((Phase.UNBOUND, Phase.BOUND), Phase.CONNECTING),
    "finish-connect": {Phase.CONNECTING: Phase.CONNECTED},
    "start-listen": {Phase.BOUND: Phase.LISTEN_BEGUN},
    "finish-listen": {Phase.LISTEN_BEGUN: Phase.LISTENING},
    **{
        name: {phase: phase for phase in phases}
        for name, phases in {
            "accept": (Phase.LISTENING,),
            "shutdown": (Phase.CONNECTED,),
            "stream": (Phase.BOUND,),
            "local-address": _NAMED,
            "remote-address": (Phase.CONNECTED,),
            "set-listen-backlog-size": (
                *(Phase.UNBOUND, Phase.BINDING, Phase.BOUND),
                *(Phase.LISTEN_BEGUN, Phase.LISTENING),
            ),
            "option": _OPEN,
        }.items()
    },
}
"""By what is done: the state after it, where it goes well, for each before it."""


def after(phase: Phase, done: str) -> Phase:
    """Return the state after something is done in a state.

    Raises:
        WitError: It cannot be done then. The state is as before.
    """
    following = _STEPS[done].get(phase)
    if following is None:
        refuse(_why_not(phase, done))
    return following


def _why_not(phase: Phase, done: str) -> ErrorCode:
    if done.startswith("finish-"):
        return "not-in-progress"
    if done.startswith("start-") and phase in _UNDER_WAY:
        return "concurrency-conflict"
    return "invalid-state"
