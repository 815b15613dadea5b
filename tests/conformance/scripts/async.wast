;; Functions that are async in their type: lifted as they are, or with a callback.

;; --- code that does not wait ---
(component
  (core module $code
    (func (export "add") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1))))
  (core instance $c (instantiate $code))
  (func (export "add") async (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $c "add"))))
(assert_return (invoke "add" (u32.const 1) (u32.const 2)) (u32.const 3))
(assert_return (invoke "add" (u32.const 3) (u32.const 4)) (u32.const 7))

;; --- a callback: it yields as often as it is told, then returns ---
(component definition $yields
  (core func $return (canon task.return (result u32)))
  (core module $code
    (import "" "return" (func $return (param i32)))
    (global $left (mut i32) (i32.const 0))
    (global $turns (mut i32) (i32.const 0))
    (func (export "wait") (param i32) (result i32)
      (global.set $left (local.get 0))
      (global.set $turns (i32.const 0))
      (i32.const 1)) ;; yield
    (func (export "go-on") (param i32 i32 i32) (result i32)
      (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
      (if (i32.eq (global.get $turns) (global.get $left)) (then
        (call $return (global.get $turns))
        (return (i32.const 0)))) ;; exit
      (i32.const 1))
    (func (export "forget") (result i32) (i32.const 0))
    (func (export "fall") (result i32) unreachable)
    (func (export "never") (param i32 i32 i32) (result i32) unreachable))
  (core instance $c (instantiate $code (with "" (instance
    (export "return" (func $return))))))
  (func (export "wait") async (param "turns" u32) (result u32)
    (canon lift (core func $c "wait") async (callback (func $c "go-on"))))
  (func (export "forget") async (result u32)
    (canon lift (core func $c "forget") async (callback (func $c "never"))))
  (func (export "fall") async (result u32)
    (canon lift (core func $c "fall") async (callback (func $c "never")))))
(component instance $i $yields)
(assert_return (invoke "wait" (u32.const 1)) (u32.const 1))
(assert_return (invoke "wait" (u32.const 100)) (u32.const 100))
(assert_trap (invoke "forget") "async-lifted export failed to produce a result")
(component instance $i $yields)
(assert_trap (invoke "fall") "unreachable")

;; --- to wait for what can never come ---
(component
  (core func $new (canon waitable-set.new))
  (core module $code
    (import "" "new" (func $new (result i32)))
    (func (export "f") (result i32)
      (i32.or (i32.shl (call $new) (i32.const 4)) (i32.const 2))) ;; wait
    (func (export "never") (param i32 i32 i32) (result i32) unreachable))
  (core instance $c (instantiate $code (with "" (instance
    (export "new" (func $new))))))
  (func (export "f") async
    (canon lift (core func $c "f") async (callback (func $c "never")))))
(assert_trap (invoke "f") "deadlock")

;; --- one component waits for another ---
(component
  (component $slow
    (core func $return (canon task.return (result u32)))
    (core module $code
      (import "" "return" (func $return (param i32)))
      (func (export "f") (result i32) (i32.const 1))
      (func (export "go-on") (param i32 i32 i32) (result i32)
        (call $return (i32.const 9)) (i32.const 0)))
    (core instance $c (instantiate $code (with "" (instance
      (export "return" (func $return))))))
    (func (export "f") async (result u32)
      (canon lift (core func $c "f") async (callback (func $c "go-on")))))
  (instance $slow (instantiate $slow))
  (core func $f (canon lower (func $slow "f")))
  (core module $code
    (import "" "f" (func $f (result i32)))
    (func (export "g") (result i32) (i32.add (call $f) (i32.const 1))))
  (core instance $c (instantiate $code (with "" (instance (export "f" (func $f))))))
  (func (export "g") async (result u32) (canon lift (core func $c "g")))
  ;; The same, of a type that does not allow to wait.
  (func (export "h") (result u32) (canon lift (core func $c "g"))))
(assert_return (invoke "g") (u32.const 10))
(assert_trap (invoke "h") "cannot block a synchronous task")

;; --- a function that is not async may not be lifted with a callback ---
(assert_invalid
  (component
    (core module $code (func (export "f") (result i32) unreachable)
      (func (export "cb") (param i32 i32 i32) (result i32) unreachable))
    (core instance $c (instantiate $code))
    (func (export "f") (canon lift (core func $c "f") async (callback (func $c "cb")))))
  "async")
