"""Write any text as a key of storage, so that grants see it as the guest wrote it.

Keys of our storage are printable, in segments between slashes, none of them empty or
made of dots. WASI's are any text. What would not do is written in per cent, as URLs do:
``/a b`` is ``%2Fa b``, ``..`` is ``%2E%2E``; what is a key already stays as it is, but
for the per cent sign.
"""

from __future__ import annotations

from urllib.parse import unquote

__all__ = ("spelled", "spelled_name", "unspelled")


def spelled(key: str) -> str:
    """Return the key that stands for a text; no other text has the same."""
    return "/".join(map(_segment, _segments(key)))


def spelled_name(name: str) -> str:
    """Return one segment of a key that stands for a text."""
    return _segment(name).replace("/", "%2F")


def unspelled(key: str) -> str | None:
    """Return the text that a key stands for; None: it stands for none."""
    try:
        text = unquote(key, errors="strict")
    except UnicodeDecodeError:
        return None
    return text if spelled(text) == key else None


def _segments(key: str) -> list[str]:
    """Split a text at its slashes, but for those beside which nothing is."""
    segments: list[str] = []
    for part in key.split("/"):
        if segments and (not part or not segments[-1].strip("/")):
            segments[-1] += f"/{part}"
        else:
            segments.append(part)
    return segments


def _segment(text: str) -> str:
    if text in {".", ".."}:
        return text.replace(".", "%2E")
    if text.isprintable() and "%" not in text and "/" not in text:
        return text
    return "".join(
        one if one.isprintable() and one not in "%/" else _in_per_cent(one)
        for one in text
    )


def _in_per_cent(one: str) -> str:
    return "".join(f"%{byte:02X}" for byte in one.encode())
