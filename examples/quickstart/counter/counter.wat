;; A counter, written by hand as component text: the host compiles this very file.
;;
;;   "inc"  adds the `step` of its config (1 without one)
;;   "get"  is answered with the count as decimal text
;;
;; The first half is the program: a core module, which knows only numbers and memory. The
;; second half says how those numbers stand for the types of airssys:core, and exports
;; the functions as the interface airssys:core/component-lifecycle.
(component
  (core module $program
    ;; One page, 64 KiB, laid out as
    ;;     0  texts
    ;;   512  the metadata record
    ;;   640  the decimal digits of the last answer (at most 20)
    ;;   672  the result of the function that returned last
    ;;  1024  arguments of the call that runs now, given up when it has returned
    (memory (export "memory") 1)
    (data (i32.const 0) "inc")
    (data (i32.const 8) "get")
    (data (i32.const 16) "step")
    (data (i32.const 32) "step must be a decimal number")
    (data (i32.const 64) "counter understands inc and get")
    (data (i32.const 128) "counter")
    (data (i32.const 144) "1.0.0")
    (data (i32.const 160) "Counts what it is told to count")
    (data (i32.const 208) "airssys")
    (data (i32.const 224) "Apache-2.0")
    ;; supported-operations, a list of two texts: (address, length) each
    (data (i32.const 240) "\00\00\00\00\03\00\00\00" "\08\00\00\00\03\00\00\00")

    (global $count (mut i64) (i64.const 0))
    (global $step (mut i64) (i64.const 1))
    (global $free (mut i32) (i32.const 1024))

    ;; The host asks for memory here before it hands over arguments. Memory is taken from
    ;; the end of what is in use and grows by pages. The last block grows and shrinks in
    ;; place, which is what a host does that converts text and guesses its length first.
    (func $realloc (export "realloc")
      (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
      (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (if (i32.eq (i32.add (local.get $old) (local.get $old-size)) (global.get $free))
        (then (local.set $at (local.get $old))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (block $enough
        (loop $more
          (br_if $enough
            (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
          (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (unreachable))
      (memory.copy (local.get $at) (local.get $old)
        (select (local.get $size) (local.get $old-size)
          (i32.lt_u (local.get $size) (local.get $old-size))))
      (local.get $at))

    ;; The host has read the result: forget the arguments.
    (func $post-return (export "post-return") (param i32)
      (global.set $free (i32.const 1024)))

    ;; Write a text or a list, which is (address, length).
    (func $put (param $at i32) (param $text i32) (param $length i32)
      (i32.store (local.get $at) (local.get $text))
      (i32.store offset=4 (local.get $at) (local.get $length)))

    (func $same (param $a i32) (param $a-length i32)
      (param $b i32) (param $b-length i32) (result i32)
      (if (i32.ne (local.get $a-length) (local.get $b-length))
        (then (return (i32.const 0))))
      (block $end
        (loop $next
          (br_if $end (i32.eqz (local.get $a-length)))
          (local.set $a-length (i32.sub (local.get $a-length) (i32.const 1)))
          (br_if $next
            (i32.eq
              (i32.load8_u (i32.add (local.get $a) (local.get $a-length)))
              (i32.load8_u (i32.add (local.get $b) (local.get $a-length))))))
        (return (i32.const 0)))
      (i32.const 1))

    ;; Read decimal digits; -1 where there are none, or something else among them.
    (func $parse (param $at i32) (param $length i32) (result i64)
      (local $value i64) (local $digit i32)
      (if (i32.eqz (local.get $length)) (then (return (i64.const -1))))
      (loop $next
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (if (i32.gt_u (local.get $digit) (i32.const 9))
          (then (return (i64.const -1))))
        (local.set $value
          (i64.add
            (i64.mul (local.get $value) (i64.const 10))
            (i64.extend_i32_u (local.get $digit))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br_if $next (local.get $length)))
      (local.get $value))

    ;; Write the count in decimal so that it ends at 660, and return where it begins.
    (func $print (result i32)
      (local $at i32) (local $rest i64)
      (local.set $at (i32.const 660))
      (local.set $rest (global.get $count))
      (loop $next
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (i32.store8 (local.get $at)
          (i32.add (i32.const 48)
            (i32.wrap_i64 (i64.rem_u (local.get $rest) (i64.const 10)))))
        (local.set $rest (i64.div_u (local.get $rest) (i64.const 10)))
        (br_if $next (i64.ne (local.get $rest) (i64.const 0))))
      (local.get $at))

    ;; result<_, …>: ok is 0 in the first byte
    (func $ok (result i32)
      (i32.store8 (i32.const 672) (i32.const 0))
      (i32.const 672))

    ;; result<…, variant with a text>: 1 in the first byte, the case, (address, length)
    (func $err (param $case i32) (param $text i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 672) (i32.const 1))
      (i32.store8 (i32.const 676) (local.get $case))
      (call $put (i32.const 680) (local.get $text) (local.get $length))
      (i32.const 672))

    ;; env-vars and config-data are (address, length); what is limited is not our concern.
    (func $init (export "init")
      (param $env i32) (param $envs i32) (param $pair i32) (param $pairs i32)
      (param $memory i64) (param i32) (param $fuel i64) (param i32) (param $timeout i64)
      (param i32) (param $payload i64)
      (result i32)
      ;; Each pair is key and value: four numbers, 16 bytes.
      (block $end
        (loop $next
          (br_if $end (i32.eqz (local.get $pairs)))
          (if (call $same
                (i32.load (local.get $pair)) (i32.load offset=4 (local.get $pair))
                (i32.const 16) (i32.const 4))
            (then
              (global.set $step
                (call $parse
                  (i32.load offset=8 (local.get $pair))
                  (i32.load offset=12 (local.get $pair))))
              (if (i64.eq (global.get $step) (i64.const -1))
                (then ;; configuration-invalid
                  (return
                    (call $err (i32.const 1) (i32.const 32) (i32.const 29)))))))
          (local.set $pair (i32.add (local.get $pair) (i32.const 16)))
          (local.set $pairs (i32.sub (local.get $pairs) (i32.const 1)))
          (br $next)))
      (call $ok))

    ;; A message has too many fields to pass one by one, so it comes as an address. Its
    ;; payload is at 24. The result, result<option<payload>, component-error>, is at
    ;;   672  ok 0     676  none 0, some 1   680  (address, length)
    ;;   672  err 1    676  the case         680  (address, length)
    (func $handle-message (export "handle-message") (param $message i32) (result i32)
      (local $at i32) (local $length i32)
      (local.set $at (i32.load offset=24 (local.get $message)))
      (local.set $length (i32.load offset=28 (local.get $message)))
      (if (call $same (local.get $at) (local.get $length) (i32.const 0) (i32.const 3))
        (then
          (global.set $count (i64.add (global.get $count) (global.get $step)))
          (i32.store8 (i32.const 676) (i32.const 0))
          (return (call $ok))))
      (if (call $same (local.get $at) (local.get $length) (i32.const 8) (i32.const 3))
        (then
          (local.set $at (call $print))
          (i32.store8 (i32.const 676) (i32.const 1))
          (call $put (i32.const 680)
            (local.get $at) (i32.sub (i32.const 660) (local.get $at)))
          (return (call $ok))))
      ;; internal-error
      (call $err (i32.const 3) (i32.const 64) (i32.const 31)))

    ;; The same two operations, without the mailbox. A payload follows the ok at once.
    (func $execute (export "execute")
      (param $at i32) (param $length i32)
      (param $id i32) (param $id-length i32) (param i32) (param $timeout i64)
      (param i32) (param i32) (param i32) (param i32) (param i32) (param i32) (param i32)
      (result i32)
      (if (call $same (local.get $at) (local.get $length) (i32.const 0) (i32.const 3))
        (then
          (global.set $count (i64.add (global.get $count) (global.get $step)))
          (call $put (i32.const 676) (i32.const 0) (i32.const 0))
          (return (call $ok))))
      (if (call $same (local.get $at) (local.get $length) (i32.const 8) (i32.const 3))
        (then
          (local.set $at (call $print))
          (call $put (i32.const 676)
            (local.get $at) (i32.sub (i32.const 660) (local.get $at)))
          (return (call $ok))))
      ;; invalid-input
      (call $err (i32.const 0) (i32.const 64) (i32.const 31)))

    (func $handle-callback (export "handle-callback")
      (param $id i32) (param $id-length i32) (param i32) (param i32) (param i32)
      (result i32)
      (call $ok))

    (func $metadata (export "metadata") (result i32)
      (call $put (i32.const 512) (i32.const 128) (i32.const 7))   ;; name
      (call $put (i32.const 520) (i32.const 144) (i32.const 5))   ;; version
      (call $put (i32.const 528) (i32.const 160) (i32.const 31))  ;; description
      (call $put (i32.const 536) (i32.const 208) (i32.const 7))   ;; author
      (call $put (i32.const 544) (i32.const 224) (i32.const 10))  ;; license
      (call $put (i32.const 552) (i32.const 240) (i32.const 2))   ;; supported-operations
      (i32.store8 (i32.const 560) (i32.const 1))                  ;; stateful
      (i64.store (i32.const 568) (i64.const 65536))               ;; memory-requirements
      (i32.const 512))

    ;; healthy is case 0 and carries no text
    (func $health (export "health") (result i32)
      (i32.store8 (i32.const 672) (i32.const 0))
      (i32.const 672))

    (func $shutdown (export "shutdown") (result i32) (call $ok))
  )
  (core instance $program (instantiate $program))

  (alias core export $program "memory" (core memory $memory))
  (alias core export $program "realloc" (core func $realloc))
  (alias core export $program "post-return" (core func $post-return))
  (alias core export $program "init" (core func $init))
  (alias core export $program "execute" (core func $execute))
  (alias core export $program "handle-message" (core func $handle-message))
  (alias core export $program "handle-callback" (core func $handle-callback))
  (alias core export $program "metadata" (core func $metadata))
  (alias core export $program "health" (core func $health))
  (alias core export $program "shutdown" (core func $shutdown))

  ;; From here on: types. They are imported by name, so that host and guest mean the same
  ;; ones; such an import brings no code and needs no capability.
  (import "airssys:core/types@1.0.0" (instance $types
    (type $bytes (list u8))
    (export "payload" (type $payload (eq $bytes)))
    (type $id string)
    (export "request-id" (type $request-id (eq $id)))
    (export "correlation-id" (type $correlation-id (eq $id)))
    (type $actor (record
      (field "namespace" string) (field "name" string) (field "instance" string)))
    (export "component-id" (type $component-id (eq $actor)))
    (type $moment (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "timestamp" (type $timestamp (eq $moment)))
    (type $letter (record
      (field "sender" $component-id)
      (field "payload" $payload)
      (field "correlation-id" (option $correlation-id))
      (field "reply-to" (option $component-id))
      (field "topic" (option string))
      (field "content-type" (option string))
      (field "timestamp" $timestamp)))
    (export "message" (type $message (eq $letter)))
    (type $limits (record
      (field "memory-bytes" u64) (field "fuel" (option u64))
      (field "timeout-ms" (option u64)) (field "payload-bytes" (option u64))))
    (export "resource-limits" (type $resource-limits (eq $limits)))
    (type $config (record
      (field "env-vars" (list (tuple string string)))
      (field "config-data" (list (tuple string string)))
      (field "resource-limits" $resource-limits)))
    (export "component-config" (type $component-config (eq $config)))
    (type $context (record
      (field "request-id" $request-id)
      (field "timeout-ms" (option u64))
      (field "caller" (option $component-id))))
    (export "execution-context" (type $execution-context (eq $context)))
    (type $condition (variant
      (case "healthy") (case "degraded" string)
      (case "unhealthy" string) (case "unknown" string)))
    (export "health-status" (type $health-status (eq $condition)))
    (type $self-description (record
      (field "name" string) (field "version" string) (field "description" string)
      (field "author" string) (field "license" string)
      (field "supported-operations" (list string))
      (field "stateful" bool) (field "memory-requirements" u64)))
    (export "component-metadata" (type $component-metadata (eq $self-description)))
    (type $failure (variant
      (case "initialization-failed" string) (case "configuration-invalid" string)
      (case "resource-exhausted" string) (case "internal-error" string)
      (case "not-found" string)))
    (export "component-error" (type $component-error (eq $failure)))
    (type $refusal (variant
      (case "invalid-input" string) (case "processing-failed" string) (case "timeout")
      (case "resource-limit-exceeded" string)))
    (export "execution-error" (type $execution-error (eq $refusal)))))
  (alias export $types "payload" (type $payload))
  (alias export $types "request-id" (type $request-id))
  (alias export $types "message" (type $message))
  (alias export $types "component-config" (type $component-config))
  (alias export $types "execution-context" (type $execution-context))
  (alias export $types "health-status" (type $health-status))
  (alias export $types "component-metadata" (type $component-metadata))
  (alias export $types "component-error" (type $component-error))
  (alias export $types "execution-error" (type $execution-error))

  ;; Lift each core function to a function of those types.
  (func $lifted-init
    (param "config" $component-config) (result (result (error $component-error)))
    (canon lift (core func $init)
      (memory $memory) (realloc $realloc) (post-return $post-return)))
  (func $lifted-execute
    (param "operation" $payload) (param "context" $execution-context)
    (result (result $payload (error $execution-error)))
    (canon lift (core func $execute)
      (memory $memory) (realloc $realloc) (post-return $post-return)))
  (func $lifted-handle-message
    (param "message" $message)
    (result (result (option $payload) (error $component-error)))
    (canon lift (core func $handle-message)
      (memory $memory) (realloc $realloc) (post-return $post-return)))
  (func $lifted-handle-callback
    (param "request-id" $request-id)
    (param "outcome" (result $payload (error string)))
    (result (result (error $component-error)))
    (canon lift (core func $handle-callback)
      (memory $memory) (realloc $realloc) (post-return $post-return)))
  (func $lifted-metadata (result $component-metadata)
    (canon lift (core func $metadata) (memory $memory)))
  (func $lifted-health (result $health-status)
    (canon lift (core func $health) (memory $memory)))
  (func $lifted-shutdown (result (result (error $component-error)))
    (canon lift (core func $shutdown) (memory $memory)))

  (instance $lifecycle
    (export "payload" (type $payload))
    (export "request-id" (type $request-id))
    (export "message" (type $message))
    (export "component-config" (type $component-config))
    (export "execution-context" (type $execution-context))
    (export "health-status" (type $health-status))
    (export "component-metadata" (type $component-metadata))
    (export "component-error" (type $component-error))
    (export "execution-error" (type $execution-error))
    (export "init" (func $lifted-init))
    (export "execute" (func $lifted-execute))
    (export "handle-message" (func $lifted-handle-message))
    (export "handle-callback" (func $lifted-handle-callback))
    (export "metadata" (func $lifted-metadata))
    (export "health" (func $lifted-health))
    (export "shutdown" (func $lifted-shutdown)))
  (export "airssys:core/component-lifecycle@1.0.0" (instance $lifecycle))
)
