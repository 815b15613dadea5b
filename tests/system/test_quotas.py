from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

import airssys
from airssys.config import load_config
from airssys.core.errors import (
    ActorStopped,
    ManifestError,
    NoSuchActor,
)
from airssys.core.event import (
    Denied,
    QuotaNeared,
    Revoked,
)
from airssys.core.grants.sections import FilesystemGrants, MessagingGrants
from airssys.core.limits import SharedQuota
from airssys.core.manifests.tree import parse_tree
from airssys.system.opening import open_root
from airssys.testing import Recorder

from ..components import with_extension, write_component
from .support import (
    Open,
    obeys,
    silent,
)

pytestmark = pytest.mark.guest


async def test_a_guest_over_its_quota_of_messages_is_told_and_may_send_again_later(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, resources='messages = "5/s"')
    async with open_() as system:
        guest = await system.spawn(folder)
        await system.spawn(silent, id="b")

        replies = [(await guest.ask("send b 1")).decode() for _ in range(6)]

        assert replies[:5] == ["ok"] * 5
        assert replies[5].startswith(
            "error denied: actor 'acme/a' is over its quota of messages "
            "(limit: 5 a second; the next may go in "
        )
        (event,) = recorder.of(Denied)
        assert event.subject == "acme/a"
        assert event.reason in replies[5]
        await obeys(guest, "send b 1", "ok")


async def test_a_guest_over_its_quota_of_computing_gets_slower_and_stays_well(
    open_: Open, tmp_path: Path
) -> None:
    free = write_component(tmp_path, "acme/free")
    slow = write_component(tmp_path, "acme/slow", resources='cpu = "50ms/s"')
    async with open_() as system:
        guests = [await system.spawn(free), await system.spawn(slow)]
        rounds = 1_000_000
        computed = 0.0
        while computed < 0.03:  # of processor time, however busy the machine is
            rounds *= 2
            computed = -time.process_time()
            await guests[0].ask(f"burn {rounds}")
            computed += time.process_time()

        before = time.perf_counter()
        for _ in range(10):
            await guests[0].ask(f"burn {rounds}")
        took = time.perf_counter() - before
        handled = 0
        with anyio.move_on_after(took):
            while True:
                await guests[1].ask(f"burn {rounds}")
                handled += 1

        # Each took 30 ms at the least, and it gets 50 in each second.
        assert 1 <= handled < 10
        for _ in range(10):
            await guests[1].send(f"burn {rounds}")
        started = time.perf_counter()
        await system.registry.entry("acme/slow").mailbox.check_health()
        await system.stop("acme/slow")
        assert time.perf_counter() - started < 4


async def test_a_limit_of_a_whole_second_in_each_second_is_not_measured(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        await system.spawn(write_component(tmp_path, resources='cpu = "1000ms/s"'))

        entry = system.registry.entry("acme/a")
        assert entry.standing is not None
        budget = entry.standing.budget
        assert budget is not None
        assert budget.rates["cpu"] == ()
        assert budget.most("messages") == 1000


async def test_what_is_revoked_is_refused_from_the_next_host_call_on(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    async with open_() as system:
        guest = await system.spawn(write_component(tmp_path))
        await system.spawn(silent, id="b")
        await obeys(guest, "send b 1", "ok")
        asking = airssys.Grants(messaging=MessagingGrants(request=["b"]))

        system.attenuate("acme/a", asking)
        refused = (await guest.ask("send b 1")).decode()
        with pytest.raises(ManifestError, match="may not send to 'b'"):
            system.attenuate(
                "acme/a", airssys.Grants(messaging=MessagingGrants(send=["b"]))
            )
        system.revoke("acme/a")
        system.revoke("acme/a")
        with pytest.raises(TypeError, match="'b' is no component"):
            system.revoke("b")
        with pytest.raises(NoSuchActor):
            system.revoke("c")

        assert refused.startswith("error denied: may not send to 'b'")
        (denied,) = recorder.of(Denied)
        assert (denied.subject, denied.needed) == ("acme/a", "send to 'b'")
        assert denied.correlation, "it names the request"
        revoked = [event.needed for event in recorder.of(Revoked)]
        assert "send to '**'" in revoked
        assert revoked[-1] == "request from 'b'"
        assert len(revoked) == len(set(revoked))


async def test_what_is_revoked_stays_so_after_a_restart(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    async with open_() as system:
        guest = await system.spawn(write_component(tmp_path))
        system.revoke("acme/a")
        with pytest.raises(ActorStopped):
            await guest.ask("trap")

        refused = (await guest.ask("send b 1")).decode()

        assert refused.startswith("error denied: may not send to 'b'")


async def test_an_extension_that_is_revoked_cannot_be_called_any_more(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    kv = airssys.HostInterface("acme:kv/store@1.0.0")
    touched = []

    @kv.function
    def touch(_: airssys.Call, key: int) -> None:
        touched.append(key)

    custom = 'custom = [{ name = "acme:kv/store", allow = ["*"] }]'
    folder = write_component(tmp_path, code=with_extension(), capabilities=custom)
    async with open_(interfaces=[kv]) as system:
        counter = await system.spawn(folder, restart=airssys.Restart.TEMPORARY)
        await counter.send("inc")
        assert await counter.ask("get") == b"1"
        system.revoke("acme/a")
        with pytest.raises(ActorStopped, match="may not use 'acme:kv/store@1.0.0'"):
            await counter.ask("inc")

    assert touched == [7]
    (denied,) = recorder.of(Denied)
    assert denied.operation == "acme:kv/store@1.0.0#touch"


async def test_the_components_of_a_system_share_its_quota(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    async with open_(quota=SharedQuota(messages=5)) as system:
        one = await system.spawn(write_component(tmp_path, "acme/one"))
        two = await system.spawn(write_component(tmp_path, "acme/two"))
        await system.spawn(silent, id="b")

        replies = [(await guest.ask("send b 1")).decode() for guest in [one, two] * 3]

        assert replies[:5] == ["ok"] * 5
        assert (
            "'acme/two' is over its quota of messages (limit: 5 a second" in replies[5]
        )
        levels = [(event.subject, event.level) for event in recorder.of(QuotaNeared)]
        assert levels[-1] == ("root", "critical")


async def test_the_host_s_ceiling_and_prohibitions_hold_for_every_component(
    engine: airssys.Engine, recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "host.toml").write_text(
        """
[capabilities]
filesystem = {}
[forbidden]
messaging = { send = ["boss"] }
"""
    )
    folder = write_component(tmp_path)
    greedy = write_component(
        tmp_path, "acme/greedy", capabilities='filesystem = { read = ["/etc/*"] }'
    )
    async with airssys.open_system(
        load_config(tmp_path / "host.toml", environ={}),
        engine=engine,
        instruments=[recorder],
    ) as system:
        with pytest.raises(ManifestError) as refused:
            await system.spawn(greedy)
        component = (await system.load(folder)).component
        reading = airssys.Grants(filesystem=FilesystemGrants(read=["/etc/*"]))
        with pytest.raises(ManifestError, match="the host's ceiling does not cover it"):
            await system.spawn(component, id="by-hand", grants=reading)
        guest = await system.spawn(folder)
        await system.spawn(silent, id="boss")
        reply = (await guest.ask("send boss 1")).decode()

    assert str(greedy / "Component.toml") in str(refused.value)
    assert "may not read '/etc/*': the host's ceiling" in str(refused.value)
    assert reply.startswith("error denied: may not send to 'boss': the host forbids it")
    (event,) = recorder.of(Denied)
    assert event.reason.startswith("the host forbids it")


async def test_the_children_of_a_tree_s_supervisor_share_its_quota(
    engine: airssys.Engine, recorder: Recorder, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        write_component(tmp_path, f"acme/{name}")
    tree = parse_tree(
        """
[supervisor.quota]
messages = "1000/s"
[[child]]
id = "three"
component = "acme-three"
[[child]]
id = "pair"
supervisor.quota = { messages = "4/s" }
[[child.child]]
id = "one"
component = "acme-one"
resources = { messages = "3/s" }
[[child.child]]
id = "two"
component = "acme-two"
""",
        source=str(tmp_path / "tree.toml"),
    )
    async with open_root(tree.root, engine=engine, instruments=[recorder]) as system:
        await system.spawn(silent, id="b")
        await system.start_tree(tree)
        replies = {
            name: [
                (await system.actor(name).ask("send b 1")).decode() for _ in range(4)
            ]
            for name in ("one", "two", "three")
        }

    def refused(name: str) -> list[bool]:
        return ["over its quota of messages" in each for each in replies[name]]

    assert refused("one") == [False] * 3 + [True], "by its own"
    assert refused("two") == [False] + [True] * 3, "by what is left of the shared one"
    assert refused("three") == [False] * 4
    assert ("pair", "messages") in {
        (event.subject, event.quota) for event in recorder.of(QuotaNeared)
    }


async def test_what_a_manifest_grants_until_a_moment_ends_then(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    messaging = 'messaging = { send = ["b"], receive = ["**"] }'
    for name, year in (("late", 2020), ("early", 2999)):
        ends = f"expires = {{ messaging = {year}-01-01T00:00:00Z }}"
        write_component(tmp_path, f"acme/{name}", capabilities=f"{messaging}\n{ends}")

    async with open_() as system:
        await system.spawn(silent, id="b")
        late = await system.spawn(tmp_path / "acme-late")
        early = await system.spawn(tmp_path / "acme-early")

        assert await early.ask("send b 1") == b"ok"
        reply = (await late.ask("send b 1")).decode()

    ended = "the grant expired at 2020-01-01T00:00:00Z"
    assert reply == f"error denied: may not send to 'b': {ended}"
    (event,) = recorder.of(Denied)
    assert (event.subject, event.reason) == ("acme/late", ended)
