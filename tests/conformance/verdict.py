"""Say how the directives of scripts went, and print it."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

__all__ = ("Outcome", "Report", "Verdict", "printed", "total")


class Outcome(enum.Enum):
    """How a directive went."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@frozen
class Verdict:
    """How one directive went."""

    line: int
    directive: str
    """Its word, such as ``assert_return``."""
    outcome: Outcome
    reason: str = ""
    """Why it failed or was skipped; of what passed, what airssys said."""


@frozen
class Report:
    """How a script went."""

    path: Path
    verdicts: tuple[Verdict, ...]

    def count(self, outcome: Outcome) -> int:
        """Return how many directives went that way."""
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def failed(self) -> bool:
        """Whether any directive failed."""
        return self.count(Outcome.FAILED) > 0


def _counts(counts: Counter[Outcome]) -> str:
    # The line that ends a run names them all, even where there are none.
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)


def printed(report: Report, *, verbose: bool = False) -> Iterator[str]:
    """Yield the lines for one script: its counts, then what did not pass.

    Args:
        report: How the script went.
        verbose: Also print what passed.
    """
    counts = Counter(verdict.outcome for verdict in report.verdicts)
    yield f"{report.path}: {_counts(counts)}"
    for verdict in report.verdicts:
        if verdict.outcome is Outcome.PASSED and not verbose:
            continue
        reason = f": {verdict.reason}" if verdict.reason else ""
        yield (
            f"  line {verdict.line}: {verdict.directive} "
            f"{verdict.outcome.value}{reason}"
        )


def total(reports: Iterable[Report]) -> Iterator[str]:
    """Yield the lines that end a run: why directives were skipped, then the counts."""
    verdicts = [verdict for report in reports for verdict in report.verdicts]
    skipped = Counter(
        verdict.reason for verdict in verdicts if verdict.outcome is Outcome.SKIPPED
    )
    for reason, times in skipped.most_common():
        yield f"skipped {times}: {reason}"
    yield _counts(Counter(verdict.outcome for verdict in verdicts))
