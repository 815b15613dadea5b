;; A guest that never returns when it is told "spin": it computes for ever, without a
;; call of the host. Every other message is answered.
;; The parts that every guest has are explained in ../counter/counter.wat.
(component
  (core module $program
    ;; Texts at 0, the metadata record at 512, results at 672, arguments from 1024 on.
    (memory (export "memory") 1)
    (data (i32.const 0) "spin")
    (data (i32.const 16) "not spinning")
    (data (i32.const 128) "spinner")
    (data (i32.const 144) "1.0.0")
    (data (i32.const 160) "Spins when it is told to")
    (data (i32.const 208) "airssys")
    (data (i32.const 224) "Apache-2.0")
    (data (i32.const 240) "\00\00\00\00\04\00\00\00")

    (global $free (mut i32) (i32.const 1024))

    ;; The host asks for memory here before it hands over arguments. The last block grows
    ;; and shrinks in place; what does not fit ends the call.
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
      (if (i32.gt_u (global.get $free) (i32.const 65536)) (then (unreachable)))
      (memory.copy (local.get $at) (local.get $old)
        (select (local.get $size) (local.get $old-size)
          (i32.lt_u (local.get $size) (local.get $old-size))))
      (local.get $at))
    (func $post-return (export "post-return") (param i32)
      (global.set $free (i32.const 1024)))

    (func $put (param $at i32) (param $text i32) (param $length i32)
      (i32.store (local.get $at) (local.get $text))
      (i32.store offset=4 (local.get $at) (local.get $length)))

    (func $ok (result i32)
      (i32.store8 (i32.const 672) (i32.const 0))
      (i32.const 672))

    ;; Four bytes are compared as one number.
    (func $obey (param $at i32) (param $length i32)
      (if (i32.ne (local.get $length) (i32.const 4)) (then (return)))
      (if (i32.ne (i32.load (local.get $at)) (i32.load (i32.const 0))) (then (return)))
      (loop $forever (br $forever)))

    ;; ok(some(text))
    (func $handle-message (export "handle-message") (param $message i32) (result i32)
      (call $obey
        (i32.load offset=24 (local.get $message))
        (i32.load offset=28 (local.get $message)))
      (i32.store8 (i32.const 676) (i32.const 1))
      (call $put (i32.const 680) (i32.const 16) (i32.const 12))
      (call $ok))

    ;; ok(text)
    (func $execute (export "execute")
      (param $at i32) (param $length i32)
      (param i32) (param i32) (param i32) (param i64)
      (param i32) (param i32) (param i32) (param i32) (param i32) (param i32) (param i32)
      (result i32)
      (call $obey (local.get $at) (local.get $length))
      (call $put (i32.const 676) (i32.const 16) (i32.const 12))
      (call $ok))

    (func $init (export "init")
      (param i32) (param i32) (param i32) (param i32) (param i64)
      (param i32) (param i64) (param i32) (param i64) (param i32) (param i64)
      (result i32)
      (call $ok))

    (func $handle-callback (export "handle-callback")
      (param i32) (param i32) (param i32) (param i32) (param i32) (result i32)
      (call $ok))

    (func $metadata (export "metadata") (result i32)
      (call $put (i32.const 512) (i32.const 128) (i32.const 7))
      (call $put (i32.const 520) (i32.const 144) (i32.const 5))
      (call $put (i32.const 528) (i32.const 160) (i32.const 24))
      (call $put (i32.const 536) (i32.const 208) (i32.const 7))
      (call $put (i32.const 544) (i32.const 224) (i32.const 10))
      (call $put (i32.const 552) (i32.const 240) (i32.const 1))
      (i64.store (i32.const 568) (i64.const 65536))
      (i32.const 512))

    ;; healthy is case 0, as ok is
    (func $health (export "health") (result i32) (call $ok))

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
