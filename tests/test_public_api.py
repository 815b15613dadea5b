from __future__ import annotations

import importlib
import pkgutil
import re
from inspect import isfunction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import airssys
from airssys import _door

PROJECT = Path(__file__).parent.parent
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(airssys.__path__, "airssys.")
    if not name.endswith("__main__")
]
PAGES = [
    *(page for page in PROJECT.glob("docs/**/*.md") if page.name != "architecture.md"),
    PROJECT / "README.md",
    *PROJECT.glob("examples/**/*.py"),
    *PROJECT.glob("tests/bindgen/golden/*.py"),
]
FACES = {"airssys", *(f"airssys.{face}" for face in _door.FACES)}


def public(module: ModuleType) -> set[str]:
    """Return what a module defines itself and does not hide."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and (isinstance(value, type) or isfunction(value))
        and name != "evolve"  # of attrs, which does not say where it comes from
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_what_it_defines(name: str) -> None:
    module: Any = importlib.import_module(name)
    if name.rpartition(".")[2].startswith("_") or hasattr(module, "__path__"):
        return

    assert isinstance(module.__all__, tuple)
    assert all(hasattr(module, each) for each in module.__all__)
    assert public(module) <= set(module.__all__)


# --- the front door ---------------------------------------------------------------


@pytest.mark.parametrize("name", _door.names())
def test_the_front_door_opens_every_name_it_lists(name: str) -> None:
    value = getattr(airssys, name)

    assert name in dir(airssys)
    home = importlib.import_module(_door.homes()[name], "airssys")
    assert value is getattr(home, name)
    assert name in _door.FACES or name in home.__all__


def test_a_star_import_brings_every_name() -> None:
    found: dict[str, object] = {}

    exec("from airssys import *", found)  # noqa: S102 - it only works in a module

    assert set(_door.names()) <= set(found)


@pytest.mark.parametrize("face", ["errors", "events"])
def test_all_errors_and_events_are_at_the_front_door(face: str) -> None:
    assert set(getattr(airssys, face).__all__) - set(_door.names()) == set()


def test_grants_has_every_section_and_what_is_asked_of_it() -> None:
    grants = airssys.grants

    held = {f"{each.title()}Grants" for each in grants.SECTIONS} - {
        "CustomGrants",  # each is for an interface: `CustomGrant`
    }
    needed = {each.title() for each in grants.SECTIONS}
    missing = sorted((held | needed) - set(grants.__all__))
    away = sorted(held - set(_door.names()))

    assert not missing, f"airssys/grants.py lacks {missing}"
    assert not away, f"airssys/__init__.pyi lacks {away}"


def test_the_front_door_knows_its_version() -> None:
    assert airssys.__version__.count(".") == 2


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Enigne", r"'Enigne' \(did you mean airssys.Engine\?\)$"),
        ("Filesystem", r"'Filesystem' \(it is airssys.grants.Filesystem\)$"),
        ("Recordre", r"'Recordre' \(did you mean airssys.testing.Recorder\?\)$"),
        ("zzz", "'zzz'$"),
        ("__wrapped__", "'__wrapped__'$"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_the_nearest(
    name: str, hint: str
) -> None:
    with pytest.raises(AttributeError, match=hint):
        getattr(airssys, name)


# --- what docs, examples and bindings use -----------------------------------------


def imported(text: str) -> set[str]:
    """Return the modules of airssys that Python code, or a page with code, imports."""
    found = re.findall(r"^\s*(?:from|import)\s+(airssys[\w.]*)", text, re.MULTILINE)
    return {each for each in found if not each.endswith(".h")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_docs_examples_and_bindings_import_only_what_is_public(page: Path) -> None:
    text = page.read_text()

    assert imported(text) - FACES == set()
    # Nor do they name anything further in, as in `airssys.core.event.Denied`.
    named = set(re.findall(r"\bairssys\.(?:[a-z_]+\.)+\w+", text))
    inside = {each for each in named if each.rpartition(".")[0] not in FACES}
    assert {each for each in inside if each.split(".")[1] not in _door.names()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_what_docs_and_examples_name_at_the_front_door_is_there(page: Path) -> None:
    text = page.read_text()
    code = re.sub(r"^`{3}(?!python).*?^`{3}", "", text, flags=re.DOTALL | re.MULTILINE)

    for face, name in re.findall(r"(?<![\w./])(airssys(?:\.[a-z]+)?)\.(\w+)", code):
        if face in FACES and name not in {"h", "c", "toml", "example"}:
            assert hasattr(importlib.import_module(face), name), name


def test_the_check_of_imports_can_fail() -> None:
    assert imported("from airssys.core import errors\n") - FACES == {"airssys.core"}
