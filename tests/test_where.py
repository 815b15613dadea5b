from __future__ import annotations

import pytest

from .where import PROJECT, TABLE, modules, rows

ROWS = rows(TABLE.read_text())


def test_the_table_of_tests_names_every_module_and_no_other() -> None:
    assert sorted(ROWS) == modules(), "python -m tests.where writes tests/README.md"


@pytest.mark.parametrize("module", ROWS)
def test_the_tests_of_a_module_are_there(module: str) -> None:
    assert ROWS[module]
    assert [each for each in ROWS[module] if not (PROJECT / each).is_file()] == []
