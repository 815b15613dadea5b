"""Write which tests reach which module, from what they were seen to run.

``python -m pytest -n auto --cov --cov-report= --cov-context=test`` leaves the data in
``.coverage``; ``python -m tests.where`` makes the table of ``tests/README.md`` of it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from coverage import CoverageData

import airssys

__all__ = ("TABLE", "main", "modules", "rows")

PROJECT: Final = Path(__file__).parent.parent
TABLE: Final = PROJECT / "tests" / "README.md"
_MOST: Final = 3
_START: Final = "| module | tests |\n|---|---|\n"


def modules() -> list[str]:
    """Return all modules that define something, as paths below ``airssys/``."""
    package = Path(airssys.__file__).parent
    return sorted(
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if path.stem not in {"__init__", "__main__"}
    )


def rows(text: str) -> dict[str, list[str]]:
    """Read the table: by module, the test files."""
    lines = text.partition(_START)[2].splitlines()
    cells = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in lines]
    return {module: tests.replace("`", "").split(", ") for module, tests in cells}


def _reached(data: CoverageData, module: str) -> list[str]:
    """Return the test files that run most of a module, those that mirror it first."""
    file = str(Path(airssys.__file__).parent / module)
    lines: Counter[str] = Counter()
    for contexts in data.contexts_by_lineno(file).values():
        lines.update({each.partition("::")[0] for each in contexts if "::" in each})
    mirrored = f"tests/{module.removesuffix('.py')}"
    mirrored = mirrored.rpartition("/")[0] + "/test_" + mirrored.rpartition("/")[2]

    def nearness(test: str) -> tuple[bool, int, str]:
        return not test.startswith(mirrored), -lines[test], test

    return sorted(lines, key=nearness)[:_MOST]


def main() -> None:
    """Write the table anew.

    Raises:
        SystemExit: There is no data, or it has no contexts.
    """
    data = CoverageData(str(PROJECT / ".coverage"))
    data.read()
    found = {module: _reached(data, module) for module in modules()}
    if not any(found.values()):
        raise SystemExit("run the tests with --cov --cov-context=test first")
    # What runs in processes of its own leaves no trace: its lines are kept.
    before = rows(TABLE.read_text())
    text = TABLE.read_text().partition(_START)[0] + _START
    for module, tests in found.items():
        named = [f"`{each}`" for each in tests or before.get(module, [])]
        text += f"| `{module}` | {', '.join(named)} |\n"
    TABLE.write_text(text)


if __name__ == "__main__":
    main()
