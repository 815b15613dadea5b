"""A section is a field of `Sections`; this names what else has to know it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from attrs import fields, resolve_types

from airssys.core.grants.capabilities import KINDS, PHRASES
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import PATTERN_KINDS, SECTIONS, Sections
from airssys.core.toml.rules import RULES

TOP = Path(__file__).parents[3]
CLASSES: dict[str, type[Any]] = {
    key.name: get_args(key.type)[0]
    for key in fields(resolve_types(Sections, include_extras=True))
    if key.name != "custom"
}
"""The class of each section that has actions; interfaces are those of ``custom``."""
ACTIONS = {
    (section, action.name)
    for section, class_ in CLASSES.items()
    for action in fields(class_)
}


def dotted(actions: set[tuple[str, str]]) -> list[str]:
    return sorted(".".join(action) for action in actions)


@pytest.mark.parametrize(
    ("place", "spelled"),
    [
        ("core.grants.grants.Grants", {key.name for key in fields(Grants)}),
        ("core.grants.capabilities.Capability", set(KINDS)),
    ],
)
def test_a_section_is_in_every_list_that_the_type_checker_needs(
    place: str, spelled: set[str]
) -> None:
    missing = sorted(set(SECTIONS) - spelled)

    assert not missing, f"{place} lacks {missing}, which core.grants.sections has"


def test_grants_have_no_more_than_the_sections() -> None:
    public = {key.name for key in fields(Grants) if not key.name.startswith("_")}

    assert public - {"expires", "forbidden"} == set(SECTIONS)
    assert set(KINDS) == set(SECTIONS)


@pytest.mark.parametrize("section", [name for name in CLASSES if name in KINDS])
def test_a_capability_has_the_actions_of_its_section(section: str) -> None:
    hint = get_type_hints(KINDS[section])["action"]
    named, granted = set(get_args(hint)), {key.name for key in fields(CLASSES[section])}
    kind, class_ = KINDS[section].__name__, CLASSES[section].__name__

    assert not granted - named, f"{kind}.action lacks {sorted(granted - named)}"
    assert not named - granted, f"{class_} lacks {sorted(named - granted)}"


def test_every_action_has_a_verb() -> None:
    missing, unknown = dotted(ACTIONS - set(PHRASES)), dotted(set(PHRASES) - ACTIONS)

    assert not missing, f"core.grants.capabilities.PHRASES lacks {missing}"
    assert not unknown, f"core.grants.capabilities.PHRASES has {unknown}, which is none"


def test_every_action_has_a_pattern_that_files_can_write() -> None:
    for section, class_ in CLASSES.items():
        for key in fields(resolve_types(class_, include_extras=True)):
            _pattern, word = get_args(get_args(key.type)[0])

            place = f"{section}.{key.name}: {word!r}"
            assert word in PATTERN_KINDS, f"sections.PATTERN_KINDS lacks {place}"
            assert word in RULES, f"core.toml.rules.RULES lacks {place}"


def test_guests_know_every_section() -> None:
    wit = (TOP / "wit" / "core" / "types.wit").read_text("utf-8")
    found = re.search(r"enum [a-z-]*section \{(.*?)\}", wit, re.DOTALL)
    assert found is not None
    missing = sorted(set(SECTIONS) - set(re.findall(r"[a-z][a-z-]*", found[1])))

    assert not missing, f"wit/core/types.wit lacks the sections {missing}"


def test_the_docs_have_every_section_and_action() -> None:
    page = (TOP / "docs" / "component-toml.md").read_text("utf-8")
    _, _, below = page.partition("\n### [capabilities]\n")
    said, section = set(), ""
    for line in re.findall(r"^\| .*", below.partition("\n### ")[0], re.MULTILINE):
        _, name, actions, *_ = line.split("|")
        section = name.strip(" `") or section  # a row without one goes on with the last
        said |= {(section, action) for action in re.findall(r"`(\w+)`", actions)}
    missing = dotted(ACTIONS - said)

    assert "`custom`" in below
    assert not missing, f"docs/component-toml.md lacks {missing} under [capabilities]"
