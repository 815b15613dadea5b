;; Components that import from the host, and from instances made before them.

;; --- what a named instance exports can be imported under its name ---
(component $numbers
  (core module $code
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $was i32) (param $align i32)
      (param $size i32) (result i32) (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (local.get $at))
    (global $sum (mut i32) (i32.const 0))
    (func (export "add") (param i32) (result i32)
      (global.set $sum (i32.add (global.get $sum) (local.get 0)))
      (global.get $sum))
    (func (export "half") (param i32) (result i32)
      (i32.store8 (i32.const 16) (i32.and (local.get 0) (i32.const 1)))
      (i32.store (i32.const 20) (i32.shr_u (local.get 0) (i32.const 1)))
      (i32.const 16))
    (func (export "boom") unreachable)
    (func (export "same") (param i32 i32) (result i32)
      (i32.store (i32.const 32) (local.get 0))
      (i32.store (i32.const 36) (local.get 1))
      (i32.const 32)))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $memory))
  (alias core export $c "realloc" (core func $realloc))
  (func (export "add") (param "x" u32) (result u32) (canon lift (core func $c "add")))
  (func (export "half") (param "x" u32) (result (result u32 (error u32)))
    (canon lift (core func $c "half") (memory $memory)))
  (func (export "same") (param "x" (list u8)) (result (list u8))
    (canon lift (core func $c "same") (memory $memory) (realloc $realloc)))
  (func $boom (canon lift (core func $c "boom")))
  (func $add (param "x" u32) (result u32) (canon lift (core func $c "add")))
  (instance $inner (export "add" (func $add)))
  (export "boom" (func $boom))
  (export "test:linking/sums@1.2.3" (instance $inner)))
(assert_return (invoke "add" (u32.const 1)) (u32.const 1))
(assert_return (invoke "test:linking/sums@1.2.3#add" (u32.const 1)) (u32.const 2))

(component $user
  (import "numbers" (instance $n
    (export "add" (func (param "x" u32) (result u32)))
    (export "half" (func (param "x" u32) (result (result u32 (error u32)))))
    (export "boom" (func))))
  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (core func $add (canon lower (func $n "add")))
  (core func $half (canon lower (func $n "half") (memory $memory)))
  (core func $boom (canon lower (func $n "boom")))
  (core module $code
    (import "libc" "memory" (memory 1))
    (import "" "add" (func $add (param i32) (result i32)))
    (import "" "half" (func $half (param i32 i32)))
    (import "" "boom" (func $boom))
    (func (export "add-twice") (param i32) (result i32)
      (drop (call $add (local.get 0)))
      (call $add (local.get 0)))
    ;; The half of what is even; of what is odd, a hundred and the half.
    (func (export "half") (param i32) (result i32)
      (call $half (local.get 0) (i32.const 8))
      (i32.add (i32.load (i32.const 12))
        (i32.mul (i32.load8_u (i32.const 8)) (i32.const 100))))
    (func (export "boom") (call $boom)))
  (core instance $c (instantiate $code
    (with "libc" (instance $libc))
    (with "" (instance (export "add" (func $add)) (export "half" (func $half))
      (export "boom" (func $boom))))))
  (func (export "add-twice") (param "x" u32) (result u32)
    (canon lift (core func $c "add-twice")))
  (func (export "half") (param "x" u32) (result u32)
    (canon lift (core func $c "half")))
  (func (export "boom") (canon lift (core func $c "boom"))))
(assert_return (invoke "add-twice" (u32.const 10)) (u32.const 22))
(assert_return (invoke $numbers "add" (u32.const 0)) (u32.const 22))
(assert_return (invoke $user "half" (u32.const 10)) (u32.const 5))
(assert_return (invoke $user "half" (u32.const 7)) (u32.const 103))
;; A trap goes through the caller, and ends both.
(assert_trap (invoke $user "boom") "unreachable")
(assert_trap (invoke $user "half" (u32.const 1)) "cannot enter component instance")
(assert_trap (invoke $numbers "add" (u32.const 1)) "cannot enter component instance")

;; --- register gives an instance another name ---
(component $seven
  (core module $code (func (export "n") (result i32) (i32.const 7)))
  (core instance $c (instantiate $code))
  (func $n (result u32) (canon lift (core func $c "n")))
  (instance $api (export "n" (func $n)))
  (export "n" (func $n))
  (export "test:linking/seven@1.2.3" (instance $api))
  (export "test:linking/early@0.3.1" (instance $api)))
(register "lucky" $seven)
(register "luckier")
(component
  (import "lucky" (instance $l (export "n" (func (result u32)))))
  (core func $n (canon lower (func $l "n")))
  (core module $code (import "" "n" (func $n (result i32)))
    (func (export "n") (result i32) (call $n)))
  (core instance $c (instantiate $code (with "" (instance (export "n" (func $n))))))
  (func (export "n") (result u32) (canon lift (core func $c "n"))))
(assert_return (invoke "n") (u32.const 7))
(component
  (import "luckier" (instance $l (export "n" (func (result u32)))))
  (core func $n (canon lower (func $l "n")))
  (core module $code (import "" "n" (func $n (result i32)))
    (func (export "n") (result i32) (call $n)))
  (core instance $c (instantiate $code (with "" (instance (export "n" (func $n))))))
  (func (export "n") (result u32) (canon lift (core func $c "n"))))
(assert_return (invoke "n") (u32.const 7))

;; --- versions: compatible ones will do ---
(component
  (import "test:linking/seven@1.2.3" (instance $s (export "n" (func (result u32)))))
  (core func $n (canon lower (func $s "n")))
  (core module $code (import "" "n" (func $n (result i32)))
    (func (export "n") (result i32) (call $n)))
  (core instance $c (instantiate $code (with "" (instance (export "n" (func $n))))))
  (func (export "n") (result u32) (canon lift (core func $c "n"))))
(assert_return (invoke "n") (u32.const 7))
(component
  (import "test:linking/seven@1.0.0" (instance $s (export "n" (func (result u32)))))
  (core func $n (canon lower (func $s "n")))
  (core module $code (import "" "n" (func $n (result i32)))
    (func (export "n") (result i32) (call $n)))
  (core instance $c (instantiate $code (with "" (instance (export "n" (func $n))))))
  (func (export "n") (result u32) (canon lift (core func $c "n"))))
(assert_return (invoke "n") (u32.const 7))
(component
  (import "test:linking/seven@1.9.0" (instance $s (export "n" (func (result u32)))))
  (core func $n (canon lower (func $s "n")))
  (core module $code (import "" "n" (func $n (result i32)))
    (func (export "n") (result i32) (call $n)))
  (core instance $c (instantiate $code (with "" (instance (export "n" (func $n))))))
  (func (export "n") (result u32) (canon lift (core func $c "n"))))
(assert_return (invoke "n") (u32.const 7))
(component
  (import "test:linking/early@0.3.9" (instance $s (export "n" (func (result u32)))))
  (core func $n (canon lower (func $s "n")))
  (core module $code (import "" "n" (func $n (result i32)))
    (func (export "n") (result i32) (call $n)))
  (core instance $c (instantiate $code (with "" (instance (export "n" (func $n))))))
  (func (export "n") (result u32) (canon lift (core func $c "n"))))
(assert_return (invoke "n") (u32.const 7))
(assert_unlinkable
  (component
    (import "test:linking/seven@2.0.0" (instance (export "n" (func (result u32))))))
  "was not found")
(assert_unlinkable
  (component
    (import "test:linking/early@0.4.0" (instance (export "n" (func (result u32))))))
  "was not found")
(assert_unlinkable
  (component
    (import "test:linking/seven@1.2.3-rc1"
      (instance (export "n" (func (result u32))))))
  "was not found")
(assert_unlinkable
  (component
    (import "test:linking/seven" (instance (export "n" (func (result u32))))))
  "was not found")

;; --- what is missing, or of another type ---
(assert_unlinkable (component (import "nobody" (func))) "was not found")
(assert_unlinkable
  (component (import "nobody" (instance (export "f" (func))))) "was not found")
(assert_unlinkable
  (component (import "lucky" (instance (export "m" (func))))) "was not found")
(assert_unlinkable
  (component (import "lucky" (instance (export "n" (func))))) "type mismatch")
(assert_unlinkable
  (component (import "lucky" (instance (export "n" (func (result u64))))))
  "type mismatch")
(assert_unlinkable
  (component
    (import "lucky" (instance (export "n" (func (param "x" u32) (result u32))))))
  "type mismatch")
(assert_unlinkable
  (component (import "lucky" (instance (export "n" (type (sub resource))))))
  "was not found")
(assert_unlinkable
  (component (import "lucky" (instance
    (export "n" (func (result u32))) (export "o" (instance (export "p" (func)))))))
  "was not found")

;; --- what needs nothing of an instance links with anything ---
(component (import "nobody" (instance)))
(component (type $t u32) (import "nobody" (type (eq $t))))

;; --- the host ---
(component
  (import "host-return-two" (func $two (result u32)))
  (import "host" (instance $host
    (export "return-three" (func (result u32)))
    (export "nested" (instance (export "return-four" (func (result u32)))))))
  (alias export $host "nested" (instance $nested))
  (core func $two (canon lower (func $two)))
  (core func $three (canon lower (func $host "return-three")))
  (core func $four (canon lower (func $nested "return-four")))
  (core module $code
    (import "" "two" (func $two (result i32)))
    (import "" "three" (func $three (result i32)))
    (import "" "four" (func $four (result i32)))
    (func (export "all") (result i32)
      (i32.add (i32.mul (call $two) (i32.const 100))
        (i32.add (i32.mul (call $three) (i32.const 10)) (call $four)))))
  (core instance $c (instantiate $code (with "" (instance
    (export "two" (func $two)) (export "three" (func $three))
    (export "four" (func $four))))))
  (func (export "all") (result u32) (canon lift (core func $c "all"))))
(assert_return (invoke "all") (u32.const 234))
(assert_unlinkable
  (component (import "host-return-two" (func (param "x" u32) (result u32))))
  "type mismatch")
