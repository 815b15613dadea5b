;; What is no component at all: text that does not parse, bytes that are not encoded as
;; they must be.

;; --- text ---
(assert_malformed (component quote "(import)") "expected a string")
(assert_malformed (component quote "(import \"a\"") "expected")
(assert_malformed (component quote "(nonsense)") "expected valid component field")
(assert_malformed (component quote "(func (canon lift (core func $f)))")
  "failed to find")
(assert_malformed (component quote "(import \"a\" (func (param \"x\" u33)))")
  "expected")
(assert_malformed (component quote "(type (list))") "expected")
(assert_malformed (component quote "(core module (func (i32.frobnicate)))")
  "unknown operator")
(assert_malformed (component quote "(component $c) (component $c)")
  "duplicate component identifier")
(assert_malformed (component quote "(instance (instantiate $nobody))")
  "failed to find")
(assert_malformed (component quote "(import \"\\ff\" (func))") "malformed UTF-8")
(assert_malformed (component quote ")") "extra tokens")

;; --- bytes ---
(assert_malformed (component binary "") "unexpected end")
(assert_malformed (component binary "\00as") "unexpected end")
(assert_malformed (component binary "\00asx\0d\00\01\00") "magic header not detected")
(assert_malformed (component binary "\00asm\0d\00") "unexpected end")
(assert_malformed (component binary "\00asm\0c\00\01\00") "unknown binary version")
(assert_malformed (component binary "\00asm\0d\00\02\00") "unknown binary version")
(assert_malformed (component binary "\00asm\0d\00\01\00" "\20\00")
  "malformed section id")
(assert_malformed (component binary "\00asm\0d\00\01\00" "\07\05\01")
  "unexpected end")
;; A section longer than what it holds.
(assert_malformed (component binary "\00asm\0d\00\01\00" "\07\03\01\7f\7f")
  "section size mismatch")
;; A length that takes more than five bytes.
(assert_malformed
  (component binary "\00asm\0d\00\01\00" "\07\80\80\80\80\80\00") "integer")
;; A custom section without a name.
(assert_malformed (component binary "\00asm\0d\00\01\00" "\00\00") "unexpected end")
;; A name that is no UTF-8.
(assert_malformed (component binary "\00asm\0d\00\01\00" "\00\02\01\ff")
  "malformed UTF-8 encoding")
;; An unknown kind of type.
(assert_malformed (component binary "\00asm\0d\00\01\00" "\07\02\01\00")
  "invalid leading byte")
;; More types than there are.
(assert_malformed (component binary "\00asm\0d\00\01\00" "\07\02\02\7d")
  "unexpected end")

;; --- what is a component, in bytes ---
(component binary "\00asm" "\0d\00\01\00")
(component binary "\00asm" "\0d\00\01\00" "\00\02\01\61")
(component binary "\00asm" "\0d\00\01\00" "\07\02\01\7d")
(component quote "(type (list u8))" "(component)")
