"""What every `Storage` must do."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Final

import anyio
import pytest

import airssys
from airssys import storage
from airssys.core.errors import StorageError
from airssys.storage import MemoryStorage
from airssys.storage.keys import cost
from airssys.storage.protocol import Storage, Stored

ENGINES: Final[dict[str, Callable[[], Storage]]] = {"MemoryStorage": MemoryStorage}
"""By the names of their classes: how to make an empty one."""


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest) -> Storage:
    return ENGINES[request.param]()


def test_every_engine_is_tried_here_and_is_public() -> None:
    modules = [name for _, name, _ in pkgutil.iter_modules(storage.__path__)]
    there = {
        name
        for module in modules
        for name in importlib.import_module(f"{storage.__name__}.{module}").__all__
        if name.endswith("Storage")
    }
    untried = sorted(there - {"Storage"} - set(ENGINES))
    private = sorted(there - set(dir(airssys)))

    assert not untried, f"ENGINES in this file lacks {untried}"
    assert not private, f"airssys/__init__.pyi lacks {private}"


async def test_values_are_kept_apart_by_namespace(store: Storage) -> None:
    await store.set("one", "a", b"1")
    await store.set("two", "a", b"2")

    assert await store.get("one", "a") == b"1"
    assert await store.exists("two", "a")
    assert await store.get("three", "a") is None
    assert not await store.exists("one", "b")


async def test_a_deleted_value_is_gone(store: Storage) -> None:
    await store.set("one", "a", b"1")

    assert await store.delete("one", "a") is True
    assert await store.delete("one", "a") is False
    assert await store.delete("two", "a") is False
    assert await store.get("one", "a") is None
    assert await store.usage("one") == Stored(0, 0)


async def test_keys_come_in_order_and_page_by_page(store: Storage) -> None:
    for key in ("b/2", "a", "b/10", "b/1", "c", "b"):
        await store.set("one", key, b"")

    assert await store.keys("one") == ["a", "b", "b/1", "b/10", "b/2", "c"]
    assert await store.keys("one", "b/", most=2) == ["b/1", "b/10"]
    assert await store.keys("one", "b/", after="b/10", most=2) == ["b/2"]
    assert await store.keys("one", "b/", after="b/2") == []
    assert await store.keys("one", "d") == await store.keys("two") == []


async def test_what_is_stored_is_counted(store: Storage) -> None:
    await store.set("one", "é", b"123")
    await store.set("one", "b", b"")
    await store.set("one", "b", b"12345")

    assert await store.usage("one") == Stored(cost("é", 3) + cost("b", 5), 2)


async def test_compare_and_set_writes_only_over_what_is_expected(
    store: Storage,
) -> None:
    assert not await store.compare_and_set("one", "a", b"", b"1")
    assert await store.compare_and_set("one", "a", None, b"1")
    assert not await store.compare_and_set("one", "a", None, b"2")
    assert await store.compare_and_set("one", "a", b"1", b"2")
    assert await store.get("one", "a") == b"2"


async def test_one_of_many_wins_a_compare_and_set(store: Storage) -> None:
    won = []

    async def swap(number: int) -> None:
        if await store.compare_and_set("one", "a", None, b"%d" % number):
            won.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(swap, number)

    assert len(won) == 1


async def test_memory_holds_no_more_than_it_is_given() -> None:
    store = MemoryStorage(most=cost("a", 5) + cost("b", 0))
    await store.set("one", "a", b"12345")
    await store.set("two", "b", b"")
    with pytest.raises(StorageError, match="holds no more than"):
        await store.set("two", "b", b"1")
    with pytest.raises(StorageError):
        await store.compare_and_set("three", "c", None, b"")
    await store.set("one", "a", b"1234")
    await store.set("two", "b", b"1")

    assert store.size == store.most
    assert await store.usage("three") == Stored(0, 0)
