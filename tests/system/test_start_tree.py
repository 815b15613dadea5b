from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import airssys
from airssys.core.errors import (
    ActorStopped,
    AskRefused,
    InitFailed,
    ManifestError,
)
from airssys.core.event import (
    ChildExited,
    ChildStarted,
    DeadLettered,
)
from airssys.core.manifests.tree import parse_tree
from airssys.system.opening import open_root
from airssys.testing import Recorder

from ..components import write_component
from .support import (
    Open,
    dead,
    until,
)

pytestmark = pytest.mark.guest


@pytest.fixture
def open_tree(engine: airssys.Engine, recorder: Recorder) -> Open:
    return partial(
        open_root, config=airssys.HostConfig(), engine=engine, instruments=[recorder]
    )


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
resources = {{ timeout = "800ms", mailbox = 3 }}
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
        with pytest.raises(ActorStopped, match=r"longer than 0\.8 s"):
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
