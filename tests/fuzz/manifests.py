# ruff: noqa: PT017 - errors are judged here, not expected
"""Fuzz manifests: broken TOML, and tables that break the schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hypothesis import given, seed
from hypothesis import strategies as st

from airssys.core.errors import ManifestError
from airssys.core.manifests.manifest import parse_manifest

from .journal import Journal
from .values import RUNS

__all__ = ("round_",)

_ROOT: Final = Path(__file__).parents[2]
_TEXT: Final = (_ROOT / "examples/quickstart/tally/Component.toml").read_text()
_WORD: Final = re.compile(r'"[^"]*"|\s+|[\w.-]+|.')
_WORDS: Final = tuple(_WORD.findall(_TEXT))
_ODD: Final = (
    *("=", '"', "'''", "[", "]", "[[", "{", "}", "\0", "\\u0000", "\n", "#", ","),
    *("-1", "1e999", "nan", "99999999999999999999999999", "true", "0x_", '"\\ud800"'),
    *("1979-05-27T07:32:00Z", "[" * 500, "{a=" * 500, '""', "é", "\ud800", "[1, 'a']"),
    *("a.b.c", "memory", "resources", "package", "component", "version", "x" * 5000),
)


def round_(number: int, journal: Journal) -> None:
    """Change a manifest in made-up ways."""

    @seed(number)
    @RUNS
    @given(
        st.lists(
            st.tuples(
                st.integers(0, len(_WORDS)),
                st.integers(0, 5),
                st.sampled_from((*_ODD, *_WORDS)) | st.text(max_size=5),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def law(changes: list[tuple[int, int, str]]) -> None:
        words = list(_WORDS)
        for at, count, word in changes:
            words[at : at + count] = [word]
        text = "".join(words)
        journal.begin(text)
        try:
            parse_manifest(text)
        except ManifestError as error:
            assert error.problems, text
            for problem in error.problems:
                assert problem.strip(), error
                assert len(problem) < 10_000, error

    law()
