;; Components within components: aliases outward and inward, instances made of exports,
;; imports that are types, functions, instances, components and core modules.

;; --- an inner component sees the outer one's types, modules and components ---
(component
  (core module $code (func (export "one") (result i32) (i32.const 1)))
  (type $number u32)
  (component $leaf
    (core instance $c (instantiate $code))
    (func (export "one") (result u32) (canon lift (core func $c "one"))))
  (component $middle
    (instance $inner (instantiate $leaf))
    (alias outer 1 $code (core module $again))
    (core instance $c (instantiate $again))
    (func $own (result $number) (canon lift (core func $c "one")))
    (export "inner" (instance $inner))
    (export "own" (func $own)))
  (instance $m (instantiate $middle))
  (alias export $m "inner" (instance $inner))
  (alias export $inner "one" (func $one))
  (export "through" (func $one))
  (export "own" (func $m "own"))
  (export "whole" (instance $m))
  (export "test:nesting/leaf@1.0.0" (instance $inner)))
(assert_return (invoke "through") (u32.const 1))
(assert_return (invoke "own") (u32.const 1))
(assert_return (invoke "test:nesting/leaf@1.0.0#one") (u32.const 1))

;; --- a component as an argument of another: what it is made of is chosen outside ---
(component
  (component $adds
    (import "by" (func $by (result u32)))
    (core func $by (canon lower (func $by)))
    (core module $code
      (import "" "by" (func $by (result i32)))
      (func (export "add") (param i32) (result i32)
        (i32.add (local.get 0) (call $by))))
    (core instance $c (instantiate $code (with "" (instance
      (export "by" (func $by))))))
    (func (export "add") (param "x" u32) (result u32)
      (canon lift (core func $c "add"))))
  (component $constant
    (import "code" (core module $code (export "n" (func (result i32)))))
    (core instance $c (instantiate $code))
    (func (export "n") (result u32) (canon lift (core func $c "n"))))
  (component $makes
    (import "adder" (component $adder
      (import "by" (func (result u32)))
      (export "add" (func (param "x" u32) (result u32)))))
    (import "amount" (instance $amount (export "n" (func (result u32)))))
    (instance $a (instantiate $adder (with "by" (func $amount "n"))))
    (export "add" (func $a "add")))
  (core module $three (func (export "n") (result i32) (i32.const 3)))
  (core module $five (func (export "n") (result i32) (i32.const 5)))
  (instance $three (instantiate $constant (with "code" (core module $three))))
  (instance $five (instantiate $constant (with "code" (core module $five))))
  (instance $by-three (instantiate $makes
    (with "adder" (component $adds)) (with "amount" (instance $three))))
  (instance $by-five (instantiate $makes
    (with "adder" (component $adds))
    (with "amount" (instance (export "n" (func $five "n"))))))
  (export "three" (func $by-three "add"))
  (export "five" (func $by-five "add")))
(assert_return (invoke "three" (u32.const 10)) (u32.const 13))
(assert_return (invoke "five" (u32.const 10)) (u32.const 15))
(assert_return (invoke "three" (u32.const 0xffffffff)) (u32.const 2))

;; --- two instances of one component share nothing ---
(component
  (component $counter
    (core module $code
      (global $n (mut i32) (i32.const 0))
      (func (export "up") (result i32)
        (global.set $n (i32.add (global.get $n) (i32.const 1)))
        (global.get $n)))
    (core instance $c (instantiate $code))
    (func (export "up") (result u32) (canon lift (core func $c "up"))))
  (instance $a (instantiate $counter))
  (instance $b (instantiate $counter))
  (export "a" (func $a "up"))
  (export "b" (func $b "up"))
  (export "a-again" (func $a "up")))
(assert_return (invoke "a") (u32.const 1))
(assert_return (invoke "a") (u32.const 2))
(assert_return (invoke "b") (u32.const 1))
(assert_return (invoke "a-again") (u32.const 3))

;; --- strings and lists go from memory to memory, whatever their encodings ---
(component
  (component $upper
    (core module $code
      (memory (export "memory") 1)
      (global $top (mut i32) (i32.const 1024))
      (func (export "realloc") (param $old i32) (param $was i32) (param $align i32)
        (param $size i32) (result i32) (local $at i32)
        (local.set $at (i32.and
          (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (memory.copy (local.get $at) (local.get $old) (local.get $was))
        (local.get $at))
      ;; Make the first letter, of two bytes, a capital one.
      (func (export "f") (param i32 i32) (result i32)
        (i32.store16 (local.get 0)
          (i32.sub (i32.load16_u (local.get 0)) (i32.const 32)))
        (i32.store (i32.const 16) (local.get 0))
        (i32.store (i32.const 20) (local.get 1))
        (i32.const 16)))
    (core instance $c (instantiate $code))
    (alias core export $c "memory" (core memory $memory))
    (alias core export $c "realloc" (core func $realloc))
    (func (export "f") (param "x" string) (result string)
      (canon lift (core func $c "f") (memory $memory) (realloc $realloc)
        string-encoding=utf16)))
  (instance $upper (instantiate $upper))
  (core module $libc
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $was i32) (param $align i32)
      (param $size i32) (result i32) (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (memory.copy (local.get $at) (local.get $old) (local.get $was))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $f (canon lower (func $upper "f") (memory $memory) (realloc $realloc)))
  (core module $code
    (import "" "f" (func $f (param i32 i32 i32)))
    (func (export "f") (param i32 i32) (result i32)
      (call $f (local.get 0) (local.get 1) (i32.const 16))
      (i32.const 16)))
  (core instance $c (instantiate $code (with "" (instance (export "f" (func $f))))))
  (func (export "capital") (param "x" string) (result string)
    (canon lift (core func $c "f") (memory $memory) (realloc $realloc))))
(assert_return (invoke "capital" (str.const "word")) (str.const "Word"))
(assert_return (invoke "capital" (str.const "\u{e9}t\u{e9} \u{1f600}"))
  (str.const "\u{c9}t\u{e9} \u{1f600}"))
