from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import trio.testing

from airssys.testing import Recorder

_SKIPPED: Final = "airssys/skipped"
"""Where pytest's cache keeps the ids of the tests that the last run skipped."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--skipped",
        action="store_true",
        help="run only the tests that the last run skipped, say for want of a tool",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what was not skipped, where that is asked for."""
    if not config.getoption("--skipped"):
        return
    skipped = set(config.cache.get(_SKIPPED, ()))
    config.hook.pytest_deselected(
        items=[item for item in items if item.nodeid not in skipped]
    )
    items[:] = [item for item in items if item.nodeid in skipped]


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: Any, config: pytest.Config
) -> Iterator[None]:
    """Keep which tests were skipped. The process that reports knows of all of them."""
    kept = config.pluginmanager.hasplugin("cacheprovider")
    if kept and not config.getoption("--skipped"):
        reports = terminalreporter.stats.get("skipped", ())
        config.cache.set(_SKIPPED, sorted({each.nodeid for each in reports}))
    yield


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run every async test on both backends; trio is the reference."""
    return request.param


@pytest.fixture
def virtual_clock() -> Any:
    """Give ``anyio_backend`` options for a clock that jumps when all tasks wait.

    Use it in a module whose tests wait but use no threads:
    ``@pytest.fixture
    def anyio_backend(virtual_clock): return virtual_clock``
    """
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


@pytest.fixture
def recorder() -> Recorder:
    """Keep every event, for those who pass it on as an instrument."""
    return Recorder()
