"""Check a tree file where values depend on each other: kinds of children, and ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..child import Restart
from ..defaults import ROOT
from ..message import check_topic
from ..restart import AutoShutdown
from ..toml.lines import KeyPath
from ..toml.schema import Problem

__all__ = ("NEVER_ENDS", "check_tree")

_KINDS: Final = ("component", "actor", "supervisor")
_HEEDLESS: Final = [each.value for each in AutoShutdown if not each.heeds_children]
_ENDLESS: Final = [each.value for each in Restart if not each.may_end]
# Lists, as what is looked for may be of any type, also one without a hash.
_BELONGS: Final[Mapping[str, str]] = {
    "resources": "component",
    "capabilities": "component",
    "config": "component",
    "wasi": "component",
    "start": "component",
    "namespace": "component",
    "args": "actor",
    "child": "supervisor",
}


def check_tree(table: Mapping[str, object]) -> Iterator[Problem]:
    """Check the parsed table, in which anything may still be of a wrong type."""
    ids: dict[object, Mapping[str, object]] = {
        table.get("name", ROOT): {"supervisor": True}
    }
    yield from _check_children(table, (), ids)
    for index, message in enumerate(_tables(table, "message")):
        yield from _check_message(message, ("message", index), ids)


def _check_children(
    parent: Mapping[str, object], path: KeyPath, ids: dict[object, Mapping[str, object]]
) -> Iterator[Problem]:
    rules = parent.get("supervisor")
    ends = rules.get("auto_shutdown") if isinstance(rules, dict) else None
    never = ends is None or ends in _HEEDLESS
    for index, child in enumerate(_tables(parent, "child")):
        here = (*path, "child", index)
        id_ = child.get("id")
        if isinstance(id_, str) and ids.setdefault(id_, child) is not child:
            yield Problem((*here, "id"), f"id {id_!r} is used twice")
        yield from _check_kind(child, here)
        if child.get("significant") is True:
            yield from _check_significant(child, here, never=never)
        yield from _check_children(child, here, ids)


def _check_kind(child: Mapping[str, object], path: KeyPath) -> Iterator[Problem]:
    kinds = [kind for kind in _KINDS if kind in child]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none of them"
        yield Problem(path, f"a child needs one of {', '.join(_KINDS)}, got {got}")
        return
    for key, kind in _BELONGS.items():
        if key in child and kind not in kinds:
            article = "an" if kind == "actor" else "a"
            yield Problem((*path, key), f"{key!r} is only for {article} {kind}")


def _check_significant(
    child: Mapping[str, object], path: KeyPath, *, never: bool
) -> Iterator[Problem]:
    place = (*path, "significant")
    if never:
        yield Problem(
            place,
            "no child can be significant: its supervisor's auto_shutdown is 'never'",
        )
    # What a component does without its own 'restart' is known with its manifest.
    unsaid = None if "component" in child else Restart.PERMANENT.value
    if child.get("restart", unsaid) in _ENDLESS:
        yield Problem(place, NEVER_ENDS)


NEVER_ENDS: Final = (
    "a permanent child cannot be significant, since it never ends by itself: "
    "add restart = 'transient' or 'temporary'"
)


def _check_message(
    message: Mapping[str, object],
    path: KeyPath,
    ids: Mapping[object, Mapping[str, object]],
) -> Iterator[Problem]:
    to, topic = message.get("to"), message.get("topic")
    if (to is None) == (topic is None):
        yield Problem(path, "a message needs either 'to' or 'topic'")
    actors = sorted(str(id_) for id_, child in ids.items() if "supervisor" not in child)
    if isinstance(to, str) and to not in actors:
        known = ", ".join(map(repr, actors)) or "none"
        yield Problem((*path, "to"), f"no actor has the id {to!r} (there are: {known})")
    if isinstance(topic, str):
        try:
            check_topic(topic)
        except ValueError as error:
            yield Problem((*path, "topic"), str(error))


def _tables(table: Mapping[str, object], key: str) -> Iterator[dict[str, object]]:
    found = table.get(key)
    for one in found if isinstance(found, list) else ():
        yield one if isinstance(one, dict) else {}
