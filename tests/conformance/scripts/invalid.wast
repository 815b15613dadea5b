;; Components that are well formed, and wrong.

;; --- indices and names ---
(assert_invalid
  (component (func (canon lift (core func 0)))) "unknown core function 0")
(assert_invalid (component (core func (canon lower (func 0)))) "unknown function 0")
(assert_invalid (component (instance (instantiate 0))) "unknown component 0")
(assert_invalid (component (core instance (instantiate 0))) "unknown module 0")
(assert_invalid (component (import "a" (func (type 0)))) "unknown type 0")
(assert_invalid (component (alias export 0 "a" (func))) "unknown instance 0")
(assert_invalid (component (alias outer 9 0 (type))) "invalid outer alias count of 9")
(assert_invalid
  (component (component $c) (instance $i (instantiate $c))
    (alias export $i "f" (func)))
  "has no export named `f`")
(assert_invalid
  (component (core module $m) (core instance $i (instantiate $m))
    (core func (alias core export $i "f")))
  "has no export named `f`")
(assert_invalid
  (component (core module $m (memory (export "m") 1))
    (core instance $i (instantiate $m))
    (alias core export $i "m" (core func)))
  "export `m` for core instance 0 is not a function")
(assert_invalid
  (component (import "a" (func)) (import "a" (func))) "conflicts with previous name")
(assert_invalid
  (component (import "a" (func)) (import "A" (func))) "conflicts with previous name")
(assert_invalid
  (component (import "a" (func $f)) (export "b" (func $f)) (export "b" (func $f)))
  "conflicts with previous name")
(assert_invalid (component (import "1a" (func))) "is not in kebab case")
(assert_invalid (component (import "a_b" (func))) "is not in kebab case")
(assert_invalid (component (import "aB" (func))) "is not in kebab case")
(assert_invalid (component (import "" (func))) "is not")
(assert_invalid (component (import "a--b" (func))) "is not")
(assert_invalid (component (import "a:b/c@x" (func))) "unexpected character")
(assert_invalid (component (import "a:b" (func))) "expected `/` after package name")
(assert_invalid (component (import "[method]r.f" (func))) "should have at least one")
(assert_invalid
  (component (import "[constructor]r" (func (result u32)))) "should return `(own $T)`")
(assert_invalid
  (component (import "[static]r.f" (func))) "static resource name is not known")

;; --- types ---
(assert_invalid (component (type (record))) "record type must have at least one field")
(assert_invalid (component (type (variant))) "variant type must have at least one case")
(assert_invalid (component (type (enum))) "enum type must have at least one variant")
(assert_invalid (component (type (flags))) "flags must have at least one entry")
(assert_invalid (component (type (tuple))) "tuple type must have at least one type")
(assert_invalid
  (component (type (record (field "a" u8) (field "a" u8))))
  "conflicts with previous field name")
(assert_invalid
  (component (type (record (field "a-b" u8) (field "A-b" u8))))
  "conflicts with previous field name")
(assert_invalid
  (component (type (variant (case "a") (case "a"))))
  "conflicts with previous case name")
(assert_invalid
  (component (type (enum "a" "a"))) "conflicts with previous tag name")
(assert_invalid
  (component (type (flags "a" "a"))) "conflicts with previous flag name")
(assert_invalid
  (component (type (flags
    "a0" "a1" "a2" "a3" "a4" "a5" "a6" "a7" "a8" "a9" "b0" "b1" "b2" "b3" "b4" "b5"
    "b6" "b7" "b8" "b9" "c0" "c1" "c2" "c3" "c4" "c5" "c6" "c7" "c8" "c9" "d0" "d1"
    "d2")))
  "cannot have more than 32 flags")
(assert_invalid
  (component (type (func (param "a" u8) (param "a" u8))))
  "conflicts with previous parameter name")
(assert_invalid
  (component (type $f (func)) (type (record (field "a" $f))))
  "is not a defined type")
(assert_invalid
  (component (type (func (result (borrow 0))))) "unknown type 0")
(assert_invalid
  (component (type $r (resource (rep i32))) (type (func (result (borrow $r)))))
  "function result cannot contain a `borrow` type")
(assert_invalid
  (component (type $r (resource (rep i32))) (type (list (own $r)))
    (type (func (result (list (borrow $r))))))
  "function result cannot contain a `borrow` type")
(assert_invalid
  (component (type (resource (rep f32)))) "resources can only be represented by `i32`")
(assert_invalid
  (component (core module $m (func (export "d")))
    (core instance $m (instantiate $m))
    (type (resource (rep i32) (dtor (core func $m "d")))))
  "wrong signature for a destructor")
(assert_invalid
  (component (type (component (type $r (resource (rep i32))))))
  "resources can only be defined within a concrete component")
(assert_invalid (component (type $t u32) (type (own $t))) "is not a resource type")
(assert_invalid
  (component (type $r (record (field "a" u8))) (import "f" (func (param "r" $r))))
  "func not valid to be used as import")
(assert_invalid
  (component
    (type $r (enum "a"))
    (core module $m (func (export "f") (param i32)))
    (core instance $m (instantiate $m))
    (func (export "f") (param "r" $r) (canon lift (core func $m "f"))))
  "func not valid to be used as export")

;; --- canonical functions ---
(assert_invalid
  (component
    (core module $m (func (export "f") (param i32)))
    (core instance $m (instantiate $m))
    (func (canon lift (core func $m "f"))))
  "lowered parameter types")
(assert_invalid
  (component
    (core module $m (func (export "f") (result i64)))
    (core instance $m (instantiate $m))
    (func (result u32) (canon lift (core func $m "f"))))
  "lowered result types")
(assert_invalid
  (component
    (core module $m (func (export "f") (result i32)))
    (core instance $m (instantiate $m))
    (func (result string) (canon lift (core func $m "f"))))
  "canonical option `memory` is required")
(assert_invalid
  (component
    (core module $m (memory (export "m") 1) (func (export "f") (param i32 i32)))
    (core instance $m (instantiate $m))
    (alias core export $m "m" (core memory $memory))
    (func (param "x" string) (canon lift (core func $m "f") (memory $memory))))
  "canonical option `realloc` is required")
(assert_invalid
  (component
    (core module $m (memory (export "m") 1) (func (export "f") (param i32 i32))
      (func (export "realloc") (param i32) (result i32) unreachable))
    (core instance $m (instantiate $m))
    (alias core export $m "m" (core memory $memory))
    (alias core export $m "realloc" (core func $realloc))
    (func (param "x" string) (canon lift (core func $m "f") (memory $memory)
      (realloc $realloc))))
  "canonical option `realloc` uses a core function with an incorrect signature")
(assert_invalid
  (component
    (core module $m (func (export "f") (result i32)) (func (export "p")))
    (core instance $m (instantiate $m))
    (alias core export $m "p" (core func $post))
    (func (result u32) (canon lift (core func $m "f") (post-return $post))))
  "canonical option `post-return` uses a core function with an incorrect signature")
(assert_invalid
  (component
    (import "f" (func $f))
    (core module $m (func (export "p")))
    (core instance $m (instantiate $m))
    (alias core export $m "p" (core func $post))
    (core func (canon lower (func $f) (post-return $post))))
  "canonical option `post-return` cannot be specified for lowerings")
(assert_invalid
  (component
    (core module $m (func (export "f")))
    (core instance $m (instantiate $m))
    (func (canon lift (core func $m "f") string-encoding=utf8 string-encoding=utf16)))
  "conflicts with option")
(assert_invalid
  (component (type $t u32) (core func (canon resource.new $t))) "is not a resource type")
(assert_invalid
  (component (import "r" (type $r (sub resource)))
    (core func (canon resource.new $r)))
  "is not a local resource")
(assert_invalid
  (component (import "r" (type $r (sub resource)))
    (core func (canon resource.rep $r)))
  "is not a local resource")

;; --- instances and their arguments ---
(assert_invalid
  (component
    (component $c (import "f" (func)))
    (instance (instantiate $c)))
  "missing import named `f`")
(assert_invalid
  (component
    (component $c (import "f" (func)))
    (component $d (core module $m (func (export "f") (result i32) unreachable))
      (core instance $m (instantiate $m))
      (func (export "f") (result u32) (canon lift (core func $m "f"))))
    (instance $d (instantiate $d))
    (instance (instantiate $c (with "f" (func $d "f")))))
  "type mismatch for import `f`")
(assert_invalid
  (component
    (component $c (import "f" (func)))
    (component $d)
    (instance (instantiate $c (with "f" (component $d)))))
  "expected func, found component")
(assert_invalid
  (component
    (component $c)
    (component $d)
    (instance (instantiate $c (with "a" (component $d)) (with "a" (component $d)))))
  "conflicts with previous")
(assert_invalid
  (component
    (core module $m (import "a" "b" (func)))
    (core instance (instantiate $m)))
  "missing module instantiation argument named `a`")
(assert_invalid
  (component
    (core module $m (import "a" "b" (func)))
    (core module $n (func (export "b") (param i32)))
    (core instance $n (instantiate $n))
    (core instance (instantiate $m (with "a" (instance $n)))))
  "type mismatch")
(assert_invalid
  (component
    (component $c (import "r" (type (sub resource))))
    (type $t u32)
    (instance (instantiate $c (with "r" (type $t)))))
  "expected resource, found")
(assert_invalid
  (component
    (component $c
      (import "r" (type $r (sub resource)))
      (import "f" (func (param "x" (own $r)))))
    (type $one (resource (rep i32)))
    (type $other (resource (rep i32)))
    (core module $m (func (export "f") (param i32)))
    (core instance $m (instantiate $m))
    (func $f (param "x" (own $other)) (canon lift (core func $m "f")))
    (instance (instantiate $c (with "r" (type $one)) (with "f" (func $f)))))
  "resource types are not the same")

;; --- core modules inside ---
(assert_invalid
  (component (core module (func (result i32)))) "type mismatch")
(assert_invalid
  (component (core module (func (call 7)))) "unknown function 7")
(assert_invalid
  (component (core module (memory 65537))) "memory size")
