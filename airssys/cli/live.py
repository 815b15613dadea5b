"""Show a supervision tree while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rich.table import Table
from rich.text import Text

from ..core.child import Crashed, Normal, Stopped, unwrap
from ..supervision.status import ChildState, ChildStatus

__all__ = ("view",)


def view(
    name: str, children: Iterable[ChildStatus], taken: Callable[[str], int | None]
) -> Table:
    """Draw the tree at this moment.

    Args:
        name: The root supervisor's.
        children: The root's.
        taken: Tells how many messages an actor has taken; None: it is no actor.
    """
    table = Table(box=None, header_style="dim", pad_edge=False, expand=True)
    table.add_column("actor", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("restarts", justify="right")
    table.add_column("messages", justify="right")
    table.add_column("last exit", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_row(Text(name, style="bold magenta"))
    for guide, child in _walk(tuple(children), ""):
        messages = taken(child.id)
        table.add_row(
            Text.assemble((guide, "dim"), child.id),
            Text(child.state.value, style=_style(child.state)),
            str(child.restarts or ""),
            "" if messages is None else str(messages),
            _last_exit(child),
        )
    return table


def _style(state: ChildState) -> str:
    match state:
        case ChildState.RUNNING:
            return "green"
        case ChildState.STARTING | ChildState.STOPPING:
            return "cyan"
        case ChildState.RESTARTING:
            return "yellow"
        case ChildState.EXITED | ChildState.STOPPED:
            return "dim"


def _walk(
    children: tuple[ChildStatus, ...], before: str
) -> Iterator[tuple[str, ChildStatus]]:
    for number, child in enumerate(children, 1):
        last = number == len(children)
        yield f"{before}{'└── ' if last else '├── '}", child
        yield from _walk(child.children, f"{before}{'    ' if last else '│   '}")


def _last_exit(child: ChildStatus) -> Text:
    how = child.last_exit
    match how:
        case None:
            return Text("")
        case Crashed(error):
            return Text(f"{how.how}: {type(unwrap(error)).__name__}", style="red")
        case Normal() | Stopped():
            reason = f": {how.reason}" if how.reason else ""
            return Text(f"{how.how}{reason}", style="dim")
