"""Start the warden when it is first needed, and ask it for keepers.

The host process itself starts nothing else: it has threads, so it must not run code of
its own between fork and exec; and what it does not start it need not reap, so other
users of child processes in the host's program are not disturbed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from attrs import define, field

from ...core.defaults import PATIENCE
from ...uncut import uncut
from .errors import failure

__all__ = ("Launcher",)

_BEGIN: Final = """
import sys, types
for name in ("airssys", "airssys.host", "airssys.host.process"):
    package = sys.modules[name] = types.ModuleType(name)
    package.__path__ = [sys.argv[1]]
from airssys.host.process.warden import main
main()
"""
"""Runs the warden's module without this package's own imports: it stays small."""
_LIBRARIES: Final = "LD_LIBRARY_PATH"
"""What some Pythons need to start; programs do not get it from the warden."""
_SOON: Final = 0.002
"""Seconds between two looks whether the warden has ended."""


@define(eq=False)
class Launcher:
    """The way to the warden."""

    _warden: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _requests: socket.socket | None = field(default=None, init=False)
    _lock: anyio.Lock = field(factory=anyio.Lock, init=False)
    _closed: bool = field(default=False, init=False)

    async def keeper(self, descriptors: Sequence[int]) -> socket.socket:
        """Have a keeper started; returns the host's end of its socket.

        Args:
            descriptors: Of the directory, the program, its three streams, its script.

        Raises:
            WitError: No warden can be started here, or it does not answer.
        """
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with its:
                mine.setblocking(False)  # noqa: FBT003 - positional only
                async with self._lock:
                    requests = await self._started()
                    await _send(requests, (its.fileno(), *descriptors))
        except BaseException:
            mine.close()
            raise
        return mine

    def finish(self) -> None:
        """Tell the warden that all is to end; nothing is started any more."""
        self._closed = True
        if self._requests is not None and self._warden is not None:
            self._warden.send_signal(signal.SIGCONT)
            with suppress(OSError):  # it has ended before
                self._requests.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """Wait for the end of the warden, which waits for its keepers."""
        if self._requests is None or self._warden is None:
            return
        with self._requests:
            with anyio.move_on_after(PATIENCE) as scope:
                await anyio.wait_readable(self._requests)  # it has closed its end
            if scope.cancelled_caught:
                self._warden.kill()
            # Not in a thread: others can have taken all there are.
            with anyio.move_on_after(PATIENCE):
                while self._warden.poll() is None:  # noqa: ASYNC110 - nobody tells
                    await anyio.sleep(_SOON)

    async def _started(self) -> socket.socket:
        if self._closed:
            raise failure("spawn-failed", "the host ends its programs")
        if self._requests is not None and self._warden is not None:
            if self._warden.poll() is None:
                # A program can have stopped it.
                self._warden.send_signal(signal.SIGCONT)
                return self._requests
            self._requests.close()
        await uncut(self._begin)
        requests: socket.socket | None = self._requests
        assert requests is not None
        return requests

    async def _begin(self) -> None:
        self._warden, self._requests = await anyio.to_thread.run_sync(_start)


def _start() -> tuple[subprocess.Popen[bytes], socket.socket]:
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        mine.setblocking(False)  # noqa: FBT003 - positional only
        try:
            warden = subprocess.Popen(  # noqa: S603 - its arguments are all our own
                # Without the site: it needs nothing but the standard library.
                [sys.executable, "-I", "-S", "-c", _BEGIN, str(Path(__file__).parent)],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={n: v for n, v in os.environ.items() if n == _LIBRARIES},
                start_new_session=True,  # it ends when we say so, not with a control-C
                umask=0o077,
            )
        except OSError as error:
            mine.close()
            words = f"{sys.executable!r} cannot be started: {error.strerror}"
            raise failure("spawn-failed", words) from error
    return warden, mine


async def _send(requests: socket.socket, descriptors: Sequence[int]) -> None:
    with anyio.move_on_after(PATIENCE):
        while True:
            try:
                socket.send_fds(requests, [b"keeper"], list(descriptors))
            except BlockingIOError:
                await anyio.wait_writable(requests)
            except OSError as error:
                words = f"the warden has ended: {error.strerror}"
                raise failure("spawn-failed", words) from error
            else:
                return
    raise failure("spawn-failed", "the warden does not answer")
