from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import (
    FilesystemGrants,
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    StorageGrants,
)
from airssys.host.capabilities import CAPABILITIES, capabilities_interface
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.witmodel.signatures import SIGNATURES
from airssys.witmodel.types import Record, Variant

from ..operations import operation
from ..relay import Relay, relay

pytestmark = pytest.mark.guest

GRANTS = Grants(
    filesystem=FilesystemGrants(read=["/srv/*"]),
    network=NetworkGrants(outbound=["*.example.org:443"], inbound=[8080]),
    storage=StorageGrants(write=["component:self/**"]),
    messaging=MessagingGrants(send=["acme/*"], subscribe=["orders.#"]),
    process=ProcessGrants(spawn=["/usr/bin/git"], signal=["own"]),
    custom={"acme:kv/store": ["a", "b"]},
)


@asynccontextmanager
async def reader(grants: Grants | Standing) -> AsyncIterator[Relay]:
    recorder = Recorder()
    gate = Gate(recorder)
    offered = [capabilities_interface(gate)]
    async with relay(offered, grants=grants, guard=gate, recorder=recorder) as guest:
        yield guest


def shown(granted: list[Record]) -> list[tuple[str, str, str]]:
    return [(one.section, one.action, one.pattern) for one in granted]


@operation(f"{CAPABILITIES}#granted", allowed=True)
async def test_a_guest_reads_its_own_grants() -> None:
    async with reader(GRANTS) as guest:
        granted = await guest("capabilities#granted")

    assert shown(granted) == [
        ("filesystem", "read", "/srv/*"),
        ("network", "outbound", "*.example.org:443"),
        ("network", "inbound", "8080"),
        ("storage", "write", "component:self/**"),
        ("messaging", "send", "acme/*"),
        ("messaging", "subscribe", "orders.#"),
        ("process", "spawn", "/usr/bin/git"),
        ("process", "signal", "own"),
        ("custom", "acme:kv/store", "a"),
        ("custom", "acme:kv/store", "b"),
    ]
    assert {one.expires for one in granted} == {None}


async def test_without_grants_there_is_nothing_to_read() -> None:
    async with reader(Grants()) as guest:
        assert await guest("capabilities#granted") == []


async def test_grants_say_when_they_end_and_are_gone_then() -> None:
    end = time.time() + 1000
    grants = Grants(
        filesystem=FilesystemGrants(read=["/a"]),
        storage=StorageGrants(read=["**"]),
        expires={"filesystem": end, "storage": 1},
    )
    async with reader(grants) as guest:
        (only,) = await guest("capabilities#granted")

    assert only.section == "filesystem"
    assert only.expires.seconds == int(end)
    assert 0 <= only.expires.nanoseconds < 1_000_000_000


async def test_what_the_host_forbids_is_not_listed() -> None:
    forbidden = Grants(
        filesystem=FilesystemGrants(read=["/srv/**"]),
        storage=StorageGrants(write=["component:self/a"]),
        custom={"acme:kv/store": []},
    )
    async with reader(GRANTS.forbidding(forbidden)) as guest:
        sections = {one[0] for one in shown(await guest("capabilities#granted"))}

    assert sections == {"network", "storage", "messaging", "process"}


async def test_revoked_grants_are_gone_at_once() -> None:
    standing = Standing(GRANTS)
    async with reader(standing) as guest:
        standing.grants = GRANTS.without("network").without("custom")
        sections = {one[0] for one in shown(await guest("capabilities#granted"))}

    assert sections == {"filesystem", "storage", "messaging", "process"}


@operation(f"{CAPABILITIES}#check", allowed=True)
@pytest.mark.parametrize(
    ("section", "action", "target"),
    [
        ("filesystem", "read", "/srv/a"),
        ("network", "outbound", "api.example.org:443"),
        ("network", "inbound", "8080"),
        ("storage", "write", "component:self/a/b"),
        ("messaging", "send", "acme/b"),
        ("messaging", "subscribe", "orders.*"),
        ("process", "spawn", "/usr/bin/git"),
        ("process", "signal", "own"),
        ("custom", "acme:kv/store", "a"),
    ],
)
async def test_what_is_granted_checks_out(
    section: str, action: str, target: str
) -> None:
    async with reader(GRANTS) as guest:
        assert await guest("capabilities#check", section, action, target) is None
    async with reader(Grants()) as guest:
        refused = await error(guest, section, action, target)

    assert refused.case == "access-denied"


async def error(guest: Relay, *args: str) -> Variant:
    with pytest.raises(WitError) as caught:
        await guest("capabilities#check", *args)
    assert guest.denied == []
    value = caught.value.value
    assert isinstance(value, Variant)
    return value


@pytest.mark.parametrize(
    ("section", "action", "target", "case"),
    [
        ("filesystem", "read", "/etc/passwd", "access-denied"),
        ("filesystem", "write", "/srv/a", "access-denied"),
        ("filesystem", "read", "/srv/../etc/passwd", "invalid-argument"),
        ("filesystem", "read", "srv/a", "invalid-argument"),
        ("filesystem", "read", "//srv/a", "invalid-argument"),
        ("filesystem", "eat", "/srv/a", "invalid-argument"),
        ("process", "spawn", "git", "invalid-argument"),
        ("storage", "write", "component:other/a", "invalid-argument"),
        ("storage", "write", "component:self/a/../b", "invalid-argument"),
        ("messaging", "send", "other/b", "access-denied"),
        ("messaging", "subscribe", "#", "access-denied"),
        ("custom", "acme:kv/store", "c", "access-denied"),
        ("custom", "acme:kv/other", "a", "access-denied"),
    ],
)
async def test_what_is_not_granted_does_not(
    section: str, action: str, target: str, case: str
) -> None:
    async with reader(GRANTS) as guest:
        assert (await error(guest, section, action, target)).case == case


@pytest.mark.parametrize("section", ["filesystem", "network", "storage", "custom"])
async def test_a_question_of_any_length_is_answered_in_few_words(section: str) -> None:
    async with reader(GRANTS) as guest:
        long = await error(guest, section, "read", "/a" * 5000)
        action = await error(guest, section, "read" * 5000, "/a")

    assert {long.case, action.case} == {"invalid-argument"}
    assert len(str(long.value)) + len(str(action.value)) < 500


def test_all_functions_are_offered_with_their_types() -> None:
    functions = capabilities_interface(Gate()).functions

    types = {name: one.wit for name, one in functions.items()}
    assert types == SIGNATURES[CAPABILITIES]
