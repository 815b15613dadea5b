;; Lists of each kind of element, as they lie in a guest's memory.

(component
  (core module $code
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 4096))
    (data (i32.const 0) "\00\01\00\00\03\00\00\00")  ;; bytes: 3
    (data (i32.const 8) "\00\01\00\00\00\00\00\00")  ;; none
    (data (i32.const 16) "\00\01\00\00\02\00\00\00") ;; two of anything
    (data (i32.const 24) "\40\01\00\00\02\00\00\00") ;; two lists
    (data (i32.const 0x100) "\00\7f\ff\80\01\02\03\04\05\06\07\08\09\0a\0b\0c")
    (data (i32.const 0x140) "\00\01\00\00\03\00\00\00\00\01\00\00\00\00\00\00")
    (func (export "realloc") (param $old i32) (param $was i32) (param $align i32)
      (param $size i32) (result i32) (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (local.get $at))
    (func (export "get") (param i32) (result i32) (local.get 0))
    (func (export "length") (param i32 i32) (result i32) (local.get 1))
    (func (export "put") (param i32 i32) (result i32)
      (i32.store (i32.const 0x200) (local.get 0))
      (i32.store (i32.const 0x204) (local.get 1))
      (i32.const 0x200)))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $memory))
  (alias core export $c "realloc" (core func $realloc))
  (func (export "u8s") (param "at" u32) (result (list u8))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "s8s") (param "at" u32) (result (list s8))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "u16s") (param "at" u32) (result (list u16))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "u64s") (param "at" u32) (result (list u64))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "bools") (param "at" u32) (result (list bool))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "lists") (param "at" u32) (result (list (list u8)))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "echo-u8s") (param "x" (list u8)) (result (list u8))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc)))
  (func (export "echo-s64s") (param "x" (list s64)) (result (list s64))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc)))
  (func (export "echo-f32s") (param "x" (list f32)) (result (list f32))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc)))
  (func (export "echo-chars") (param "x" (list char)) (result (list char))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc)))
  (func (export "echo-strings") (param "x" (list string)) (result (list string))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc)))
  (func (export "echo-tuples") (param "x" (list (tuple u8 u64)))
    (result (list (tuple u8 u64)))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc)))
  (func (export "echo-options") (param "x" (list (option u16)))
    (result (list (option u16)))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc)))
  (func (export "echo-lists") (param "x" (list (list (list u32))))
    (result (list (list (list u32))))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc)))
  (func (export "length-u8s") (param "x" (list u8)) (result u32)
    (canon lift (core func $c "length") (memory $memory) (realloc $realloc)))
  ;; A list of pairs of a byte and a long, read as bytes: the padding between them.
  (func (export "widths") (param "x" (list (tuple u8 u16))) (result (list u32))
    (canon lift (core func $c "put") (memory $memory) (realloc $realloc))))

(assert_return (invoke "u8s" (u32.const 0))
  (list.const (u8.const 0) (u8.const 127) (u8.const 255)))
(assert_return (invoke "u8s" (u32.const 8)) (list.const))
(assert_return (invoke "s8s" (u32.const 0))
  (list.const (s8.const 0) (s8.const 127) (s8.const -1)))
(assert_return (invoke "u16s" (u32.const 16))
  (list.const (u16.const 0x7f00) (u16.const 0x80ff)))
(assert_return (invoke "u64s" (u32.const 16))
  (list.const (u64.const 0x0403020180ff7f00) (u64.const 0x0c0b0a0908070605)))
(assert_return (invoke "bools" (u32.const 16))
  (list.const (bool.const false) (bool.const true)))
(assert_return (invoke "lists" (u32.const 24))
  (list.const (list.const (u8.const 0) (u8.const 127) (u8.const 255)) (list.const)))
(assert_return (invoke "lists" (u32.const 8)) (list.const))

(assert_return (invoke "echo-u8s" (list.const)) (list.const))
(assert_return (invoke "echo-u8s" (list.const (u8.const 0) (u8.const 255)))
  (list.const (u8.const 0) (u8.const 255)))
(assert_return (invoke "length-u8s"
  (list.const (u8.const 1) (u8.const 2) (u8.const 3))) (u32.const 3))
(assert_return (invoke "echo-s64s"
    (list.const (s64.const -9223372036854775808) (s64.const 0) (s64.const -1)
      (s64.const 1) (s64.const 2) (s64.const 3) (s64.const 4) (s64.const 5)
      (s64.const 6) (s64.const 9223372036854775807)))
  (list.const (s64.const -9223372036854775808) (s64.const 0) (s64.const -1)
    (s64.const 1) (s64.const 2) (s64.const 3) (s64.const 4) (s64.const 5)
    (s64.const 6) (s64.const 9223372036854775807)))
(assert_return (invoke "echo-f32s"
    (list.const (f32.const -0) (f32.const inf) (f32.const nan)))
  (list.const (f32.const -0) (f32.const inf) (f32.const nan)))
(assert_return (invoke "echo-chars"
    (list.const (char.const "a") (char.const "\u{10ffff}")))
  (list.const (char.const "a") (char.const "\u{10ffff}")))
(assert_return (invoke "echo-strings"
    (list.const (str.const "") (str.const "one") (str.const "zw\u{f6}lf")))
  (list.const (str.const "") (str.const "one") (str.const "zw\u{f6}lf")))
(assert_return (invoke "echo-tuples"
    (list.const (tuple.const (u8.const 1) (u64.const 2))
      (tuple.const (u8.const 3) (u64.const 4))))
  (list.const (tuple.const (u8.const 1) (u64.const 2))
    (tuple.const (u8.const 3) (u64.const 4))))
(assert_return (invoke "echo-options"
    (list.const (option.none) (option.some (u16.const 7))))
  (list.const (option.none) (option.some (u16.const 7))))
(assert_return (invoke "echo-lists"
    (list.const (list.const) (list.const (list.const) (list.const (u32.const 1)))))
  (list.const (list.const) (list.const (list.const) (list.const (u32.const 1)))))
(assert_return (invoke "widths"
    (list.const (tuple.const (u8.const 1) (u16.const 2))
      (tuple.const (u8.const 3) (u16.const 4))))
  (list.const (u32.const 0x20001) (u32.const 0x40003)))

;; --- bytes may lie at odd addresses, wherever they come from ---
(component
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 16) "\21\00\00\00\02\00\00\00")
    (data (i32.const 33) "ab")
    (func (export "get") (result i32) (i32.const 16)))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $memory))
  (func (export "get") (result (list u8))
    (canon lift (core func $c "get") (memory $memory))))
(assert_return (invoke "get") (list.const (u8.const 0x61) (u8.const 0x62)))
(component
  (core module $code
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 33))
    (func (export "first") (param i32 i32) (result i32) (i32.load8_u (local.get 0))))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $memory))
  (alias core export $c "realloc" (core func $realloc))
  (func (export "first") (param "x" (list u8)) (result u8)
    (canon lift (core func $c "first") (memory $memory) (realloc $realloc))))
(assert_return (invoke "first" (list.const (u8.const 7))) (u8.const 7))
