"""Keep the table of what guests can do, what it takes, and the tests of both.

A test of an operation says so with `operation`, which also sees to it that the test
has a real guest do it. ``python -m tests.regenerate`` rewrites ``docs/operations.md``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import wraps
from inspect import iscoroutinefunction, unwrap
from pathlib import Path
from typing import Any, Final, ParamSpec

import anyio
from attrs import frozen

from airssys.hostcalls.interface import HostFunction, HostInterface
from airssys.witmodel.signatures import SIGNATURES

from .relay import watching

__all__ = (
    "PROMISED",
    "TABLE",
    "Operation",
    "operation",
    "operations",
    "table",
    "write",
)

_P = ParamSpec("_P")

_PROJECT: Final = Path(__file__).parent.parent
TABLE: Final = _PROJECT / "docs" / "operations.md"
_EXPORTED: Final = "airssys:core/component-lifecycle@1.0.0"
"""What guests offer to the host, not the other way round."""

PROMISED: Final[Mapping[str, tuple[str, ...]]] = {
    interface: tuple(words.split())
    for interface, words in {
        "airssys:core/host-services@1.0.0": (
            "log current-time current-time-millis sleep-millis random-bytes get-config "
            "list-components get-component-metadata"
        ),
        "airssys:core/messaging@1.0.0": (
            "self-id send request send-request cancel-request broadcast publish "
            "subscribe unsubscribe"
        ),
        "airssys:core/storage@1.0.0": (
            "get set delete exists list-keys usage compare-and-set"
        ),
        "airssys:core/permissions@1.0.0": (
            "check-file-read check-file-write check-file-delete check-directory-list "
            "check-network-outbound check-storage-access"
        ),
        "airssys:core/capabilities@1.0.0": "granted",
        "airssys:ext-filesystem/filesystem@1.0.0": (
            "open close read write seek tell delete-file create-directory "
            "remove-directory remove-directory-recursive rename copy exists "
            "get-metadata set-permissions create-symlink read-symlink"
        ),
        "airssys:ext-filesystem/metadata@1.0.0": (
            "list-directory list-recursive find-files find-by-type directory-size "
            "same-file canonical-path batch-metadata all-exist any-exist set-times "
            "get-working-directory set-working-directory"
        ),
        "airssys:ext-network/socket@1.0.0": (
            "create-socket close-socket bind listen accept get-socket-options "
            "set-socket-options send send-to receive receive-from send-all "
            "receive-all get-local-address get-remote-address shutdown"
        ),
        "airssys:ext-network/connection@1.0.0": (
            "connect connect-with-retry resolve-hostname resolve-hostname-single "
            "reverse-lookup get-connection-info is-connected create-pool pool-acquire "
            "pool-release close-pool upgrade-to-tls get-tls-info set-idle-timeout "
            "enable-keep-alive get-connection-stats"
        ),
        "airssys:ext-process/lifecycle@1.0.0": (
            "spawn spawn-in-directory spawn-with-environment spawn-with-limits wait "
            "wait-with-timeout wait-any-child wait-any-child-with-timeout is-running "
            "get-status get-children get-parent-id get-current-id get-uptime terminate "
            "kill set-resource-limits get-resource-limits get-resource-usage join"
        ),
        "airssys:ext-process/signals@1.0.0": (
            "send-signal send-term send-kill send-int send-stop send-cont send-hup "
            "send-raw-signal on-terminate on-status-change unregister-handler "
            "send-signal-group get-process-group set-process-group graceful-shutdown "
            "graceful-shutdown-group emergency-kill emergency-kill-group signal-name "
            "signal-number list-signals"
        ),
    }.items()
}
"""The operations that the design promises, by the interface that has them."""

_tests: Final[dict[tuple[str, bool], set[str]]] = {}
"""The tests of each operation, once allowed and once refused."""

_Test = Callable[_P, Coroutine[Any, Any, None]]


def operation(*names: str, allowed: bool) -> Callable[[_Test[_P]], _Test[_P]]:
    """Say which operations a test has a guest do, as a decorator of the test.

    The test fails unless a guest, made by `tests.relay.relay`, calls each of them and
    once at least is allowed to, or refused with a `Denied` event. A test with a
    parameter called ``operation``, which is one of the names, calls that one.

    Args:
        names: Such as ``airssys:ext-filesystem/filesystem@1.0.0#open``.
        allowed: Whether the test shows that they are allowed, or refused.
    """
    for name in names:
        interface, _, function = name.partition("#")
        assert function in SIGNATURES.get(interface, {}), f"there is no {name}"

    def decorate(test: _Test[_P]) -> _Test[_P]:
        assert iscoroutinefunction(test), f"{test.__name__} is no async def"
        code = unwrap(test).__code__
        file = Path(code.co_filename).relative_to(_PROJECT)
        for name in names:
            _tests.setdefault((name, allowed), set()).add(f"{file}::{test.__name__}")

        @wraps(test)
        async def watched(*args: _P.args, **kwargs: _P.kwargs) -> None:
            with watching() as seen:
                await test(*args, **kwargs)
            given = kwargs.get("operation")
            expected = set(names) if given is None else {str(given)}
            assert expected <= set(names), f"{given} is not among the operations"
            missing = expected - {name for name, outcome in seen if outcome is allowed}
            how = "allowed" if allowed else "refused"
            assert not missing, f"no guest was {how}: {', '.join(sorted(missing))}"

        return watched

    return decorate


def _read_tests() -> None:
    """Import all tests of what is offered, whose decorators fill the table."""
    for folder in ("host", "wasi"):
        for file in sorted((_PROJECT / "tests" / folder).rglob("test_*.py")):
            parts = file.relative_to(_PROJECT).with_suffix("").parts
            importlib.import_module(".".join(parts))


def _tests_of(name: str, *, allowed: bool) -> tuple[str, ...]:
    return tuple(sorted(_tests.get((name, allowed)) or ()))


# --- the table --------------------------------------------------------------------


@frozen
class Operation:
    """One function that guests may import."""

    interface: str
    function: HostFunction
    promised: str
    """What it is called in the design; empty for one that came on top."""
    allowed: tuple[str, ...]
    """The tests in which a guest may."""
    refused: tuple[str, ...]
    """The tests in which it may not."""

    @property
    def name(self) -> str:
        """Its name with the interface's."""
        return f"{self.interface}#{self.function.name}"

    @property
    def package(self) -> str:
        """The package of its interface, such as ``wasi:io``."""
        return self.interface.partition("/")[0]

    @property
    def free(self) -> bool:
        """Whether it needs no capability."""
        return self.function.needed.startswith("nothing: ")

    @property
    def lacks(self) -> str:
        """What is missing of it, in words."""
        if not self.function.needed:
            return f"{self.name} does not say what it needs"
        if not self.allowed:
            return f"{self.name} has no test in which it is allowed"
        if not self.free and not self.refused:
            return f"{self.name} has no test in which it is refused"
        return ""


def operations(interfaces: list[HostInterface]) -> Iterator[Operation]:
    """Go through all functions of interfaces, in the order of their types."""
    _read_tests()
    offers = {interface.name: interface for interface in interfaces}
    for interface, functions in SIGNATURES.items():
        if interface == _EXPORTED:
            continue
        if interface not in offers:
            continue
        for function in functions:
            bare = function.rpartition(".")[2]
            name = f"{interface}#{function}"
            yield Operation(
                interface,
                offers[interface].functions[function],
                bare if bare in PROMISED.get(interface, ()) else "",
                _tests_of(name, allowed=True),
                _tests_of(name, allowed=False),
            )


_HEAD: Final = """# What guests may do

Every function that a guest may import, what it must have been granted for it in the
manifest's `capabilities`, and a test of each in which a real guest may and in which it
may not. Written from the code by `python -m tests.regenerate`; a test fails where a
function has no such tests, or where this page is not what the code says.

The first column has the names of the design; where it is empty the function came on
top, or is WASI's. What the packages are for is in their WIT text, in `wit/`.
"""


def table(found: list[Operation]) -> str:
    """Return the page with the table."""
    lines = [_HEAD.strip()]
    interface = ""
    for each in found:
        if each.interface != interface:
            interface = each.interface
            lines += (
                f"\n## `{interface}`\n",
                "| operation | function | needs | allowed in | refused in |",
                "|---|---|---|---|---|",
            )
        cells = (
            each.promised,
            f"`{each.function.name}`",
            each.function.needed.replace("|", "\\|"),
            _shown(each.allowed),
            _shown(each.refused) or ("" if not each.free else "needs nothing"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _shown(tests: tuple[str, ...]) -> str:
    if not tests:
        return ""
    file, _, name = tests[0].partition("::")
    more = f", {len(tests) - 1} more" if len(tests) > 1 else ""
    return f"[{name}](../{file}){more}"


def write() -> None:
    """Write the table, and print what an operation lacks."""
    from .offers import offered  # noqa: PLC0415 - a test of one does not need all

    found = list(operations(anyio.run(offered)))
    TABLE.write_text(table(found))
    for each in found:
        if each.lacks:
            print(each.lacks)
