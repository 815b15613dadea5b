from __future__ import annotations

from pathlib import Path

import anyio
import pytest

import airssys
from airssys.core.errors import (
    ActorStopped,
    GuestTrapped,
    InitFailed,
    InvalidComponent,
    ManifestError,
    NoSuchActor,
    Overtime,
    TrustError,
    UnknownImport,
)
from airssys.core.event import (
    ChildStarted,
)
from airssys.core.grants.sections import MessagingGrants
from airssys.testing import Recorder

from ..components import LIFECYCLE_WASM, QUICKSTART, with_extension, write_component
from .support import (
    Open,
    echo,
)

pytestmark = pytest.mark.guest


MESSAGING = airssys.Grants(
    messaging=MessagingGrants(
        send=["**"], request=["**"], publish=["#"], subscribe=["#"], receive=["**"]
    )
)


async def test_a_folder_a_manifest_a_component_and_a_function_become_actors(
    open_: Open, engine: airssys.Engine, tmp_path: Path
) -> None:
    folder = write_component(tmp_path)
    component = await engine.load(LIFECYCLE_WASM, name="plain")
    async with open_() as system:
        actors = [
            await system.spawn(folder),
            await system.spawn(folder / "Component.toml", id="acme/a#2"),
            await system.spawn(component, grants=MESSAGING),
            await system.spawn(echo, ""),
            await system.spawn(echo, "", id="worker"),
        ]

        ids = ["acme/a", "acme/a#2", "plain", "echo", "worker"]
        assert [actor.id for actor in actors] == ids
        assert [child.id for child in system.children] == ids
        for actor in actors[:3]:
            assert await actor.ask("self") == actor.id.encode()
            assert await actor.ask("echo hi") == b"hi"
        assert await actors[3].ask("hi") == b"hi"
    assert all(actor.closed for actor in actors)


async def test_the_guests_of_the_quickstart_work_together(open_: Open) -> None:
    async with open_() as system, system.subscribe("tally.*") as summaries:
        counter = await system.spawn(str(QUICKSTART / "counter"))
        await system.spawn(QUICKSTART / "tally")

        assert await system.publish("orders.created", b"one") == 1
        assert await system.publish("orders.paid", "two") == 1

        with anyio.fail_after(5):
            assert (await anext(summaries)).text.startswith("orders 1, counter 1")
            second = await anext(summaries)
        assert second.text == "orders 2, counter 2, last orders.paid"
        assert (second.topic, second.sender) == ("tally.summary", "quickstart/tally")
        assert await counter.ask("get") == b"2"
        assert system.tally.started == 2
        assert system.messages == 7


async def test_a_guest_finds_its_configuration(open_: Open, tmp_path: Path) -> None:
    folder = write_component(tmp_path, config={"kept": "a", "changed": "b"})
    async with open_() as system:
        actor = await system.spawn(folder, config={"changed": "c"})

        assert await actor.ask("config kept") == b"a"
        assert await actor.ask("config changed") == b"c"
        assert await actor.ask("config other") == b"error: no such key"


async def test_a_manifest_that_is_not_there_or_full_of_mistakes_is_refused(
    open_: Open, tmp_path: Path
) -> None:
    mistaken = tmp_path / "mistaken"
    mistaken.mkdir()
    (mistaken / "Component.toml").write_text(
        """\
[package]
name = "Not A Name"
version = "one"

[component]
wasm = "code.wasm"
sha256 = "short"

[resources]
memory = "1KiB"
timeout = "1s"
"""
    )
    async with open_() as system:
        with pytest.raises(ManifestError, match="cannot be read") as missing:
            await system.spawn(tmp_path / "nothing")
        with pytest.raises(ManifestError) as five:
            await system.spawn(mistaken)

        assert str(tmp_path / "nothing") in str(missing.value)
        found = five.value.problems
        assert len(found) == 5, found
        for place in ("name", "version", "sha256", "memory", "fuel"):
            assert any(place in problem for problem in found), place
        assert system.children == ()
        assert system.registry.ids == ()


async def test_code_that_is_not_the_pinned_one_is_refused(
    open_: Open, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, component=f'sha256 = "{"0" * 64}"')
    async with open_() as system:
        with pytest.raises(TrustError, match=f"expected sha256:{'0' * 64}"):
            await system.spawn(folder)


async def test_a_component_that_is_no_actor_is_refused(
    open_: Open, engine: airssys.Engine, tmp_path: Path
) -> None:
    nothing = await engine.compile("(component)", name="nothing")
    folder = write_component(
        tmp_path, code="(component)", component='description = "none"'
    )
    async with open_() as system:
        with pytest.raises(InvalidComponent, match="does not export"):
            await system.spawn(nothing)
        with pytest.raises(ManifestError, match="description"):
            await system.spawn(folder)
        with pytest.raises(InvalidComponent, match="does not export"):
            await system.spawn(write_component(tmp_path, "acme/b", code="(component)"))
        assert system.registry.ids == ()


@pytest.mark.parametrize(
    ("config", "kind", "words"),
    [
        ({"fail": "no disk"}, InitFailed, "configuration-invalid: no disk"),
        ({"init-trap": "yes"}, GuestTrapped, "unreachable"),
        ({"hang": "spin"}, Overtime, "took longer than 0.2 s"),
        ({"hang": "sleep"}, Overtime, "took longer than 0.2 s"),
    ],
)
async def test_an_init_that_fails_or_hangs_fails_the_spawn_and_frees_the_id(
    open_: Open,
    tmp_path: Path,
    config: dict[str, str],
    kind: type[Exception],
    words: str,
) -> None:
    # All of a start has twice the timeout otherwise, which a busy machine may take.
    folder = write_component(
        tmp_path, resources='timeout = "200ms"', supervision='start = "15s"'
    )
    async with open_() as system:
        with anyio.fail_after(20), pytest.raises(kind, match=words):
            await system.spawn(folder, config=config)

        assert system.children == ()
        with pytest.raises(NoSuchActor):
            system.actor("acme/a")
        actor = await system.spawn(folder)
        assert await actor.ask("echo back") == b"back"


async def test_a_spawn_that_is_cancelled_ends_the_init_and_frees_the_id(
    open_: Open, tmp_path: Path
) -> None:
    folder = write_component(tmp_path)
    async with open_() as system:
        for how in ("spin", "sleep"):
            with anyio.move_on_after(0.05) as scope:
                await system.spawn(folder, config={"hang": how})
            assert scope.cancelled_caught
            assert system.children == ()
            assert system.registry.ids == ()
        assert await (await system.spawn(folder)).ask("count") == b"0"


async def test_an_id_is_used_once(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(tmp_path)
    async with open_() as system:
        actor = await system.spawn(folder)
        with pytest.raises(ValueError, match="'acme/a' is taken"):
            await system.spawn(folder)
        with pytest.raises(ValueError, match="'acme/a' is taken"):
            await system.spawn(echo, id="acme/a")
        with pytest.raises(ValueError, match="no id"):
            await system.spawn(echo, id="no id")
        with pytest.raises(ValueError, match="means the host itself"):
            await system.spawn(echo, id="host")

        assert await actor.ask("count") == b"0"
        assert len(recorder.of(ChildStarted)) == 1


async def test_a_spawn_that_the_supervisor_refuses_leaves_the_id_free(
    open_: Open,
) -> None:
    async with open_() as system:
        with pytest.raises(ValueError, match="auto_shutdown is 'never'"):
            await system.spawn(
                echo, restart=airssys.Restart.TEMPORARY, significant=True
            )
        plain = airssys.ChildSpec("plain", anyio.sleep_forever)
        await system.supervisor.start(plain)
        with pytest.raises(ValueError, match="one of that id is running"):
            await system.spawn(echo, id="plain")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await system.spawn(echo)

        assert system.registry.ids == ()
        assert await (await system.spawn(echo, "!")).ask("hi") == b"hi!"


async def test_options_that_mean_nothing_for_what_is_spawned_are_refused(
    open_: Open, engine: airssys.Engine, tmp_path: Path
) -> None:
    folder = write_component(tmp_path)
    component = await engine.load(LIFECYCLE_WASM, name="plain")
    async with open_() as system:
        for what, args, options in (
            (folder, (1,), {}),
            (component, (1,), {}),
            (folder, (), {"grants": airssys.Grants()}),
            (folder, (), {"limits": airssys.Limits()}),
            (echo, (), {"grants": airssys.Grants()}),
            (echo, (), {"limits": airssys.Limits()}),
            (echo, (), {"config": {}}),
        ):
            with pytest.raises(TypeError, match=r"spawn\(\)"):
                await system.spawn(what, *args, **options)
        with pytest.raises(ValueError, match="at least one message"):
            await system.spawn(echo, mailbox=0)
        assert system.registry.ids == ()


async def test_a_guest_gets_an_extension_only_where_its_manifest_names_it(
    open_: Open, tmp_path: Path
) -> None:
    touched: list[tuple[str, str, int]] = []
    kv = airssys.HostInterface("acme:kv/store@1.0.0")

    @kv.function(needs=lambda key: airssys.Custom("acme:kv/store", str(key)))
    def touch(call: airssys.Call, key: int) -> None:
        touched.append((call.component, call.actor, key))

    code = with_extension()
    custom = '[{{ name = "acme:kv/store", allow = ["{}"] }}]'
    granted, narrow, without = (
        write_component(
            tmp_path,
            f"acme/{name}",
            code=code,
            capabilities=capabilities,
            component=f'world = "{world}"' if world else "",
        )
        for name, capabilities, world in (
            ("granted", f"custom = {custom.format('*')}", ""),
            ("narrow", f"custom = {custom.format('8')}", ""),
            ("without", "", ""),
        )
    )
    async with open_(interfaces=[kv]) as system:
        one = await system.spawn(granted, id="one")
        await one.send("inc")
        assert await one.ask("get") == b"1"
        assert touched == [("acme/granted", "one", 7)]

        with pytest.raises(InvalidComponent, match="nor granted under capabilities"):
            await system.spawn(without)

        two = await system.spawn(narrow)
        with pytest.raises(ActorStopped, match="may not use 'acme:kv/store' on '7'"):
            await two.ask("inc")
        assert len(touched) == 1
    async with open_() as system:
        with pytest.raises(UnknownImport, match="acme:kv/store"):
            await system.spawn(granted)
