from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import pytest

from airssys.core.errors import WitError
from airssys.core.grants.capabilities import Storage
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import StorageGrants
from airssys.host.offered import OPERATIONS, needed_for
from airssys.host.storage import StorageOperations
from airssys.hostcalls.call import Call
from airssys.hostcalls.declare import needs_of
from airssys.hostcalls.interface import HostInterface
from airssys.wasi.offered import WASI_OPERATIONS, names_of
from airssys.witmodel.signatures import SIGNATURES

from .offers import offered
from .operations import (
    PROMISED,
    TABLE,
    Operation,
    operation,
    operations,
    table,
)
from .relay import relay

STORAGE = "airssys:core/storage@1.0.0"
PACKAGES = sorted({interface.partition("/")[0] for interface in SIGNATURES})
GET, EXISTS = f"{STORAGE}#get", f"{STORAGE}#exists"


@pytest.fixture(scope="module")
def found() -> list[Operation]:
    return list(operations(anyio.run(offered)))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_operation_is_tested_allowed_and_refused(
    found: list[Operation], package: str
) -> None:
    of_package = [each for each in found if each.package == package]

    assert of_package
    assert [each.lacks for each in of_package if each.lacks] == []


def test_no_promised_operation_is_lost(found: list[Operation]) -> None:
    there = {(each.interface, each.promised) for each in found}
    promised = {(i, name) for i, names in PROMISED.items() for name in names}

    assert promised - there == set()
    counts = [len(names) for names in PROMISED.values()]
    assert counts == [8, 9, 7, 6, 1, 17, 13, 16, 16, 20, 21]


def test_the_table_in_the_docs_is_what_the_code_says(found: list[Operation]) -> None:
    assert TABLE.read_text() == table(found)


def test_the_guide_names_all_of_wasi_that_is_offered() -> None:
    guide = (TABLE.parent / "how-to" / "wasi.md").read_text()
    for offer in anyio.run(offered):
        package, _, rest = offer.name.partition("/")
        interface, _, version = rest.partition("@")
        if not package.startswith("wasi:"):
            continue
        assert package in guide
        assert not version or f"@{version}`" in guide
        named = f"`{interface}`" in guide or interface.startswith("terminal-")
        assert named, f"docs/how-to/wasi.md does not name {offer.name}"


def test_what_is_declared_is_what_is_offered() -> None:
    declared: dict[str, dict[str, str]] = {}
    classes: tuple[Any, ...] = (*OPERATIONS, *WASI_OPERATIONS)
    for each in classes:
        needs = {name: str(need) for name, need in needs_of(each).items()}
        for interface in names_of(each):
            declared[interface] = declared.get(interface, {}) | needs

    assert declared == {
        each.name: {name: one.needed for name, one in each.functions.items()}
        for each in anyio.run(offered)
        if each.functions
    }
    assert needed_for("airssys:core/storage") == needs_of(StorageOperations)
    assert needed_for("acme:kv/store@1.0.0") is None


# --- the decorator ----------------------------------------------------------------


def store() -> HostInterface:
    interface = HostInterface(STORAGE)
    for name in ("get", "exists"):

        @interface.function(
            name=name,
            wit="func(key: string) -> result<bool, string>",
            needs=lambda key: Storage("read", f"component:self/{key}"),
            denied=lambda words: words,
        )
        def look(call: Call, key: str) -> bool:
            return True

    return interface


def guest_test(*called: str, granted: bool) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a test in which a guest calls functions."""
    keys = ["component:self/**"] if granted else []

    async def test() -> None:
        async with relay(
            [store()], grants=Grants(storage=StorageGrants(read=keys))
        ) as guest:
            for name in called:
                with suppress(WitError):
                    await guest(f"storage#{name}", "a")

    return test


@pytest.fixture
def unlisted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is decorated here out of the table."""
    monkeypatch.setattr("tests.operations._tests", {})


@pytest.mark.usefixtures("unlisted")
@pytest.mark.parametrize("granted", [True, False])
async def test_a_test_passes_that_does_what_it_says(
    granted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    test = guest_test("get", "exists", granted=granted)

    await operation(GET, EXISTS, allowed=granted)(test)()


@pytest.mark.usefixtures("unlisted")
@pytest.mark.parametrize("granted", [True, False])
async def test_a_test_fails_that_leaves_out_what_it_says(
    granted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    test = operation(GET, EXISTS, allowed=granted)(guest_test("get", granted=granted))

    with pytest.raises(AssertionError, match="no guest was .*#exists"):
        await test()


@pytest.mark.usefixtures("unlisted")
@pytest.mark.parametrize("granted", [True, False])
async def test_a_test_fails_that_shows_the_contrary(
    granted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    test = operation(GET, allowed=not granted)(guest_test("get", granted=granted))

    with pytest.raises(AssertionError, match="no guest was .*#get"):
        await test()


@pytest.mark.usefixtures("unlisted")
async def test_a_test_with_a_parameter_shows_that_operation() -> None:
    @operation(GET, EXISTS, allowed=True)
    async def test(operation: str) -> None:
        await guest_test("get", granted=True)()

    await test(operation=GET)
    for other, problem in ((EXISTS, "no guest was allowed"), ("x", "not among")):
        with pytest.raises(AssertionError, match=problem):
            await test(operation=other)


def test_an_operation_that_is_not_there_is_refused() -> None:
    with pytest.raises(AssertionError, match="there is no"):
        operation(f"{STORAGE}#fetch", allowed=True)
