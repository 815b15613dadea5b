"""End a command in order at the first signal, and at once at the second."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

import anyio
from attrs import define, field

__all__ = ("SIGNALS", "Signals", "end_with")

SIGNALS: Final = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if name in signal.Signals.__members__
)
"""What ends a command: Ctrl-C, a service manager, a terminal that closes."""


def end_with(status: int) -> None:
    """Have the process end with this status, whatever signals come meanwhile.

    Until its threads have ended, another signal cuts it off. Then Python takes itself
    down, which cannot hang, and would let a signal decide the status.
    """
    for each in SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, lambda *_: os._exit(status))
    atexit.register(_go_deaf)


def _go_deaf() -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


@define(eq=False)
class Signals:
    """Hears signals from the entry of the block on, whatever the event loop does.

    Handlers of Python's own run between any two instructions of the main thread, also
    while it waits to write, so that a second signal needs no event loop.
    """

    number: int | None = field(default=None, init=False)
    """The first that came."""
    looping: bool = field(default=False, init=False)
    """Whether an event loop sees to the first; else the command ends by it at once."""
    last_words: bytes = field(default=b"", init=False)
    """Goes before the last line at the second signal, such as to show the cursor."""
    _before: dict[int, Any] = field(factory=dict, init=False)
    _ear: socket.socket = field(init=False)
    _mouth: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        self._ear, self._mouth = socket.socketpair()
        self._mouth.setblocking(False)  # noqa: FBT003 - positional only
        for each in SIGNALS:
            # nohup says that the end of the terminal is none of ours.
            if each.name != "SIGHUP" or signal.getsignal(each) != signal.SIG_IGN:
                self._before[each] = signal.signal(each, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._ear.close()
        self._mouth.close()

    async def wait_heard(self) -> None:
        """Wait for the first signal, which may have come already."""
        await anyio.wait_readable(self._ear)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.number is not None:
            self._cut_off(number)
        self.number = number
        if not self.looping:
            # Nothing has been started that must end in order.
            raise SystemExit(128 + number)
        self._mouth.send(b"!")

    def _cut_off(self, number: int) -> None:
        # Nobody may read what is written there, or it may be closed.
        with suppress(OSError, ValueError):
            if select.select((), (2,), (), 0)[1]:
                os.write(2, self.last_words + b"airssys: cut off\n")
        # Nothing less ends at once whatever the actors and their threads do.
        os._exit(128 + number)
