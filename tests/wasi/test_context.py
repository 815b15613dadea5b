from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from airssys.core.errors import UnknownImport
from airssys.engine.component import Engine
from airssys.testing import Recorder
from airssys.wasi import (
    BytesInput,
    BytesOutput,
    Context,
    FileInput,
    FileOutput,
    Lines,
    NoOutput,
    deterministic,
    open_interfaces,
)

from .chosen import chosen

pytestmark = pytest.mark.guest

NO_UNICODE = "\udcff"
"""What Python makes of the byte 255 in an argument or a variable of its own."""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"args": "app"}, r"args are several texts, not one"),
        ({"args": ["app", 1]}, r"args\[1\] must be a text, not int"),
        ({"args": [b"app"]}, r"args\[0\] must be a text, not bytes"),
        ({"env": {"A": 1}}, r"env\['A'\] must be a text, not int"),
        ({"env": {1: "A"}}, r"env: the name 1 must be a text"),
        ({"config": {"a": None}}, r"config\['a'\] must be a text"),
        ({"cwd": Path("/")}, r"cwd must be a text"),
        ({"preopens": {1: "/"}}, r"preopens: the name 1 must be a text"),
        ({"stdin": b"hello"}, r"'stdin' must be <class .*InputStream"),
        ({"stdin": BytesInput}, r"'stdin' must be <class .*InputStream"),
        ({"stdout": print}, r"'stdout' must be <class .*OutputStream"),
        ({"stderr": BytesInput()}, r"'stderr' must be <class .*OutputStream"),
        ({"clock": time}, r"clock: a module has no wall\(\)"),
        ({"random": 4}, r"'random' must be callable"),
    ],
)
def test_what_is_of_another_kind_is_refused_at_once(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        Context(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"args": ["a\0b"]}, r"args\[0\] holds a NUL"),
        ({"args": [NO_UNICODE]}, r"args\[0\] holds what is no Unicode"),
        ({"env": {"": "a"}}, r"'' names no variable"),
        ({"env": {"A=B": "a"}}, r"'A=B' names no variable"),
        ({"env": {"A\0": "a"}}, r"env: the name 'A\\x00' holds a NUL"),
        ({"env": {"A": "a\0"}}, r"env\['A'\] holds a NUL"),
        ({"env": {"A": NO_UNICODE}}, r"env\['A'\] holds what is no Unicode"),
        ({"config": {"a": NO_UNICODE}}, r"config\['a'\] holds what is no Unicode"),
        ({"config": {NO_UNICODE: "a"}}, r"config: the key .* is no Unicode"),
        ({"cwd": "/a\0"}, r"cwd holds a NUL"),
        ({"preopens": {NO_UNICODE: "/"}}, r"preopens: the name .* is no Unicode"),
        ({"preopens": {"/a": b"/b"}}, r"preopen '/a' is b'/b': use an absolute path"),
        (
            {"terminals": {"sdtin"}},
            r"'sdtin'\] are none of \['stderr', 'stdin', 'stdout'\]",
        ),
        ({"terminals": "stdin"}, r"are none of \['stderr', 'stdin', 'stdout'\]"),
    ],
)
def test_what_no_guest_can_be_given_is_refused_at_once(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Context(**given)
    # What a variable says may be a secret.
    assert "a\\x00" not in str(caught.value)


def test_streams_and_seeds_of_another_kind_are_refused_at_once() -> None:
    wrong: Any = "text"
    for made in (
        lambda: BytesInput(wrong),
        lambda: BytesOutput(limit=wrong),
        lambda: Lines(wrong),
        lambda: deterministic(wrong),
        lambda: deterministic(1.0),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            made()
    with pytest.raises(ValueError, match="limit"):
        BytesOutput(limit=-1)
    for file in (FileInput, FileOutput):
        with pytest.raises(ValueError, match="holds a NUL"):
            file(Path("/a\0"))


async def test_a_guest_finds_what_only_looks_odd() -> None:
    given = Context(
        args=["", "=", "\u202e"],
        env={" ": "=", "\U0001f600": ""},
        config={"": "\0", "a\0": "b"},
        cwd="",
        terminals=["stdout"],
        stdout=NoOutput(),
    )
    async with chosen("wasi:cli/environment", "wasi:config", context=given) as guest:
        assert await guest("environment#get-arguments") == ["", "=", "\u202e"]
        env = await guest("environment#get-environment")
        assert env == [(" ", "="), ("\U0001f600", "")]
        assert await guest("environment#initial-cwd") == ""
        assert await guest("store#get-all") == [("", "\0"), ("a\0", "b")]
    assert given.terminals == {"stdout"}


async def test_another_word_of_what_is_missing_is_refused() -> None:
    component = await Engine(cache=False).compile(
        '(component (import "a:b/c" (instance (export "f" (func)))))'
    )
    async with open_interfaces() as offered:
        others: Any = ("foo", "Trap", "", None, True, [])
        for wrong in others:
            with pytest.raises(ValueError, match="neither 'refuse' nor 'trap'"):
                await component.instantiate(offered, missing=wrong)
        with pytest.raises(UnknownImport):
            await component.instantiate(offered)
        with pytest.raises(TypeError, match="Grants or a Standing, not a str"):
            await component.instantiate(offered, grants="all")  # type: ignore[arg-type]
        (await component.instantiate(offered, missing="trap")).close()


async def test_what_is_no_gate_opens_nothing() -> None:
    wrong: Any = Recorder()
    with pytest.raises(
        TypeError, match=r"a Recorder is no Gate: use Gate\(...\) of it"
    ):
        async with open_interfaces(wrong):
            pass
    with pytest.raises(TypeError, match="a Recorder is no Facilities"):
        async with open_interfaces(None, wrong):
            pass
