from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

import airssys
from airssys.config import load_config
from airssys.core.child import Crashed, unwrap
from airssys.core.errors import (
    ActorStopped,
    AskCycle,
    AskRefused,
    GuestTrapped,
    InitFailed,
    InvalidComponent,
    MailboxFull,
    ManifestError,
    NoSuchActor,
    NoSuchChild,
    Overtime,
    QuotaExceeded,
    ReplyTimeout,
    RestartsExhausted,
    TrustError,
    UnknownImport,
)
from airssys.core.event import (
    CallCut,
    ChildExited,
    ChildStarted,
    DeadLettered,
    Denied,
    HealthChecked,
    Logged,
    QuotaNeared,
    Revoked,
)
from airssys.core.grants.sections import FilesystemGrants, MessagingGrants
from airssys.core.limits import SharedQuota
from airssys.core.manifests.tree import parse_tree
from airssys.core.message import Overflow
from airssys.system.opening import open_root
from airssys.system.system import System
from airssys.testing import Recorder

from ..components import LIFECYCLE_WASM, QUICKSTART, with_extension, write_component

pytestmark = pytest.mark.guest

Open: TypeAlias = Callable[..., AbstractAsyncContextManager[System]]
PATIENT = airssys.Intensity(restarts=50, period=5.0)
MESSAGING = airssys.Grants(
    messaging=MessagingGrants(
        send=["**"], request=["**"], publish=["#"], subscribe=["#"], receive=["**"]
    )
)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> airssys.Engine:
    return airssys.Engine(cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def open_(engine: airssys.Engine, recorder: Recorder) -> Open:
    return partial(
        airssys.open_system,
        airssys.HostConfig(),
        engine=engine,
        instruments=[recorder],
        intensity=PATIENT,
    )


@pytest.fixture
def open_tree(engine: airssys.Engine, recorder: Recorder) -> Open:
    return partial(
        open_root, config=airssys.HostConfig(), engine=engine, instruments=[recorder]
    )


async def echo(actor: airssys.Actor, mark: str = "") -> None:
    async for message in actor.inbox:
        await message.reply(message.text + mark)


async def silent(actor: airssys.Actor) -> None:
    """Take messages and answer nobody."""
    async for _ in actor.inbox:
        pass


async def stuck(actor: airssys.Actor, free: anyio.Event) -> None:
    """Take nothing until it is set free."""
    await free.wait()
    async for message in actor.inbox:
        await message.reply(message.payload)


async def collect(actor: airssys.Actor, into: list[str]) -> None:
    async for message in actor.inbox:
        into.append(message.text)  # noqa: PERF401 - seen at once


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.002)


async def obeys(ref: airssys.ActorRef, order: str, answer: str) -> None:
    """Ask again and again until the answer is the expected one."""
    got = ""
    with anyio.move_on_after(5):
        while got != answer:
            await anyio.sleep(0.005)
            got = (await ref.ask(order)).decode()
    assert got == answer


def dead(recorder: Recorder) -> list[tuple[str, bytes]]:
    return [(event.subject, event.payload) for event in recorder.of(DeadLettered)]


def crashes(recorder: Recorder) -> list[tuple[str, str]]:
    return [
        (event.subject, event.reason)
        for event in recorder.of(ChildExited)
        if event.how == "crash"
    ]


# --- spawn ------------------------------------------------------------------------


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
    folder = write_component(tmp_path, resources='timeout = "200ms"')
    async with open_() as system:
        with anyio.fail_after(2), pytest.raises(kind, match=words):
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


# --- messages ---------------------------------------------------------------------


async def test_a_guests_error_refuses_the_ask_and_the_guest_lives_on(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        actor = await system.spawn(write_component(tmp_path))
        with pytest.raises(AskRefused, match=r"internal-error: no$") as refused:
            await actor.ask("err no")
        with pytest.raises(AskRefused, match="gave no reply"):
            await actor.ask("quiet")

        assert refused.value.target == "acme/a"
        assert await actor.ask("count") == b"2"
        assert system.tally.crashes == 0


async def test_an_actor_that_answers_everything_survives_who_only_sends(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        other = await system.spawn(echo, "!")
        guest = await system.spawn(write_component(tmp_path))
        assert await guest.ask("send echo hi") == b"ok"
        await other.send("hi")
        await system.publish("t", "hi")

        assert await other.ask("hi") == b"hi!"
        assert system.tally.crashes == 0


async def test_a_trap_loses_one_message_and_the_actor_comes_back(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    async with open_() as system:
        actor = await system.spawn(write_component(tmp_path))
        await actor.send("note lost with the instance")
        async with anyio.create_task_group() as tasks:

            async def ask_trap() -> None:
                with pytest.raises(ActorStopped, match="unreachable") as stopped:
                    await actor.ask("trap")
                assert "GuestTrapped" in stopped.value.reason

            taken = actor.statistics().taken
            tasks.start_soon(ask_trap)
            await until(lambda: actor.statistics().taken > taken)
            await actor.send("note kept")

        assert await actor.ask("notes") == b"kept\n"
        assert dead(recorder) == [("acme/a", b"trap")]
        (child,) = system.children
        assert child.restarts == 1
        assert isinstance(child.last_exit, Crashed)
        assert isinstance(child.last_exit.error, GuestTrapped)
        assert [event.why for event in recorder.of(CallCut)] == ["trap"]


async def test_a_fresh_instance_goes_through_init_again(
    open_: Open, tmp_path: Path
) -> None:
    last_words: list[str] = []
    config = {"farewell": "friend"}  # init reads it, shutdown needs it
    async with open_() as system:
        await system.spawn(collect, last_words, id="friend")
        actor = await system.spawn(write_component(tmp_path, config=config))
        with pytest.raises(ActorStopped):
            await actor.ask("trap")
        assert await actor.ask("count") == b"0"
        await system.stop("acme/a")
        await until(lambda: last_words == ["note farewell"])


@pytest.mark.parametrize(
    ("resources", "why", "error"),
    [
        ('timeout = "150ms"', "time", "Overtime"),
        ("fuel = 100_000_000", "fuel", "OutOfFuel"),
    ],
)
async def test_a_guest_that_spins_is_cut_off_and_nobody_else_notices(
    open_: Open,
    tmp_path: Path,
    recorder: Recorder,
    resources: str,
    why: str,
    error: str,
) -> None:
    async with open_() as system:
        other = await system.spawn(echo)
        actor = await system.spawn(write_component(tmp_path, resources=resources))
        answers: list[bytes] = []
        async with anyio.create_task_group() as tasks:

            async def ask_spin() -> None:
                with pytest.raises(ActorStopped, match=error):
                    await actor.ask("spin")
                tasks.cancel_scope.cancel()

            tasks.start_soon(ask_spin)
            while True:
                await anyio.sleep(0.001)
                answers.append(await other.ask("hi"))

        assert len(answers) >= 2
        assert await actor.ask("count") == b"0"
        assert [event.why for event in recorder.of(CallCut)] == [why]
        assert crashes(recorder)[0][1].startswith(error)


async def test_asks_in_a_circle_of_guests_fail_at_once_and_name_it(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        one = await system.spawn(write_component(tmp_path, "acme/one"))
        await system.spawn(write_component(tmp_path, "acme/two"))
        start = time.monotonic()
        answer = (await one.ask("ask acme/two ask acme/one echo hi")).decode()

        assert time.monotonic() - start < 0.9  # the timeout is 1 s
        assert answer == (
            "error cycle: ask would wait for itself: acme/two -> acme/one -> acme/two"
        )
        # Nobody fell, and the way back is open.
        assert await one.ask("ask acme/two echo fine") == b"fine"
        assert system.tally.crashes == 0


async def test_a_guest_and_a_function_that_ask_each_other_are_told(
    open_: Open, tmp_path: Path
) -> None:
    told: list[tuple[str, ...]] = []

    async def asks_back(actor: airssys.Actor) -> None:
        async for message in actor.inbox:
            try:
                await actor.ask(message.sender, "echo hi")
            except AskCycle as error:
                told.append(error.cycle)
            await message.reply("told")

    async with open_() as system:
        await system.spawn(asks_back, id="back")
        guest = await system.spawn(write_component(tmp_path))

        assert await guest.ask("ask back x") == b"told"
    assert told == [("back", "acme/a", "back")]


async def test_the_reply_to_a_request_comes_by_callback_and_so_does_its_timeout(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        await system.spawn(echo, "!")
        await system.spawn(silent)
        guest = await system.spawn(write_component(tmp_path, config={"ask-ms": "50"}))

        request = (await guest.ask("later echo hi")).decode()
        await obeys(guest, "got", f"{request} ok hi!")
        request = (await guest.ask("later silent hi")).decode()
        expected = f"{request} err {ReplyTimeout('silent', 0.05)}"
        await obeys(guest, "got", expected)
        request = (await guest.ask("later silent hi")).decode()
        assert await guest.ask(f"cancel {request}") == b"true"
        assert await guest.ask(f"cancel {request}") == b"false"
        await anyio.sleep(0.06)
        assert (await guest.ask("got")).decode() == expected


async def test_a_guest_that_is_asked_and_not_answered_gives_up_in_time(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        await system.spawn(silent)
        guest = await system.spawn(write_component(tmp_path, config={"ask-ms": "50"}))
        assert await guest.ask("ask silent x") == b"error timeout"
        answer = (await guest.ask("ask nobody x")).decode()
        assert answer.startswith("error component-not-found: "), answer
        assert "silent" not in answer, "whom it may not know of"
        with pytest.raises(ReplyTimeout):
            await system.actor("silent").ask("x", timeout=0.02)


async def test_topics_lead_from_guest_to_guest_and_to_the_host(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system, system.subscribe("orders.#") as messages:
        one = await system.spawn(write_component(tmp_path, "acme/one"))
        two = await system.spawn(
            write_component(tmp_path, "acme/two", config={"subscribe": "orders.*"})
        )

        assert await one.ask("publish orders.new apples") == b"ok"
        assert await one.ask("publish other.new nothing") == b"ok"
        await obeys(two, "heard", "1 orders.new apples")
        message = await anext(messages)
        assert (message.topic, message.payload) == ("orders.new", b"apples")
        assert message.sender == "acme/one"

        # A subscription outlives the instance that made it.
        with pytest.raises(ActorStopped):
            await two.ask("trap")
        assert await system.publish("orders.more", "pears") == 2
        await obeys(two, "heard", "1 orders.more pears")
        assert await two.ask("unsubscribe orders.*") == b"ok"
        assert await system.publish("orders.more", "plums") == 1


async def test_a_guest_without_grants_is_denied_and_everybody_can_know(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    got: list[str] = []
    async with open_() as system:
        await system.spawn(collect, got, id="friend")
        guest = await system.spawn(write_component(tmp_path, capabilities=""))
        for order, needed in (
            ("send friend x", "send to 'friend'"),
            ("ask friend x", "request from 'friend'"),
            ("later friend x", "request from 'friend'"),
            ("broadcast friend x", "send to 'friend'"),
            ("publish some.topic x", "publish to 'some.topic'"),
            ("subscribe some.*", "subscribe to 'some.*'"),
        ):
            answer = (await guest.ask(order)).decode()
            assert answer.startswith(f"error denied: may not {needed}: no grant"), order
            assert recorder.of(Denied)[-1].needed == needed
            assert recorder.of(Denied)[-1].subject == "acme/a"
        assert await guest.ask("list") == b"acme/a\n"
        assert system.tally.denials == 6
    assert got == []


async def test_a_receiver_must_be_willing_too(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    some = 'messaging = { receive = ["acme/friend"] }'
    async with open_() as system:
        chooser = await system.spawn(
            write_component(tmp_path, "acme/chooser", capabilities=some)
        )
        friend = await system.spawn(write_component(tmp_path, "acme/friend"))
        stranger = await system.spawn(write_component(tmp_path, "acme/stranger"))

        assert await friend.ask("send acme/chooser note hello") == b"ok"
        answer = (await stranger.ask("send acme/chooser note hello")).decode()
        assert answer.startswith(
            "error denied: 'acme/chooser' may not receive from 'acme/stranger'"
        )
        (denied,) = recorder.of(Denied)
        assert denied.subject == "acme/chooser"
        assert await chooser.ask("notes") == b"hello\n"
        assert await chooser.ask("who") == b"host"


async def test_a_full_mailbox_that_refuses_tells_the_sender(
    open_: Open, tmp_path: Path
) -> None:
    free = anyio.Event()
    async with open_() as system:
        full = await system.spawn(
            stuck, free, id="full", mailbox=2, overflow=Overflow.REFUSE
        )
        guest = await system.spawn(write_component(tmp_path))
        await full.send("1")
        assert await guest.ask("send full 2") == b"ok"

        with pytest.raises(MailboxFull, match=r"'full' is full \(capacity: 2\)"):
            await full.send("3")
        assert (await guest.ask("send full 3")).startswith(b"error mailbox-full: ")
        free.set()
        await until(lambda: not full.statistics().queued)
        assert await full.ask("4") == b"4"


async def test_a_full_mailbox_that_drops_loses_the_oldest(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(
        tmp_path, resources='mailbox = 2\noverflow = "drop-oldest"'
    )
    async with open_() as system:
        guest = await system.spawn(folder)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest.ask, "sleep 100")
            await anyio.sleep(0.02)
            for number in range(4):
                await guest.send(f"note {number}")
        assert guest.statistics().dropped == 2
        await anyio.sleep(0.02)
        assert await guest.ask("notes") == b"2\n3\n"
    assert dead(recorder) == [("acme/a", b"note 0"), ("acme/a", b"note 1")]


async def test_a_full_mailbox_that_waits_holds_the_sender(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        guest = await system.spawn(write_component(tmp_path, resources="mailbox = 1"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest.ask, "sleep 100")
            await anyio.sleep(0.02)
            start = anyio.current_time()
            await guest.send("note 1")
            with pytest.raises(MailboxFull):
                guest.send_nowait("note refused")
            await guest.send("note 2")
            assert anyio.current_time() - start > 0.05
        assert await guest.ask("notes") == b"1\n2\n"


async def test_a_payload_over_the_quota_is_refused_whoever_sends_it(
    open_: Open, tmp_path: Path
) -> None:
    async with open_() as system:
        other = await system.spawn(echo, "")
        guest = await system.spawn(
            write_component(tmp_path, resources='payload = "1KiB"')
        )
        with pytest.raises(QuotaExceeded, match="1_048_577 bytes from the host"):
            await guest.send(bytes(2**20 + 1))
        answer = (await guest.ask(f"send echo {'x' * 1025}")).decode()
        assert answer.startswith("error invalid-message: message of 1_025 bytes")
        with pytest.raises(AskRefused, match="payload quota"):
            await guest.ask(f"echo {'x' * 1025}")

        assert await guest.ask(f"echo {'x' * 1024}") == b"x" * 1024
        assert await other.ask("still there") == b"still there"


# --- the end of actors ------------------------------------------------------------


async def test_a_stopped_guest_has_its_say_and_its_mailbox_becomes_dead_letters(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    got: list[str] = []
    folder = write_component(tmp_path, config={"farewell": "friend"})
    async with open_() as system:
        await system.spawn(collect, got, id="friend")
        guest = await system.spawn(folder)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest.ask, "sleep 50")
            await anyio.sleep(0.01)
            await guest.send("note never read")
            await system.stop("acme/a")

        await until(lambda: got == ["note farewell"])
        assert dead(recorder) == [("acme/a", b"note never read")]
        assert recorder.of(ChildExited)[0].how == "stopped"
        assert guest.closed
        with pytest.raises(ActorStopped, match="'acme/a' cannot answer: stopped"):
            await guest.send("too late")
        with pytest.raises(ActorStopped):
            await guest.ask("too late")
        with pytest.raises(NoSuchActor, match="no actor 'acme/a'"):
            system.actor("acme/a")
        with pytest.raises(NoSuchChild, match=r"'acme/a'.*\(children: 'friend'\)"):
            await system.stop("acme/a")
        again = await system.spawn(folder)
        assert await again.ask("count") == b"0"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("trap", "shutdown: GuestTrapped: .*unreachable"),
        ("spin", "shutdown: Overtime"),
        ("err", "shutdown: internal-error: bad-shutdown"),
    ],
)
async def test_a_shutdown_that_goes_wrong_still_ends_the_actor(
    open_: Open, tmp_path: Path, recorder: Recorder, bad: str, words: str
) -> None:
    folder = write_component(
        tmp_path, config={"bad-shutdown": bad}, resources='timeout = "100ms"'
    )
    async with open_() as system:
        await system.spawn(folder)
        with anyio.fail_after(2):
            await system.stop("acme/a")

        assert system.children == ()
        assert recorder.of(ChildExited)[0].how == "stopped"
        (line,) = recorder.of(Logged)
        assert re.match(words, line.message)


async def test_a_shutdown_that_takes_too_long_is_cut_off(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(
        tmp_path, config={"bad-shutdown": "sleep"}, supervision='shutdown = "50ms"'
    )
    async with open_() as system:
        await system.spawn(folder)
        await system.spawn(folder, id="brutal", shutdown=0)
        with anyio.fail_after(2):
            await system.stop("acme/a")
            await system.stop("brutal")

    first, second = recorder.of(ChildExited)
    assert "cut off, as it did not stop when asked" in first.reason
    assert (second.how, second.reason) == ("stopped", "")


async def test_leaving_the_system_stops_actors_in_reverse_order(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    got: list[str] = []
    config = {"farewell": "friend"}
    async with open_() as system:
        await system.spawn(collect, got, id="friend")
        for name in ("one", "two", "three"):
            await system.spawn(write_component(tmp_path, f"acme/{name}", config=config))
        await system.spawn(echo)
    assert [event.subject for event in recorder.of(ChildExited)] == [
        "echo",
        "acme/three",
        "acme/two",
        "acme/one",
        "friend",
    ]
    assert {event.how for event in recorder.of(ChildExited)} == {"stopped"}
    # All were sent; the last one may have been overtaken by the end of its reader.
    assert len(got) + len(recorder.of(DeadLettered)) == 3
    assert set(got) == {"note farewell"}
    with pytest.raises(airssys.AirssysError, match="the supervisor is stopping"):
        await system.spawn(echo)


async def test_what_cannot_be_delivered_is_an_event(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    free = anyio.Event()
    async with open_() as system:
        actor = await system.spawn(stuck, free, id="stuck", shutdown=0)
        await actor.send("one", topic="t")
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                with pytest.raises(ActorStopped):
                    await actor.ask("two")

            tasks.start_soon(ask)
            await anyio.sleep(0.01)
            await system.stop("stuck")
    letters = recorder.of(DeadLettered)
    assert [(each.payload, each.reason) for each in letters] == [
        (b"one", "stopped"),
        (b"two", "stopped"),
    ]
    assert (letters[0].topic, letters[0].sender, letters[0].size) == ("t", "host", 3)


async def test_a_child_that_is_unwell_is_restarted(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(
        tmp_path,
        supervision='health = { every = "20ms", timeout = "100ms", failures = 2 }',
    )
    async with open_() as system:
        guest = await system.spawn(folder)
        await guest.send("weak but working")
        await anyio.sleep(0.05)
        assert recorder.of(HealthChecked) == []
        await guest.send("sick of it")
        with anyio.fail_after(5):
            await recorder.wait_for(ChildStarted, count=2)

        failed = recorder.of(HealthChecked)
        assert [each.failures for each in failed] == [1, 2]
        assert all(
            "'acme/a' says it is unhealthy: of it" in each.reason for each in failed
        )
        (crash,) = crashes(recorder)
        assert crash[1].startswith(
            "HealthCheckFailed: child 'acme/a' failed its health check"
        )
        assert await guest.ask("count") == b"0"


async def test_a_child_that_hangs_in_its_health_check_is_restarted(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(
        tmp_path,
        supervision='health = { every = "20ms", timeout = "50ms", failures = 1 }',
    )
    async with open_() as system:
        guest = await system.spawn(folder)
        await guest.send("health spin")
        with anyio.fail_after(5):
            await recorder.wait_for(ChildStarted, count=2)

        assert "no answer within 0.05 s" in crashes(recorder)[0][1]
        assert await guest.ask("count") == b"0"


async def test_restarts_that_run_out_leave_the_system_with_their_history(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    got: list[str] = []
    folder = write_component(tmp_path)
    with pytest.raises(ExceptionGroup) as left:
        async with open_(intensity=airssys.Intensity(2, 5.0), name="shop") as system:
            await system.spawn(collect, got, id="friend")
            guest = await system.spawn(folder)
            for _ in range(3):
                await guest.send("trap")
            await anyio.sleep(5)
    error = unwrap(left.value)
    assert isinstance(error, RestartsExhausted)
    assert (error.supervisor, error.child, error.restarts) == ("shop", "acme/a", 2)
    assert len(error.history) == 3
    assert all("unreachable" in line for line in error.history)
    assert isinstance(error.__cause__, GuestTrapped)
    assert dead(recorder) == [("acme/a", b"trap")] * 3
    assert recorder.of(ChildExited)[-1].subject == "friend"


async def test_two_systems_in_one_process_know_nothing_of_each_other(
    open_: Open, engine: airssys.Engine, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, config={"subscribe": "#"})
    async with open_() as one, airssys.open_system(engine=engine) as two:
        here, there = await one.spawn(folder), await two.spawn(folder)
        await two.spawn(echo)

        await here.send("note here")
        await one.publish("some.topic", "x")
        assert await here.ask("heard") == b"1 some.topic x"
        assert await there.ask("heard") == b"0 "
        assert await there.ask("notes") == b""
        assert await there.ask("send echo x") == b"ok"
        assert (await here.ask("send echo x")).startswith(
            b"error component-not-found: "
        )
        await one.stop("acme/a")
        assert await there.ask("echo alive") == b"alive"
        with pytest.raises(ActorStopped):
            await here.send("x")


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_ctrl_c_in_an_actor_leaves_the_system(
    backend: str, open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    async def interrupted(actor: airssys.Actor) -> None:
        async for _ in actor.inbox:
            raise KeyboardInterrupt

    async def main() -> None:
        async with open_() as system:
            await system.spawn(write_component(tmp_path))
            await (await system.spawn(interrupted)).send("now")
            await anyio.sleep(5)

    start = time.monotonic()
    with pytest.raises(BaseException) as left:  # noqa: PT011 - of several shapes
        anyio.run(main, backend=backend)

    assert isinstance(unwrap(left.value), KeyboardInterrupt)
    assert time.monotonic() - start < 3
    assert "acme/a" in [event.subject for event in recorder.of(ChildExited)]
    assert system_tasks_restarted(recorder) == []


def system_tasks_restarted(recorder: Recorder) -> list[str]:
    return [event.subject for event in recorder.of(ChildStarted) if event.restarts]


# --- trees ------------------------------------------------------------------------

ACTORS = """\
import anyio

heard = []

async def listener(actor, pattern):
    await actor.subscribe(pattern)
    async for message in actor.inbox:
        heard.append((message.topic, message.text))
        if message.text == "fall":
            raise ValueError("told to")
        await message.reply(f"heard {len(heard)}")
"""


def write_tree(folder: Path, text: str, module: str) -> Any:
    (folder / f"{module}.py").write_text(ACTORS)
    file = folder / "tree.toml"
    file.write_text(text)
    return parse_tree(text, source=str(file))


async def test_a_tree_starts_with_its_supervisors_overrides_and_first_messages(
    open_tree: Open, tmp_path: Path, recorder: Recorder, anyio_backend_name: str
) -> None:
    write_component(tmp_path, config={"kept": "a", "changed": "b"})
    module = f"tree_actors_{anyio_backend_name}"
    tree = write_tree(
        tmp_path,
        f"""\
name = "shop"
[supervisor]
strategy = "one_for_one"
intensity = {{ restarts = 20, period = "5s" }}

[[child]]
id = "ear"
actor = "{module}:listener"
args = ["told.*"]

[[child]]
id = "workers"
[child.supervisor]
strategy = "rest_for_one"
intensity = {{ restarts = 20, period = "5s" }}
[[child.child]]
id = "first"
component = "acme-a"
config = {{ changed = "c" }}
resources = {{ timeout = "150ms", mailbox = 3 }}
capabilities = {{ messaging = {{ publish = ["told.*"], receive = ["**"] }} }}
[[child.child]]
id = "second"
component = "acme-a"
shutdown = "1s"

[[message]]
to = "first"
payload = "publish told.one hello"
after = "10ms"
[[message]]
topic = "told.two"
payload = "world"
after = "20ms"
""",
        module,
    )
    async with open_tree(tree.root) as system:
        await system.start_tree(tree)
        assert system.supervisor.name == "shop"
        ear, workers = system.children
        assert (ear.id, workers.id) == ("ear", "workers")
        assert [child.id for child in workers.children] == ["first", "second"]

        first, second = system.actor("first"), system.actor("second")
        assert await first.ask("config kept") == b"a"
        assert await first.ask("config changed") == b"c"
        assert await second.ask("config changed") == b"b"
        assert first.statistics().capacity == 3
        assert (await first.ask("send second x")).startswith(b"error denied: ")
        assert await second.ask("send first note x") == b"ok"

        listener = system.actor("ear")
        await until(lambda: listener.statistics().taken == 2)
        assert await listener.ask("x") == b"heard 3"

        # A supervisor within takes along who started later, and nobody else.
        await second.send("note of the old instance")
        with pytest.raises(ActorStopped, match=r"longer than 0\.15 s"):
            await first.ask("spin")
        assert await second.ask("notes") == b""
        started = [event.subject for event in recorder.of(ChildStarted)]
        assert started == ["ear", "first", "second", "workers", "first", "second"]
    ended = [event.subject for event in recorder.of(ChildExited)]
    assert ended[-4:] == ["second", "first", "workers", "ear"]


async def test_a_tree_cannot_widen_what_a_manifest_allows(
    open_tree: Open, tmp_path: Path
) -> None:
    write_component(
        tmp_path, capabilities='messaging = { send = ["acme/*"], receive = ["**"] }'
    )
    tree = write_tree(
        tmp_path,
        """\
[[child]]
id = "one"
component = "acme-a"
[[child]]
id = "two"
component = "acme-a"
resources = { memory = "2MiB", timeout = "1m" }
capabilities = { messaging = { send = ["**"], publish = ["orders.*"] } }
""",
        "tree_actors_widen",
    )
    async with open_tree(tree.root) as system:
        with pytest.raises(ManifestError) as refused:
            await system.start_tree(tree)
        assert len(refused.value.problems) == 4, refused.value
        text = str(refused.value)
        for words in (
            "memory of 2MiB is more than the component's 1MiB",
            "timeout of 1m is more than the component's 5s",
            "may not send to '**'",
            "may not publish to 'orders.*'",
        ):
            assert words in text
        assert "child[1]" in text or "two" in text


async def test_first_messages_that_nobody_takes_do_not_end_the_tree(
    open_tree: Open, tmp_path: Path, recorder: Recorder
) -> None:
    write_component(tmp_path, resources='mailbox = 1\noverflow = "refuse"')
    tree = write_tree(
        tmp_path,
        """\
[[child]]
id = "gone"
component = "acme-a"
[[child]]
id = "busy"
component = "acme-a"

[[message]]
to = "busy"
payload = "sleep 100"
[[message]]
to = "gone"
payload = "note to nobody"
after = "30ms"
[[message]]
to = "busy"
payload = "note taken"
after = "30ms"
[[message]]
to = "busy"
payload = "note refused"
after = "30ms"
""",
        "tree_actors_nobody",
    )
    async with open_tree(tree.root) as system:
        await system.start_tree(tree)
        await system.stop("gone")
        with anyio.fail_after(5):
            await recorder.wait_for(DeadLettered, count=2)
        busy = system.actor("busy")
        await until(lambda: not busy.statistics().queued)
        assert await busy.ask("notes") == b"taken\n"
    assert dead(recorder) == [("gone", b"note to nobody"), ("busy", b"note refused")]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ('config = { fail = "no disk" }', InitFailed),
        ('resources = { timeout = "1h" }', ManifestError),
    ],
)
async def test_a_tree_that_cannot_start_leaves_no_ids_behind(
    open_tree: Open, tmp_path: Path, bad: str, error: type[Exception]
) -> None:
    write_component(tmp_path)
    tree = write_tree(
        tmp_path,
        f"""\
[[child]]
id = "workers"
[child.supervisor]
[[child.child]]
id = "first"
component = "acme-a"
[[child.child]]
id = "second"
component = "acme-a"
{bad}
[[child.child]]
id = "third"
component = "acme-a"
""",
        "tree_actors_cannot",
    )
    async with open_tree(tree.root) as system:
        with pytest.raises(error):
            await system.start_tree(tree)
        assert system.children == ()
        assert system.registry.ids == ()


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("no_such_module:listener", "No module named 'no_such_module'"),
        ("tree_actors_words:nobody", "'tree_actors_words' has no such function"),
    ],
)
async def test_a_tree_whose_function_is_not_there_is_refused(
    open_tree: Open, tmp_path: Path, actor: str, words: str
) -> None:
    text = f'[[child]]\nid = "ear"\nactor = "{actor}"\nargs = ["x"]\n'
    tree = write_tree(tmp_path, text, "tree_actors_words")
    async with open_tree(tree.root) as system:
        with pytest.raises(ManifestError, match=words) as refused:
            await system.start_tree(tree)
        assert str(tmp_path / "tree.toml") in str(refused.value)
        assert system.registry.ids == ()


async def test_a_significant_child_ends_the_tree_by_itself(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    async def until_told(actor: airssys.Actor) -> None:
        await anext(actor.inbox)

    ended = False
    async with open_(auto_shutdown=airssys.AutoShutdown.ANY_SIGNIFICANT) as system:
        await system.spawn(write_component(tmp_path))
        last = await system.spawn(
            until_told, restart=airssys.Restart.TRANSIENT, significant=True
        )
        await last.send("enough")
        with anyio.fail_after(5):
            await anyio.sleep_forever()
        ended = True
    assert not ended
    assert [(each.subject, each.how) for each in recorder.of(ChildExited)] == [
        ("until-told", "normal"),
        ("acme/a", "stopped"),
    ]


async def test_a_host_file_sets_what_a_component_may_have(
    tmp_path: Path, recorder: Recorder
) -> None:
    host = tmp_path / "host.toml"
    host.write_text('memory = "600KiB"\ncache = "cache"\n')
    folder = write_component(tmp_path)
    async with airssys.open_system(host, instruments=[recorder]) as system:
        with pytest.raises(ManifestError, match="out of range"):
            await system.spawn(folder)
        text = (folder / "Component.toml").read_text()
        text = text.replace('"1MiB"', '"600KiB"')
        (folder / "Component.toml").write_text(text)
        guest = await system.spawn(folder)
        with pytest.raises(AskRefused):
            await guest.ask("err no")
        assert (tmp_path / "cache").is_dir()


async def test_actors_of_a_cancelled_system_still_get_replies(open_: Open) -> None:
    replies: list[bytes] = []

    async def slow(actor: airssys.Actor) -> None:
        async for message in actor.inbox:
            await anyio.sleep(0.05)
            await message.reply(b"done")

    async def asker(actor: airssys.Actor) -> None:
        replies.append(await actor.ask("slow", "a question", timeout=5.0))

    with anyio.CancelScope() as scope:
        async with open_() as system:
            await system.spawn(slow)
            await system.spawn(asker, restart=airssys.Restart.TEMPORARY)
            await until(lambda: system.messages == 1)
            scope.cancel()

    assert replies == [b"done"]


# --- quotas -----------------------------------------------------------------------


async def test_a_guest_over_its_quota_of_messages_is_told_and_may_send_again_later(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, resources='messages = "5/s"')
    async with open_() as system:
        guest = await system.spawn(folder)
        await system.spawn(silent, id="b")

        told = [(await guest.ask("send b 1")).decode() for _ in range(6)]

        assert told[:5] == ["ok"] * 5
        assert told[5].startswith(
            "error denied: actor 'acme/a' is over its quota of messages "
            "(limit: 5 a second; the next may go in "
        )
        (event,) = recorder.of(Denied)
        assert event.subject == "acme/a"
        assert event.reason in told[5]
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
        assert time.perf_counter() - started < 1


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

        told = [(await guest.ask("send b 1")).decode() for guest in [one, two] * 3]

        assert told[:5] == ["ok"] * 5
        assert "'acme/two' is over its quota of messages (limit: 5 a second" in told[5]
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
        told = (await guest.ask("send boss 1")).decode()

    assert str(greedy / "Component.toml") in str(refused.value)
    assert "may not read '/etc/*': the host's ceiling" in str(refused.value)
    assert told.startswith("error denied: may not send to 'boss': the host forbids it")
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
        told = {
            name: [
                (await system.actor(name).ask("send b 1")).decode() for _ in range(4)
            ]
            for name in ("one", "two", "three")
        }

    def refused(name: str) -> list[bool]:
        return ["over its quota of messages" in each for each in told[name]]

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
        told = (await late.ask("send b 1")).decode()

    ended = "the grant expired at 2020-01-01T00:00:00Z"
    assert told == f"error denied: may not send to 'b': {ended}"
    (event,) = recorder.of(Denied)
    assert (event.subject, event.reason) == ("acme/late", ended)
