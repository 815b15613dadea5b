"""Run the ``airssys`` command: one module for each of its commands.

The commands are imported when they are run: ``airssys --help`` needs none of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Final

from cyclopts import App, CycloptsError, UnknownOptionError

from .output import Unread, Unwritable, checked_output, remark

__all__ = ("main",)

_HELP = """Run WebAssembly components under supervision.

Add --traceback to any command to see where an error comes from.
"""
_COMMANDS = {
    "run": (".run:run", "Run a tree of actors, one component, or a program."),
    "call": (".call:call", "Call an exported function and print its result."),
    "serve": (".serve:serve", "Serve HTTP with a component."),
    "inspect": (".inspect:inspect", "Say what a component imports and exports."),
    "bindgen": (".bindgen:bindgen", "Write typed Python bindings for a component."),
    "check": (".check:check", "Check manifests, tree files and host files."),
    "tree": (".tree:tree", "Print the tree that a tree file describes."),
}
_GROUPS = ("manifest", "audit", "cache")
_TAKE_ARGUMENTS: Final = ("run", "call")
"""The commands that pass arguments on to a component."""

_SIGNALLED: Final = 128
_INTERRUPTED: Final = 128 + 2
"""The status of a shell's command that SIGINT ended."""
_UNREAD: Final = 128 + 13
"""Likewise SIGPIPE."""
_FAILED: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        arguments: What follows the command's name; None: what the process was given.
    """
    if arguments is not None:
        return _run(list(arguments))
    status = _run(sys.argv[1:])
    if status > _SIGNALLED:
        from .signals import end_with  # noqa: PLC0415 - not for --help

        end_with(status)
    return status


def _run(given: list[str]) -> int:
    # What follows -- is for a program that is run.
    end = given.index("--") if "--" in given else len(given)
    ours, after = given[:end], given[end:]
    traceback = "--traceback" in ours
    given = [*(each for each in ours if each != "--traceback"), *after]
    _fill_descriptors()
    try:
        with checked_output():
            status = _app(next(iter(given), ""))(
                given,
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
            )
    except CycloptsError as error:
        return _refuse(error, given)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Unwritable as error:
        return _stop_printing(error)
    except BaseExceptionGroup as group:
        interrupted, rest = group.split(KeyboardInterrupt)
        if rest is None and interrupted is not None:
            return _INTERRUPTED
        from ..core.child import unwrap  # noqa: PLC0415 - not for --help

        leaf = unwrap(group)  # what was printed within a nursery
        if isinstance(leaf, Unwritable):
            return _stop_printing(leaf)
        if traceback:
            raise
        return _report(rest or group)
    except Exception as error:
        if traceback:
            raise
        return _report(error)
    return int(status or 0)


def _stop_printing(error: Unwritable) -> int:
    if isinstance(error, Unread):
        return _UNREAD
    remark(str(error))
    return _FAILED


def _app(chosen: str = "") -> App:
    """Return the command, with the whole help of the one that was chosen."""
    app = App(
        name="airssys",
        help=_HELP,
        help_format="markdown",
        version=lambda: metadata.version("airssys"),
        version_format="plaintext",
    )
    for name, (place, text) in _COMMANDS.items():
        # Only what is imported can tell its own; a list of commands imports none.
        words = None if name == chosen else text
        app.command(f"{__name__}{place}", name=name, help=words)
    manifest = App(name="manifest", help="Print the schema of a kind of file.")
    manifest.command(
        f"{__name__}.manifest:schema",
        name="schema",
        help="Print the JSON Schema of Component.toml, tree files or host files.",
    )
    app.command(manifest)
    audit = App(name="audit", help="Check and read audit logs.")
    audit.command(
        f"{__name__}.audit:check",
        name="verify",
        help="Check that an audit log is whole.",
    )
    audit.command(
        f"{__name__}.audit:show", name="show", help="Show what an audit log holds."
    )
    app.command(audit)
    cache = App(name="cache", help="Show and clear the cache of compiled components.")
    for name, text in (
        ("show", "Say where compiled components are kept, and how many."),
        ("clear", "Remove all compiled components."),
    ):
        cache.command(f"{__name__}.cache:{name}", name=name, help=text)
    app.command(cache)
    return app


def _refuse(error: CycloptsError, given: Sequence[str]) -> int:
    from .failure import Status  # noqa: PLC0415 - not for --help

    command = next((each for each in given if each in {*_COMMANDS, *_GROUPS}), "")
    usage = " ".join(("airssys", *filter(None, (command,)), "--help"))
    hint = f"see: {usage}"
    if command in _TAKE_ARGUMENTS and isinstance(error, UnknownOptionError):
        hint = f"what is for the component comes after --; {hint}"
    remark(f"{str(error).rstrip()}\n  ({hint})")
    return Status.BAD_INPUT


def _report(error: BaseException) -> int:
    from .failure import explain  # noqa: PLC0415 - not for --help

    text, status = explain(error)
    if text:
        remark(text)
    return status


def _fill_descriptors() -> None:
    """Open what was closed of standard input, output and error.

    The next file that is opened would become one of them: an audit log, say, which
    whatever a child process prints would then go to. Python has None for a stream that
    was closed before it started: what is written to it goes nowhere.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            stream = os.fdopen(
                descriptor, "w" if descriptor else "r", closefd=False, encoding="utf-8"
            )
            setattr(sys, name, stream)
