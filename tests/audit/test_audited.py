"""What real guests are refused, and what the audit log of their system says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import airssys
from airssys.audit import Record, verify_audit
from airssys.audit.seal import Seal
from airssys.audit.verify import lines_of
from airssys.core.errors import ActorStopped, AuditError
from airssys.core.manifests.host import Audit, HostConfig

from ..components import with_extension, write_component

pytestmark = pytest.mark.guest

KEY = b"sixteen bytes or more"
MESSAGING = "airssys:core/messaging@1.0.0"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> airssys.Engine:
    return airssys.Engine(cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def config(path: Path, **changes: Any) -> HostConfig:
    return HostConfig(audit=Audit(file=str(path), **changes))


def records(path: Path, result: str) -> list[Record]:
    """Return the records of one result, having checked that the log is whole."""
    assert verify_audit(path).problem is None
    found = [Record.parse(line.content[:-1], Seal()) for line in lines_of(path)]
    return [record for record in found if record.result == result]


async def silent(actor: airssys.Actor) -> None:
    """Take messages and answer nobody."""
    async for _ in actor.inbox:
        pass


async def echo(actor: airssys.Actor) -> None:
    async for message in actor.inbox:
        await message.reply(message.payload)


ORDERS = (
    ("send friend x", "send", "send to 'friend'"),
    ("ask friend x", "request", "request from 'friend'"),
    ("later friend x", "send-request", "request from 'friend'"),
    ("broadcast friend x", "broadcast", "send to 'friend'"),
    ("publish some.topic x", "publish", "publish to 'some.topic'"),
    ("subscribe some.*", "subscribe", "subscribe to 'some.*'"),
)


async def test_each_denial_is_one_record(
    engine: airssys.Engine, tmp_path: Path, path: Path
) -> None:
    async with airssys.open_system(config(path), engine=engine) as system:
        await system.spawn(echo, id="friend")
        guest = await system.spawn(write_component(tmp_path, capabilities=""))
        for order, _, _ in ORDERS:
            assert (await guest.ask(order)).startswith(b"error denied: ")

    denied = records(path, "denied")
    assert [(record.operation, record.needed) for record in denied] == [
        (f"{MESSAGING}#{function}", needed) for _, function, needed in ORDERS
    ]
    assert {record.component for record in denied} == {"acme/a"}
    assert all("no grant covers it" in record.reason for record in denied)
    correlations = {record.correlation for record in denied}
    assert len(correlations) == len(ORDERS)
    assert "" not in correlations


async def test_each_grant_is_one_record_where_the_host_says_so(
    engine: airssys.Engine, tmp_path: Path, path: Path
) -> None:
    settings = config(path, grants=True)
    async with airssys.open_system(settings, engine=engine) as system:
        await system.spawn(echo, id="friend")
        guest = await system.spawn(write_component(tmp_path))
        for order, _, _ in ORDERS:
            assert not (await guest.ask(order)).startswith(b"error"), order

    granted = [(each.operation, each.needed) for each in records(path, "granted")]
    for _, function, needed in ORDERS:
        assert granted.count((f"{MESSAGING}#{function}", needed)) == 1
    assert records(path, "denied") == []


async def test_a_refusal_by_the_receiver_is_one_record(
    engine: airssys.Engine, tmp_path: Path, path: Path
) -> None:
    some = 'messaging = { receive = ["acme/friend"] }'
    async with airssys.open_system(config(path), engine=engine) as system:
        chooser = write_component(tmp_path, "acme/chooser", capabilities=some)
        await system.spawn(chooser)
        stranger = await system.spawn(write_component(tmp_path, "acme/stranger"))
        answer = await stranger.ask("send acme/chooser note hello")

    assert answer.startswith(b"error denied: 'acme/chooser' may not receive")
    (denied,) = records(path, "denied")
    assert denied.component == "acme/chooser"
    assert denied.needed == "receive from 'acme/stranger'"


async def test_a_quota_gives_alerts_and_then_a_denial(
    engine: airssys.Engine, tmp_path: Path, path: Path
) -> None:
    folder = write_component(tmp_path, resources='messages = "20/s"')
    async with airssys.open_system(config(path), engine=engine) as system:
        guest = await system.spawn(folder)
        await system.spawn(silent, id="b")
        answers = [(await guest.ask("send b 1")).decode() for _ in range(25)]

    refused = [answer for answer in answers if answer != "ok"]
    denied = records(path, "denied")
    assert refused
    assert len(denied) == len(refused)
    assert {record.operation for record in denied} == {f"{MESSAGING}#send"}
    assert "quota of messages" in denied[0].reason
    alerts = [(each.component, each.needed) for each in records(path, "alert")]
    assert alerts[:2] == [("acme/a", "quota messages")] * 2


async def test_what_is_revoked_is_a_record_before_the_denial(
    engine: airssys.Engine, tmp_path: Path, path: Path
) -> None:
    async with airssys.open_system(config(path), engine=engine) as system:
        guest = await system.spawn(write_component(tmp_path))
        await system.spawn(silent, id="b")
        assert await guest.ask("send b 1") == b"ok"
        system.revoke("acme/a")
        assert (await guest.ask("send b 1")).startswith(b"error denied: ")

    revoked = records(path, "revoked")
    (denied,) = records(path, "denied")
    assert "send to '**'" in [record.needed for record in revoked]
    assert max(record.seq for record in revoked) < denied.seq


async def test_a_denial_that_ends_the_guest_is_one_record(
    engine: airssys.Engine, tmp_path: Path, path: Path
) -> None:
    kv = airssys.HostInterface("acme:kv/store@1.0.0")

    @kv.function(needs=lambda key: airssys.Custom("acme:kv/store", str(key)))
    async def touch(call: airssys.Call, key: int) -> None:
        raise AssertionError(call, key)

    custom = (
        'messaging = { receive = ["**"] }\n'
        'custom = [{ name = "acme:kv/store", allow = ["8"] }]'
    )
    folder = write_component(tmp_path, code=with_extension(), capabilities=custom)
    async with airssys.open_system(
        config(path), engine=engine, interfaces=[kv]
    ) as system:
        guest = await system.spawn(folder, restart=airssys.Restart.TEMPORARY)
        with pytest.raises(ActorStopped):
            await guest.ask("inc")

    (denied,) = records(path, "denied")
    assert denied.operation == "acme:kv/store@1.0.0#touch"
    assert denied.needed == "use 'acme:kv/store' on '7'"


async def test_the_host_file_can_name_a_key(
    engine: airssys.Engine, tmp_path: Path, path: Path
) -> None:
    (tmp_path / "key").write_bytes(KEY + b"\n")
    (tmp_path / "short").write_bytes(b"short\n")

    async with airssys.open_system(
        config(path, key=str(tmp_path / "key"), strict=True), engine=engine
    ):
        pass
    with pytest.raises(AuditError, match="a key of 5 bytes is too short"):
        async with airssys.open_system(config(path, key=str(tmp_path / "short"))):
            raise AssertionError

    assert verify_audit(path, key=KEY).problem is None
    assert "was written with a key" in str(verify_audit(path).problem)


async def test_two_systems_cannot_share_a_log(
    engine: airssys.Engine, path: Path
) -> None:
    async with airssys.open_system(config(path), engine=engine):
        with pytest.raises(AuditError, match="it is open already"):
            async with airssys.open_system(config(path), engine=engine):
                raise AssertionError
