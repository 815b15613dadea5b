"""The examples of docs/component-toml.md are read by what they are examples of."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

import pytest
from attrs import NOTHING, fields

from airssys.config import load_config
from airssys.core.child import Restart
from airssys.core.levels import LogLevel
from airssys.core.limits import MIB, QUOTAS, SharedQuota
from airssys.core.manifests.host import Profile
from airssys.core.manifests.manifest import parse_manifest
from airssys.core.manifests.resources import Resources
from airssys.core.manifests.tree import parse_tree
from airssys.core.message import Overflow
from airssys.core.restart import AutoShutdown, Strategy

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "component-toml.md"


def example(name: str) -> str:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if block.startswith(f"# {name}\n")]
    return str(block)


def rows(heading: str) -> dict[str, list[str]]:
    """Return the table under a heading, by what is in its first column."""
    _, _, below = PAGE.read_text("utf-8").partition(f"\n{heading}\n")
    lines = re.split(r"\n##+ ", below)[0].splitlines()
    cells = [line.strip("|").split(" | ") for line in lines if line.startswith("| `")]
    return {key.strip(" `"): [cell.strip() for cell in rest] for key, *rest in cells}


def test_the_manifest_of_the_docs_is_read() -> None:
    assert str(parse_manifest(example("Component.toml")).name) == "acme/counter"


def test_the_tree_of_the_docs_is_read() -> None:
    assert len(parse_tree(example("tree.toml")).root.children) == 3


def test_the_host_file_of_the_docs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    path.write_text(example("host.toml"))

    assert load_config(path, environ={}).name == "edge"


def test_the_docs_have_every_key_of_resources_with_its_default() -> None:
    said = {key: default for key, (default, _) in rows("### [resources]").items()}
    keys = {key.name for key in fields(Resources)}
    missing, unknown = sorted(keys - set(said)), sorted(set(said) - keys)

    assert not missing, f"docs/component-toml.md lacks {missing} under [resources]"
    assert not unknown, f"docs/component-toml.md has {unknown} under [resources]"
    required = [key.name for key in fields(Resources) if key.default is NOTHING]
    assert [key for key in said if said[key] == "required"] == required
    follow = {key.name for key in fields(Resources) if key.default is None}
    fixed = {key: default for key, default in said.items() if key not in follow}
    values = {**fixed, "memory": '"1MiB"', "fuel": "1", "timeout": '"1s"'}
    lines = "\n".join(f"{key} = {value.strip('`')}" for key, value in values.items())
    front, _, _ = example("Component.toml").partition("[resources]")
    read = parse_manifest(f"{front}[resources]\n{lines}")
    assert read.resources == Resources(memory=MIB, fuel=1, timeout=1.0)


@pytest.mark.parametrize(
    ("heading", "key", "words"),
    [
        ("### [resources]", "overflow", Overflow),
        ("### [supervision]", "restart", Restart),
        ("## Tree files", "strategy", Strategy),
        ("## Tree files", "auto_shutdown", AutoShutdown),
        ("## Host files", "profile", Profile),
        ("## Host files", "log", LogLevel),
    ],
)
def test_the_docs_have_every_word_that_a_key_can_have(
    heading: str, key: str, words: type[Enum]
) -> None:
    said = set(re.findall(r"[\w-]+", " ".join(rows(heading)[key])))
    missing = sorted({one.value for one in words} - said)

    assert not missing, f"docs/component-toml.md lacks {missing} at {key!r}"


def test_the_how_to_has_every_strategy() -> None:
    page = (DOCS / "how-to" / "supervise.md").read_text("utf-8")
    missing = [one.name for one in Strategy if f"`{one.name}`" not in page]

    assert not missing, f"docs/how-to/supervise.md lacks the strategies {missing}"


def test_the_docs_have_every_quota_that_a_supervisor_can_carry() -> None:
    _, said = rows("## Tree files")["quota"]
    missing = [key.name for key in fields(SharedQuota) if f"`{key.name}`" not in said]

    assert not missing, f"docs/component-toml.md lacks {missing} in a tree's quota"


def test_the_how_to_names_every_quota() -> None:
    page = (DOCS / "how-to" / "grants.md").read_text("utf-8")
    (line,) = [line for line in page.splitlines() if " has the quotas " in line]
    missing = [word for word in QUOTAS if f"`{word}`" not in line]

    assert not missing, f"docs/how-to/grants.md lacks the quotas {missing}"
