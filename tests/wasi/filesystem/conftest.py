from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that is its own canonical path, beside one that is not granted.

    What is in it: ``a.txt``, ``sub/b.txt``, ``link`` to ``a.txt``.
    """
    root = tmp_path.resolve() / "granted"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"alpha")
    (root / "sub" / "b.txt").write_bytes(b"beta")
    (root / "link").symlink_to("a.txt")
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(b"secret")
    return root
