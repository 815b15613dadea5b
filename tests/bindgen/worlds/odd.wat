;; What WIT does not write: named types and a resource of the world itself, maps, an
;; instance within an instance, a core module that is imported.
(component
  (type $pair-0 (record (field "a" u32) (field "b" u32)))
  (import "pair" (type $pair (eq $pair-0)))
  (import "thing" (type $thing (sub resource)))
  (type $ages-0 (map string u32))
  (import "ages" (type $ages (eq $ages-0)))
  (import "code" (core module))
  (type $kind-0 (variant (case "none") (case "some" (list $pair))))
  (import "kind" (type $kind (eq $kind-0)))
  (import "look" (func (param "pair" $pair) (param "thing" (borrow $thing))
    (result $ages)))
  (import "[method]thing.be" (func (param "self" (borrow $thing)) (result $kind)))
  (import "outer" (instance
    (export "inner" (instance (export "f" (func (param "n" u32)))))
    (export "g" (func (param "mine" (map u32 (list string))) (result (map u32 (list string)))))))
  (core module $code (func (export "run")))
  (core instance $c (instantiate $code))
  (func (export "run") (canon lift (core func $c "run"))))
