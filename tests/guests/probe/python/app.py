"""The guest of the world airssys-test:probe/probe, in Python: all but its resource."""

# What it imports exists inside componentize-py only.
# mypy: ignore-errors

from __future__ import annotations

from typing import Any

import api
import work
from wit_world import exports
from wit_world.imports import host
from wit_world.imports import turns as host_turns

switches = {"relay": False}
held: list[host.Store] = []


class Turns:
    """Each function is that of `work`, or the host's, where it is to be relayed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(host_turns if switches["relay"] else work, name)


class Api(exports.Api):
    def relay(self, on: bool) -> None:  # noqa: FBT001 - as WIT says
        switches["relay"] = on

    def size(self, session: api.Session) -> int:
        return len(session.contents())

    def finish(self, session: api.Session) -> bytes:
        return session.contents()

    def open_all(self, names: list[str]) -> list[api.Session]:
        return [*map(api.Session, names)]

    def ended(self) -> list[str]:
        return api.ended

    def use_store(self, name: str, values: list[bytes]) -> list[bytes | None]:
        with host.Store(name) as store:
            return [store.put("k", value) for value in values]

    def work_store(self, name: str, data: bytes) -> tuple[bytes, int]:
        with host.Store(name) as store:
            return store.reverse(data), host.size(store)

    def try_store(self, name: str) -> str:
        with host.Store.open(name) as store:
            return store.name()

    def hold_store(self, name: str) -> None:
        held.append(host.Store(name))

    def adopt_store(self, store: host.Store) -> None:
        held.append(store)

    def lend_store(self, store: host.Store, key: str, value: bytes) -> str:
        store.put(key, value)
        return store.name()

    def held_stores(self) -> list[str]:
        return [store.name() for store in held]

    def drop_stores(self) -> int:
        count = len(held)
        while held:
            with held.pop(0):
                pass
        return count

    def make_store(self, name: str, keys: list[str]) -> host.Store:
        return filled(name, keys)

    def give_store(self, name: str, keys: list[str]) -> list[str]:
        return host.absorb(filled(name, keys))

    def find_stores(self, names: list[str]) -> list[str | None]:
        return [name_of(store) for store in host.find_all(names)]

    def trap(self) -> None:
        raise RuntimeError("told to trap")

    def spin(self) -> None:
        while True:
            pass


def filled(name: str, keys: list[str]) -> host.Store:
    store = host.Store(name)
    for key in keys:
        store.put(key, name.encode())
    return store


def name_of(store: host.Store | None) -> str | None:
    if store is None:
        return None
    with store:
        return store.name()
