from __future__ import annotations

import sys
from pathlib import Path

import pytest

from airssys.core.errors import ManifestError
from airssys.system.trees import find_function

ACTOR = "async def run(actor):\n    return {answer}\n"


def test_modules_of_one_name_in_two_folders_stay_apart(tmp_path: Path) -> None:
    for name, answer in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "actors.py").write_text(ACTOR.format(answer=answer))

    before = list(sys.path)
    one = find_function("actors:run", tmp_path / "one", source="tree.toml")
    two = find_function("actors:run", tmp_path / "two", source="tree.toml")

    assert one is not two
    assert one is find_function("actors:run", tmp_path / "one", source="tree.toml")
    assert sys.path == before


def test_a_module_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "airssys_neighbour.py").write_text("ANSWER = 3\n")
    text = "from airssys_neighbour import ANSWER\n" + ACTOR.format(answer="ANSWER")
    (tmp_path / "actors.py").write_text(text)

    assert find_function("actors:run", tmp_path, source="tree.toml").__name__ == "run"


def test_installed_modules_are_found_too(tmp_path: Path) -> None:
    found = find_function("anyio:sleep", tmp_path, source="tree.toml")

    assert found.__module__.startswith("anyio")


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "actors:run", "no such function"),
        ("def broken(:\n", "actors:run", "invalid syntax"),
        ("import airssys_of_no_such_name\n", "actors:run", "airssys_of_no_such_name"),
        ("", "nowhere_to_be_found:run", "No module named 'nowhere_to_be_found'"),
    ],
)
def test_what_cannot_be_imported_is_a_problem_of_the_tree_file(
    tmp_path: Path, text: str, name: str, words: str
) -> None:
    (tmp_path / "actors.py").write_text(text)

    for _ in range(2):  # a module that failed is not remembered
        with pytest.raises(ManifestError, match="tree.toml has 1 problem") as raised:
            find_function(name, tmp_path, source="tree.toml")
        assert words in str(raised.value)
        assert name in str(raised.value)
