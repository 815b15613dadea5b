"""Whose keys are whose: what a manifest calls itself opens nobody's storage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

import airssys
from airssys import Facilities, MemoryStorage
from airssys.core.manifests.tree import parse_tree
from airssys.testing import Recorder

from ..components import TESTS
from .support import Open

pytestmark = pytest.mark.guest

CLERK = TESTS.parent / "examples" / "clerk" / "clerk.wasm"
STORES = 'storage = { read = ["component:self/**"], write = ["component:self/**"] }'
MANIFEST = """
[package]
name = "{name}"
version = "{version}"
[component]
wasm = "clerk.wasm"
{more}
[resources]
memory = "2MiB"
fuel = 100_000_000
timeout = "5s"
storage = "1KiB"
[capabilities]
{grants}
"""
Written: TypeAlias = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write a folder with the clerk, which keeps and recalls what it is told."""

    def write(
        folder: str,
        name: str = "acme/bank",
        *,
        version: str = "1.0.0",
        grants: str = STORES,
        code: bytes = b"",
        more: str = "",
    ) -> Path:
        place = tmp_path / folder
        place.mkdir()
        text = MANIFEST.format(name=name, version=version, grants=grants, more=more)
        (place / "Component.toml").write_text(text)
        shutil.copy(CLERK, place)
        with (place / "clerk.wasm").open("ab") as file:
            file.write(code)
        return place

    return write


CUSTOM_SECTION = b"\0\4\3new"
"""Makes other content of a component, which does the same."""


async def keep(ref: airssys.ActorRef, text: str) -> None:
    assert await ref.ask(f"keep money {text}") == b"kept"


async def recall(ref: airssys.ActorRef) -> bytes:
    return await ref.ask("recall money")


NOTHING = b"no: nothing is kept there"


@pytest.mark.parametrize(
    "other",
    [
        {"code": CUSTOM_SECTION},
        {"version": "1.0.1"},
        # The same code, told to do something else.
        {"more": 'config = { all = "yes" }'},
    ],
)
async def test_another_content_of_the_name_is_refused_also_when_the_first_has_ended(
    open_: Open, written: Written, other: dict[str, str]
) -> None:
    bank, robber = written("bank"), written("robber", **other)
    async with open_() as system:
        await keep(await system.spawn(bank), "100")
        with pytest.raises(airssys.NamespaceTaken):
            await system.spawn(robber, id="robber")
        await system.stop("acme/bank")
        with pytest.raises(airssys.NamespaceTaken) as refused:
            await system.spawn(robber, id="robber")

        assert system.registry.ids == ()
        error = refused.value
        assert error.source == str(robber / "Component.toml")
        assert error.holder == str(bank / "Component.toml")
        assert (error.component, error.namespace) == ("acme/bank", "acme/bank")
        assert await recall(await system.spawn(bank)) == b"100"


async def test_copies_and_actors_of_one_content_share_its_keys(
    open_: Open, written: Written
) -> None:
    bank, copy = written("bank"), written("copy", grants=f"# the same\n{STORES}")
    async with open_() as system:
        await keep(await system.spawn(bank), "100")

        assert await recall(await system.spawn(bank, id="second")) == b"100"
        assert await recall(await system.spawn(copy, id="copy")) == b"100"


async def test_the_host_says_that_a_new_version_is_the_same_component(
    open_: Open, written: Written
) -> None:
    old, new = written("old"), written("new", version="2.0.0", code=CUSTOM_SECTION)
    other = written("other", version="3.0.0")
    async with open_() as system:
        await keep(await system.spawn(old), "100")
        await system.stop("acme/bank")

        assert await recall(await system.spawn(new, namespace="acme/bank")) == b"100"

        # What the host said of one, it did not say of another.
        with pytest.raises(airssys.NamespaceTaken):
            await system.spawn(other, id="other")


async def test_a_namespace_keeps_actors_of_one_content_apart(
    open_: Open, written: Written
) -> None:
    store = MemoryStorage()
    async with open_(facilities=Facilities(storage=store)) as system:
        for town, text in (("a", "1"), ("b", "2")):
            ref = await system.spawn(
                written(town), id=f"bank#{town}", namespace=f"{town}/bank"
            )
            await keep(ref, text)

        assert await recall(system.actor("bank#a")) == b"1"
    assert await store.get("a/bank", "money") == b"1"
    assert await store.get("b/bank", "money") == b"2"
    assert await store.keys("acme/bank") == []


async def test_a_namespace_holds_over_a_restart_and_for_its_quota(
    open_: Open, written: Written, recorder: Recorder
) -> None:
    async with open_() as system:
        one = await system.spawn(written("one"), id="one", namespace="shared")
        two = await system.spawn(
            written("two", "acme/two"), id="two", namespace="shared"
        )
        await keep(one, "x" * 600)

        # 1 KiB in all, and each key costs 128 bytes.
        assert (await two.ask(f"keep more {'x' * 600}")).startswith(b"no: ")
        await system.supervisor.restart("two")
        assert await recall(two) == b"x" * 600


@pytest.mark.parametrize("namespace", ["", "/a", "a/", "A", "a b", "../a", "a/b/c"])
async def test_what_is_no_name_is_no_namespace(
    open_: Open, written: Written, namespace: str
) -> None:
    async with open_() as system:
        with pytest.raises(ValueError, match=r"not allowed|nothing before"):
            await system.spawn(written("bank"), namespace=namespace)

        assert system.registry.ids == ()


async def test_components_made_in_python_are_held_to_it_where_they_store(
    open_: Open, engine: airssys.Engine
) -> None:
    code = CLERK.read_bytes()
    one = await engine.compile(code, name="my_clerk")
    again = await engine.compile(code, name="my_clerk")
    two = await engine.compile(code + CUSTOM_SECTION, name="my_clerk")
    grants = airssys.Grants(
        storage=airssys.StorageGrants(
            read=["component:self/**"], write=["component:self/**"]
        )
    )
    async with open_() as system:
        await keep(await system.spawn(one, id="one", grants=grants), "100")

        ref = await system.spawn(again, id="again", grants=grants)
        assert await recall(ref) == b"100"
        with pytest.raises(airssys.NamespaceTaken, match="one made in Python"):
            await system.spawn(two, id="two", grants=grants)
        apart = await system.spawn(two, id="two", grants=grants, namespace="two")
        assert await recall(apart) == NOTHING
        # Its own name is no component's name, and yet what the first one has.
        same = await system.spawn(two, id="three", grants=grants, namespace="my_clerk")
        assert await recall(same) == b"100"


async def test_a_component_made_in_python_does_not_get_what_a_folder_stored(
    open_: Open, written: Written
) -> None:
    async with open_() as system:
        bank = written("bank")
        await keep(await system.spawn(bank), "100")
        component = (await system.load(bank)).component

        with pytest.raises(airssys.NamespaceTaken):
            await system.spawn(component, id="other")


async def test_a_function_has_no_namespace(open_: Open) -> None:
    async def nothing(actor: airssys.Actor) -> None:
        pass

    async with open_() as system:
        with pytest.raises(TypeError, match="takes no 'namespace'"):
            await system.spawn(nothing, namespace="a")


TREE = """
[[child]]
id = "old"
component = "old"
{old}
[[child]]
id = "below"
supervisor = {{}}
[[child.child]]
id = "new"
component = "new"
{new}
"""


async def test_a_tree_says_which_components_are_one(
    open_: Open, written: Written, tmp_path: Path
) -> None:
    written("old")
    written("new", version="2.0.0")
    silent = parse_tree(TREE.format(old="", new=""), source="tree.toml")
    said = parse_tree(TREE.format(old="", new='namespace = "acme/bank"'))
    async with open_() as system:
        with pytest.raises(airssys.NamespaceTaken):
            await system.start_tree(silent, folder=tmp_path)
    async with open_() as system:
        await system.start_tree(said, folder=tmp_path)
        await keep(system.actor("old"), "100")

        assert await recall(system.actor("new")) == b"100"


async def test_what_a_tree_gives_one_component_another_does_not_give_itself(
    open_: Open, written: Written, tmp_path: Path
) -> None:
    written("old")
    written("new", version="2.0.0")
    tree = parse_tree(TREE.format(old='namespace = "acme/bank"', new=""))
    async with open_() as system:
        with pytest.raises(airssys.NamespaceTaken):
            await system.start_tree(tree, folder=tmp_path)
