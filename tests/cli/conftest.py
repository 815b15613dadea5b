from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from airssys.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICKSTART = EXAMPLES / "quickstart"

CALCULATOR: Final = r"""
(component
  (core module $code
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $top)
      (global.set $top (i32.add (global.get $top) (local.get 3))))
    (func (export "add") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1)))
    (func (export "mul") (param i32 i32) (result i32)
      (i32.mul (local.get 0) (local.get 1)))
    (func (export "half") (param i32) (result i32)
      (i32.store (i32.const 16) (i32.and (local.get 0) (i32.const 1)))
      (i32.store (i32.const 20) (i32.shr_u (local.get 0) (i32.const 1)))
      (i32.const 16))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "sum") (param i32 i32 i32 i32) (result i32)
      (i32.add (local.get 1) (local.get 3)))
    (func (export "rest"))
    (func (export "trap") unreachable)
    (func (export "spin") (loop $on (br $on))))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $memory))
  (alias core export $c "realloc" (core func $realloc))
  (func $add (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $c "add")))
  (func $mul (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $c "mul")))
  (func $half (param "n" u32) (result (result u32 (error u32)))
    (canon lift (core func $c "half") (memory $memory)))
  (func $echo (param "text" string) (result string)
    (canon lift (core func $c "echo") (memory $memory) (realloc $realloc)))
  (func $sum (param "a" (option u32)) (param "b" (option u32)) (result u32)
    (canon lift (core func $c "sum")))
  (func $rest (canon lift (core func $c "rest")))
  (func $trap (canon lift (core func $c "trap")))
  (func $spin (canon lift (core func $c "spin")))
  (export "add" (func $add))
  (export "half" (func $half))
  (export "echo" (func $echo))
  (export "sum" (func $sum))
  (export "rest" (func $rest))
  (export "trap" (func $trap))
  (export "spin" (func $spin))
  (instance $ops (export "mul" (func $mul)) (export "twice" (func $add)))
  (export "acme:calc/ops@1.0.0" (instance $ops))
  (instance $more (export "mul" (func $mul)))
  (export "acme:calc/more@1.0.0" (instance $more)))
"""


@frozen
class Ran:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def airssys(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run the command in this process."""
    monkeypatch.setenv("COLUMNS", "100")
    for variable in ("FORCE_COLOR", "AIRSSYS_CONFIG"):
        monkeypatch.delenv(variable, raising=False)

    def run(*tokens: object) -> Ran:
        capsys.readouterr()
        status = main([str(token) for token in tokens])
        said = capsys.readouterr()
        return Ran(status, said.out, said.err)

    return run


@pytest.fixture
def calculator(tmp_path: Path) -> Path:
    """Write a component whose functions return, fail, trap and never end."""
    file = tmp_path / "calculator.wat"
    file.write_text(CALCULATOR)
    return file


@pytest.fixture
def quickstart() -> Path:
    return QUICKSTART
