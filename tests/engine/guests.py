"""Small components, as text, for the tests of the engine."""

from __future__ import annotations

from typing import Final

MEMORY: Final = r"""
  ;; A memory, an allocator that only goes up, and a way to start over after a call.
  (core module $memory
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 65536))
    (func (export "realloc")
      (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
      (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (block $fits (loop $more
        (br_if $fits (i32.le_u (global.get $top)
          (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
        (br $more)))
      (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
      (local.get $at))
    (func (export "reset") (param i32) (global.set $top (i32.const 65536))))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))
  (alias core export $m "reset" (core func $reset))
"""

PAD: Final = (0,) * 16
"""The second argument of echo functions of compound types.

More than 16 flat parameters cross in memory, so the guest gets one pointer, with the
value behind it just as a result must lie there: it returns the pointer.
"""
_PAD: Final = f'(param "pad" (tuple {"u32 " * 16}))'


def named(types: dict[str, str]) -> str:
    """Export types by name, as functions that use them require."""
    return "\n".join(
        f'(type ${name}-0 {text}) (export ${name} "{name}" (type ${name}-0))'
        for name, text in types.items()
    )


def echo(type_: str, types: dict[str, str] | None = None, *, flat: str = "") -> str:
    """Return a component that exports ``echo``, which returns its first argument.

    Args:
        type_: The type, as component text.
        types: Named types it uses.
        flat: The core type of a value that is one core value; otherwise the function
            takes `PAD` too.
    """
    if flat:
        return f"""(component
          {named(types or {})}
          (core module $code
            (func (export "echo") (param {flat}) (result {flat}) (local.get 0)))
          (core instance $c (instantiate $code))
          (func (export "echo") (param "x" {type_}) (result {type_})
            (canon lift (core func $c "echo"))))"""
    return f"""(component
      {MEMORY} {named(types or {})}
      (core module $code
        (func (export "echo") (param i32) (result i32) (local.get 0)))
      (core instance $c (instantiate $code))
      (func (export "echo") (param "x" {type_}) {_PAD} (result {type_})
        (canon lift (core func $c "echo") (memory $mem) (realloc $realloc)
          (post-return $reset))))"""


def through_host(
    type_: str, types: dict[str, str] | None = None, *, flat: str = ""
) -> str:
    """Return a component whose ``echo`` returns what the host's ``pass`` returns."""
    inside = "\n".join(
        f'(type ${name}-0 {text}) (export "{name}" (type ${name} (eq ${name}-0)))'
        for name, text in (types or {}).items()
    )
    outside = "\n".join(
        f'(alias export $host "{name}" (type ${name}))' for name in types or {}
    )
    pad = "" if flat else _PAD
    imported = f"""
      (import "test:host/api" (instance $host
        {inside}
        (export "pass" (func (param "x" {type_}) {pad} (result {type_})))))
      {outside}"""
    if flat:
        return f"""(component {imported}
          (core func $pass (canon lower (func $host "pass")))
          (core module $code
            (import "host" "pass" (func $pass (param {flat}) (result {flat})))
            (func (export "echo") (param {flat}) (result {flat})
              (call $pass (local.get 0))))
          (core instance $c (instantiate $code
            (with "host" (instance (export "pass" (func $pass))))))
          (func (export "echo") (param "x" {type_}) (result {type_})
            (canon lift (core func $c "echo"))))"""
    return f"""(component {imported} {MEMORY}
      (core func $pass (canon lower (func $host "pass")
        (memory $mem) (realloc $realloc)))
      (core module $code
        (import "host" "pass" (func $pass (param i32 i32)))
        (func (export "echo") (param i32) (result i32)
          (call $pass (local.get 0) (i32.const 1024)) (i32.const 1024)))
      (core instance $c (instantiate $code
        (with "host" (instance (export "pass" (func $pass))))))
      (func (export "echo") (param "x" {type_}) {_PAD} (result {type_})
        (canon lift (core func $c "echo") (memory $mem) (realloc $realloc)
          (post-return $reset))))"""


def code(body: str, *functions: str) -> str:
    """Return a component of one core module; a function is ``name`` or ``name -> u32``.

    Functions take what the text between their name and the arrow says, such as
    ``(param "n" u32)``.
    """
    lifted = []
    for function in functions:
        head, _, result = function.partition(" -> ")
        name, _, params = head.partition(" ")
        result = f"(result {result})" if result else ""
        lifted.append(
            f'(func (export "{name}") {params} {result}'
            f' (canon lift (core func $c "{name}")))'
        )
    return f"""(component
      (core module $code {body})
      (core instance $c (instantiate $code))
      {" ".join(lifted)})"""


ADD: Final = code(
    '(func (export "add") (param i32 i32) (result i32)'
    " (i32.add (local.get 0) (local.get 1)))",
    'add (param "a" u32) (param "b" u32) -> u32',
)
SPIN: Final = code(
    '(func (export "spin") (loop (br 0)))'
    '(func (export "answer") (result i32) (i32.const 42))',
    "spin",
    "answer -> u32",
)
"""``spin`` never ends."""
COUNT: Final = code(
    """(func (export "count") (param i32) (result i32)
         (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
         (i32.const 7))""",
    'count (param "n" u32) -> u32',
)
"""``count(n)`` takes about 5 n fuel."""


def asks_host(
    function: str = '(func (param "n" u32) (result u32))',
    *,
    interface: str = "test:host/api",
    name: str = "ask",
) -> str:
    """Return a component whose ``run(n)`` returns what the host's function returns."""
    return f"""(component
      (import "{interface}" (instance $host (export "{name}" {function})))
      (core func $ask (canon lower (func $host "{name}")))
      (core module $code
        (import "host" "ask" (func $ask (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (call $ask (local.get 0)))
        (func (export "spin") (loop (drop (call $ask (i32.const 0))) (br 0)))
        (func (export "compute") (param i32) (result i32) (local i32)
          (local.set 1 (i32.const 1000000))
          (loop (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
          (call $ask (local.get 0))))
      (core instance $c (instantiate $code
        (with "host" (instance (export "ask" (func $ask))))))
      (func (export "run") (param "n" u32) (result u32)
        (canon lift (core func $c "run")))
      (func (export "spin") (canon lift (core func $c "spin")))
      (func (export "compute") (param "n" u32) (result u32)
        (canon lift (core func $c "compute"))))"""
