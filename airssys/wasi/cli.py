"""Give guests what a program finds around it: ``wasi:cli``."""

from __future__ import annotations

from typing import ClassVar, Never

from ..core.errors import GuestExited
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, operation
from ..witmodel.types import Err, Ok
from .context import context_of
from .streams import InputStream, OutputStream

__all__ = (
    "Environment",
    "Exit",
    "Stderr",
    "Stdin",
    "Stdout",
    "TerminalInput",
    "TerminalOutput",
    "TerminalStderr",
    "TerminalStdin",
    "TerminalStdout",
)

_OWN = Free("it was given to the instance by whoever made it")
_ITSELF = Free("a guest may always end itself")
_FAILED = 1


class Environment:
    """The operations of ``wasi:cli/environment``."""

    interface: ClassVar[str] = "wasi:cli/environment@0.2.12"

    @operation(needs=_OWN)
    def get_environment(self, call: Call) -> list[tuple[str, str]]:
        return list(context_of(call).env.items())

    @operation(needs=_OWN)
    def get_arguments(self, call: Call) -> list[str]:
        return list(context_of(call).args)

    @operation(needs=_OWN)
    def initial_cwd(self, call: Call) -> str | None:
        return context_of(call).cwd


class Exit:
    """The operations of ``wasi:cli/exit``."""

    interface: ClassVar[str] = "wasi:cli/exit@0.2.12"

    @operation(needs=_ITSELF)
    def exit(self, call: Call, status: Ok[None] | Err[None]) -> Never:
        raise GuestExited(call.component, _FAILED if isinstance(status, Err) else 0)

    @operation(needs=_ITSELF)
    def exit_with_code(self, call: Call, status_code: int) -> Never:
        raise GuestExited(call.component, status_code)


class Stdin:
    """The operations of ``wasi:cli/stdin``."""

    interface: ClassVar[str] = "wasi:cli/stdin@0.2.12"

    @operation(needs=_OWN)
    def get_stdin(self, call: Call) -> InputStream:
        return context_of(call).stdin


class Stdout:
    """The operations of ``wasi:cli/stdout``."""

    interface: ClassVar[str] = "wasi:cli/stdout@0.2.12"

    @operation(needs=_OWN)
    def get_stdout(self, call: Call) -> OutputStream:
        return context_of(call).stdout


class Stderr:
    """The operations of ``wasi:cli/stderr``."""

    interface: ClassVar[str] = "wasi:cli/stderr@0.2.12"

    @operation(needs=_OWN)
    def get_stderr(self, call: Call) -> OutputStream:
        return context_of(call).stderr


class TerminalInput:
    """The resource ``terminal-input``: that there is a terminal, and no more."""


class TerminalOutput:
    """The resource ``terminal-output``: that there is a terminal, and no more."""


class TerminalStdin:
    """The operations of ``wasi:cli/terminal-stdin``."""

    interface: ClassVar[str] = "wasi:cli/terminal-stdin@0.2.12"

    @operation(needs=_OWN)
    def get_terminal_stdin(self, call: Call) -> TerminalInput | None:
        return TerminalInput() if "stdin" in context_of(call).terminals else None


class TerminalStdout:
    """The operations of ``wasi:cli/terminal-stdout``."""

    interface: ClassVar[str] = "wasi:cli/terminal-stdout@0.2.12"

    @operation(needs=_OWN)
    def get_terminal_stdout(self, call: Call) -> TerminalOutput | None:
        return TerminalOutput() if "stdout" in context_of(call).terminals else None


class TerminalStderr:
    """The operations of ``wasi:cli/terminal-stderr``."""

    interface: ClassVar[str] = "wasi:cli/terminal-stderr@0.2.12"

    @operation(needs=_OWN)
    def get_terminal_stderr(self, call: Call) -> TerminalOutput | None:
        return TerminalOutput() if "stderr" in context_of(call).terminals else None
