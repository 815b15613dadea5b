"""The components that are measured, as text."""

from __future__ import annotations

from typing import Final

__all__ = ("ADD", "ECHO", "ECHO_LARGE", "FIB", "HOST", "THROUGH_HOST", "TINY")

TINY: Final = """(component
  (core module $m (memory (export "mem") 1)
    (func (export "add") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $i "add"))))"""
ADD: Final = TINY

ECHO: Final = """(component
  (core module $m
    (memory (export "mem") 64)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16)))
  (core instance $i (instantiate $m))
  (func (export "bytes") (param "x" (list u8)) (result (list u8))
    (canon lift (core func $i "echo")
      (memory (core memory $i "mem")) (realloc (core func $i "realloc"))))
  (func (export "text") (param "x" string) (result string)
    (canon lift (core func $i "echo")
      (memory (core memory $i "mem")) (realloc (core func $i "realloc")))))"""
"""Gives back what it was given."""

ECHO_LARGE: Final = ECHO.replace('"mem") 64)', '"mem") 200)')
"""The same with room for 8 MiB."""

THROUGH_HOST: Final = """(component
  (import "turn" (func $turn (param "x" (list u8)) (result (list u8))))
  (core module $memory
    (memory (export "mem") 64)
    (global $at (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $at (i32.xor (global.get $at) (i32.const 0x100000)))
      (global.get $at)))
  (core instance $mem (instantiate $memory))
  (core func $lowered (canon lower (func $turn)
    (memory (core memory $mem "mem")) (realloc (core func $mem "realloc"))))
  (core module $m
    (import "host" "turn" (func $turn (param i32 i32 i32)))
    (func (export "bytes") (param i32 i32) (result i32)
      (call $turn (local.get 0) (local.get 1) (i32.const 16))
      (i32.const 16)))
  (core instance $i
    (instantiate $m (with "host" (instance (export "turn" (func $lowered))))))
  (func (export "bytes") (param "x" (list u8)) (result (list u8))
    (canon lift (core func $i "bytes")
      (memory (core memory $mem "mem")) (realloc (core func $mem "realloc")))))"""
"""Gives back what the host gives back; blocks lie in two places by turns."""

HOST: Final = """(component
  (import "twice" (func $twice (param "n" u32) (result u32)))
  (core func $lowered (canon lower (func $twice)))
  (core module $m
    (import "host" "twice" (func $twice (param i32) (result i32)))
    (func (export "repeat") (param $times i32) (result i32)
      (local $sum i32)
      (loop $next
        (local.set $sum
          (i32.add (local.get $sum) (call $twice (local.get $times))))
        (br_if $next
          (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (local.get $sum)))
  (core instance $i
    (instantiate $m (with "host" (instance (export "twice" (func $lowered))))))
  (func (export "repeat") (param "times" u32) (result u32)
    (canon lift (core func $i "repeat"))))"""
"""Calls the host that many times and adds up what it says."""

FIB: Final = """(component
  (core module $m
    (memory (export "mem") 1)
    (func $fib (export "fib") (param i32) (result i32)
      (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
        (then (local.get 0))
        (else (i32.add
          (call $fib (i32.sub (local.get 0) (i32.const 1)))
          (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "spin") (loop $again (br $again))))
  (core instance $i (instantiate $m))
  (func (export "fib") (param "n" u32) (result u32) (canon lift (core func $i "fib")))
  (func (export "spin") (canon lift (core func $i "spin"))))"""
"""Computes for a while, or for ever."""
