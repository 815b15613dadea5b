"""Make what a manifest's ``[wasi]`` says into what each instance finds around it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Final, cast

from attrs import define, field, frozen

from ..core.child import LAST_WORDS
from ..core.errors import InitFailed, WitError
from ..core.manifests.wasi import INHERIT, LOG, NULL, Wasi
from ..hostcalls.call import Call, Standing
from ..observe.line import printable_lines
from ..witmodel.types import Variant
from .context import Context
from .descriptors import DescriptorInput, DescriptorOutput, open_input, open_output
from .granted_stdio import (
    GrantedInput,
    GrantedOutput,
    open_granted_input,
    open_granted_output,
)
from .outside import Outside
from .stdio import BytesInput, Lines, NoOutput
from .streams import InputStream, OutputStream, StreamClosed

__all__ = ("Surroundings",)

_STDIN, _STDOUT, _STDERR = range(3)
_REMEMBERED: Final = 2048
"""Bytes of its stderr that are in the report of a guest's crash."""


@frozen(kw_only=True)
class Surroundings:
    """What the instances of one actor find around them, one after the other."""

    wasi: Wasi
    outside: Outside
    component: str
    """The component's name, which is the program's own."""
    actor: str = ""
    standing: Standing = field(factory=Standing)
    closed: Callable[[], Exception] = StreamClosed
    """Makes what is raised where nobody reads what goes to the process's own output;
    what is no error of a stream's ends the guest."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Context]:
        """Open them for one instance, which has ended when the block is left.

        What it wrote without an end of the line comes then. Where an error leaves the
        block, it has the last lines of its stderr as a note.

        Raises:
            InitFailed: A file that a stream is to be cannot be opened.
        """
        wasi = self.wasi
        with ExitStack() as closing:
            stdin = await self._input(wasi.stdin, closing)
            stdout = await self._output("stdout", wasi.stdout, closing)
            stderr = _Remembered(await self._output("stderr", wasi.stderr, closing))
            context = Context(
                args=[self.component, *wasi.args],
                env=dict(wasi.env),
                cwd=wasi.cwd,
                preopens=wasi.preopens,
                stdin=stdin,
                stdout=_Remembered(stdout, 0),
                stderr=stderr,
                terminals=_terminals(wasi),
            )
            try:
                yield context
            except Exception as error:
                if last := stderr.last:
                    error.add_note(f"{LAST_WORDS}\n{printable_lines(last)}")
                raise

    async def _input(self, where: str, closing: ExitStack) -> InputStream:
        if where == NULL:
            return BytesInput()
        stream: DescriptorInput | GrantedInput
        if where == INHERIT:
            stream = await open_input(_STDIN, self.outside.work)
        else:
            with self._failing("stdin"):
                call = self._call("stdin")
                stream = await open_granted_input(self.outside.disk, call, where)
        closing.callback(stream.close)
        return stream

    async def _output(self, name: str, where: str, closing: ExitStack) -> OutputStream:
        if where == NULL:
            return NoOutput()
        if where == LOG:
            lines = self.log_lines(name)
            closing.callback(lines.drop)
            return lines
        call = self._call(name)
        stream: DescriptorOutput | GrantedOutput
        if where == INHERIT:
            number = _STDERR if name == "stderr" else _STDOUT
            stream = await open_output(number, self.outside.work, self.closed)
        else:
            with self._failing(name):
                stream = await open_granted_output(self.outside.disk, call, where)
        closing.callback(stream.close)
        return stream

    def log_lines(self, name: str) -> Lines:
        """Return what writes the lines of ``stdout`` or ``stderr`` to the log."""
        level = "warn" if name == "stderr" else "info"
        return Lines(partial(self.outside.log.write, self._call(name), level))

    def _call(self, name: str) -> Call:
        """Return who it is that opens a stream, for the audit."""
        return Call(self.component, self.actor, f"wasi.{name}", self.standing)

    @contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        """Say of a file that cannot be opened which stream it was to be."""
        try:
            yield
        except WitError as error:
            value = cast("Variant", error.value)
            words = f"its {name} cannot be opened: {value.case}: {value.value}"
            raise InitFailed(self.actor or self.component, words) from error


def _terminals(wasi: Wasi) -> frozenset[str]:
    """Return which streams are the host's own, which has a terminal there."""
    given = (("stdin", wasi.stdin), ("stdout", wasi.stdout), ("stderr", wasi.stderr))
    return frozenset(
        name
        for number, (name, where) in enumerate(given)
        if where == INHERIT and os.isatty(number)
    )


@define(eq=False)
class _Remembered(OutputStream):
    """Passes on what is written, and keeps the end of it.

    A guest may let go of its output and ask for it again; so whoever made it is the one
    to end it.
    """

    to: OutputStream
    most: int = _REMEMBERED
    """Bytes of the end."""
    _end: bytearray = field(factory=bytearray, init=False)

    def __attrs_post_init__(self) -> None:
        self.source = self.to.source

    @property
    def last(self) -> str:
        """The last lines that were written."""
        text = self._end.decode(errors="replace")
        if len(self._end) == self.most:  # it may begin within a line
            text = text.partition("\n")[2] or text
        return text.strip("\n")

    def ready(self) -> bool:
        return self.to.ready()

    def room(self) -> int:
        return self.to.room()

    async def write(self, content: bytes) -> None:
        if self.most:
            self._end += content[-self.most :]
            del self._end[: -self.most]
        await self.to.write(content)

    async def flush(self) -> None:
        await self.to.flush()
