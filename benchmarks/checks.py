"""What the rules cost: a capability check, and reading a manifest."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from airssys.core.capability import Grants, Messaging, MessagingGrants
from airssys.core.manifest import parse_manifest

from .measure import Effort, Row, blocking, compare, run_on

__all__ = ("rows",)

MANIFEST = Path(__file__).parent.parent / "examples/quickstart/counter/Component.toml"


def rows(effort: Effort) -> Iterator[Row]:
    yield from run_on("trio", _checks, effort)


async def _checks(effort: Effort) -> list[Row]:
    grants = Grants(messaging=MessagingGrants(send=("acme/**", "tools/*", "billing")))
    text = MANIFEST.read_text()

    def denied(target: str) -> bool:
        # A fresh value for each check, as a host call makes one.
        return grants.check(Messaging("send", target)) is not None

    def parsed() -> str:
        return str(parse_manifest(text).name)

    def loaded() -> str:
        name: str = tomllib.loads(text)["package"]["name"]
        return name

    name = "quickstart/counter"
    return [
        *await compare(
            effort,
            "capability check, granted",
            blocking(denied, "tools/resize", gives=False),
        ),
        *await compare(
            effort,
            "capability check, denied",
            blocking(denied, "other/resize", gives=True),
        ),
        *await compare(
            effort,
            "parse a manifest",
            blocking(parsed, gives=name),
            {"tomllib alone": blocking(loaded, gives=name)},
        ),
    ]
