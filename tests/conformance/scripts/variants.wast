;; Variants, enums, options and results: flat forms that share core values, layouts in
;; memory with payloads at their alignment.

(component
  ;; The payloads' flat forms join: f32 and u32 as i32, with u64 as i64.
  (type $num-0 (variant (case "none") (case "small" u8) (case "single" f32)
    (case "large" u64) (case "pair" (tuple f32 u16))))
  (export $num "num" (type $num-0))
  (type $colour-0 (enum "red" "green" "dark-blue"))
  (export $colour "colour" (type $colour-0))
  (core module $code
    (memory (export "memory") 1)
    (func (export "id") (param i32) (result i32) (local.get 0))
    (func (export "get") (param i32) (result i32) (local.get 0))
    (func (export "case") (param i32 i64 i32) (result i32) (local.get 0))
    (func (export "bits") (param i32 i64 i32) (result i64) (local.get 1))
    (func (export "second") (param i32 i64 i32) (result i32) (local.get 2))
    ;; num: the case at 0, the payload at 8; 16 bytes
    (data (i32.const 0x100) "\00")
    (data (i32.const 0x110) "\01\ff\ff\ff\ff\ff\ff\ff\07")
    (data (i32.const 0x120) "\02\00\00\00\00\00\00\00\00\00\c0\3f")
    (data (i32.const 0x130) "\03\00\00\00\00\00\00\00\ff\ff\ff\ff\ff\ff\ff\ff")
    (data (i32.const 0x140) "\04\00\00\00\00\00\00\00\00\00\80\bf\05\01")
    ;; option<option<u8>>: 0, 1 0, 1 1 n
    (data (i32.const 0x180) "\00\00\00\00\01\00\00\00\01\01\2a\00")
    ;; result<string, u64>, result<_, u8>, result
    (data (i32.const 0x1c0) "\00\00\00\00\00\00\00\00\f0\01\00\00\02\00\00\00")
    (data (i32.const 0x1d0) "\01\00\00\00\00\00\00\00\05\00\00\00\00\00\00\00")
    (data (i32.const 0x1e0) "\00\00\01\09")
    (data (i32.const 0x1f0) "ok")
    (func (export "option-sum") (param i32 i32 i32) (result i32)
      (i32.add (i32.mul (local.get 0) (i32.const 100))
        (i32.add (i32.mul (local.get 1) (i32.const 10)) (local.get 2))))
    (func (export "result-sum") (param i32 i64) (result i64)
      (i64.add (i64.mul (i64.extend_i32_u (local.get 0)) (i64.const 1000))
        (local.get 1))))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $memory))
  (func (export "get-num") (param "at" u32) (result $num)
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "case") (param "v" $num) (result u32)
    (canon lift (core func $c "case")))
  (func (export "bits") (param "v" $num) (result u64)
    (canon lift (core func $c "bits")))
  (func (export "second") (param "v" $num) (result u32)
    (canon lift (core func $c "second")))
  (func (export "enum") (param "e" $colour) (result $colour)
    (canon lift (core func $c "id")))
  (func (export "enum-as-u32") (param "e" $colour) (result u32)
    (canon lift (core func $c "id")))
  (func (export "get-options") (param "at" u32) (result (option (option u8)))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "option-sum") (param "o" (option (option u8))) (result u32)
    (canon lift (core func $c "option-sum")))
  (func (export "get-result") (param "at" u32) (result (result string (error u64)))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "get-error") (param "at" u32) (result (result (error u8)))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "get-bare") (param "tag" u32) (result (result))
    (canon lift (core func $c "id")))
  (func (export "get-list") (param "at" u32)
    (result (tuple (result (error u8)) (result (error u8))))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "result-sum") (param "r" (result u64 (error u8))) (result u64)
    (canon lift (core func $c "result-sum"))))

(assert_return (invoke "get-num" (u32.const 0x100)) (variant.const "none"))
(assert_return (invoke "get-num" (u32.const 0x110))
  (variant.const "small" (u8.const 7)))
(assert_return (invoke "get-num" (u32.const 0x120))
  (variant.const "single" (f32.const 1.5)))
(assert_return (invoke "get-num" (u32.const 0x130))
  (variant.const "large" (u64.const 0xffffffffffffffff)))
(assert_return (invoke "get-num" (u32.const 0x140))
  (variant.const "pair" (tuple.const (f32.const -1) (u16.const 0x105))))

(assert_return (invoke "case" (variant.const "none")) (u32.const 0))
(assert_return (invoke "bits" (variant.const "none")) (u64.const 0))
(assert_return (invoke "case" (variant.const "small" (u8.const 255))) (u32.const 1))
(assert_return (invoke "bits" (variant.const "small" (u8.const 255))) (u64.const 255))
(assert_return (invoke "bits" (variant.const "single" (f32.const 1.5)))
  (u64.const 0x3fc00000))
(assert_return (invoke "bits" (variant.const "single" (f32.const -1)))
  (u64.const 0xbf800000))
(assert_return (invoke "bits" (variant.const "large" (u64.const 0x8000000000000001)))
  (u64.const 0x8000000000000001))
(assert_return (invoke "case"
  (variant.const "pair" (tuple.const (f32.const 2) (u16.const 9)))) (u32.const 4))
(assert_return (invoke "bits"
  (variant.const "pair" (tuple.const (f32.const 2) (u16.const 9))))
  (u64.const 0x40000000))
(assert_return (invoke "second"
  (variant.const "pair" (tuple.const (f32.const 2) (u16.const 9)))) (u32.const 9))
(assert_return (invoke "second" (variant.const "large" (u64.const 1))) (u32.const 0))

(assert_return (invoke "enum" (enum.const "red")) (enum.const "red"))
(assert_return (invoke "enum" (enum.const "dark-blue")) (enum.const "dark-blue"))
(assert_return (invoke "enum-as-u32" (enum.const "green")) (u32.const 1))

(assert_return (invoke "get-options" (u32.const 0x180)) (option.none))
(assert_return (invoke "get-options" (u32.const 0x184)) (option.some (option.none)))
(assert_return (invoke "get-options" (u32.const 0x188))
  (option.some (option.some (u8.const 42))))
(assert_return (invoke "option-sum" (option.none)) (u32.const 0))
(assert_return (invoke "option-sum" (option.some (option.none))) (u32.const 100))
(assert_return (invoke "option-sum" (option.some (option.some (u8.const 7))))
  (u32.const 117))

(assert_return (invoke "get-result" (u32.const 0x1c0)) (result.ok (str.const "ok")))
(assert_return (invoke "get-result" (u32.const 0x1d0)) (result.err (u64.const 5)))
(assert_return (invoke "get-error" (u32.const 0x1e0)) (result.ok))
(assert_return (invoke "get-error" (u32.const 0x1e2)) (result.err (u8.const 9)))
(assert_return (invoke "get-bare" (u32.const 0)) (result.ok))
(assert_return (invoke "get-bare" (u32.const 1)) (result.err))
(assert_return (invoke "get-list" (u32.const 0x1e0))
  (tuple.const (result.ok) (result.err (u8.const 9))))
(assert_return (invoke "result-sum" (result.ok (u64.const 18446744073709550000)))
  (u64.const 18446744073709550000))
(assert_return (invoke "result-sum" (result.err (u8.const 255))) (u64.const 1255))

;; --- more than 256 cases: the discriminant takes two bytes ---
(component
  (type $few-0 (enum "a" "b"))
  (export $few "few" (type $few-0))
  (type $many-0 (enum
    "c0" "c1" "c2" "c3" "c4" "c5" "c6" "c7" "c8" "c9"
    "c10" "c11" "c12" "c13" "c14" "c15" "c16" "c17" "c18" "c19"
    "c20" "c21" "c22" "c23" "c24" "c25" "c26" "c27" "c28" "c29"
    "c30" "c31" "c32" "c33" "c34" "c35" "c36" "c37" "c38" "c39"
    "c40" "c41" "c42" "c43" "c44" "c45" "c46" "c47" "c48" "c49"
    "c50" "c51" "c52" "c53" "c54" "c55" "c56" "c57" "c58" "c59"
    "c60" "c61" "c62" "c63" "c64" "c65" "c66" "c67" "c68" "c69"
    "c70" "c71" "c72" "c73" "c74" "c75" "c76" "c77" "c78" "c79"
    "c80" "c81" "c82" "c83" "c84" "c85" "c86" "c87" "c88" "c89"
    "c90" "c91" "c92" "c93" "c94" "c95" "c96" "c97" "c98" "c99"
    "c100" "c101" "c102" "c103" "c104" "c105" "c106" "c107" "c108" "c109"
    "c110" "c111" "c112" "c113" "c114" "c115" "c116" "c117" "c118" "c119"
    "c120" "c121" "c122" "c123" "c124" "c125" "c126" "c127" "c128" "c129"
    "c130" "c131" "c132" "c133" "c134" "c135" "c136" "c137" "c138" "c139"
    "c140" "c141" "c142" "c143" "c144" "c145" "c146" "c147" "c148" "c149"
    "c150" "c151" "c152" "c153" "c154" "c155" "c156" "c157" "c158" "c159"
    "c160" "c161" "c162" "c163" "c164" "c165" "c166" "c167" "c168" "c169"
    "c170" "c171" "c172" "c173" "c174" "c175" "c176" "c177" "c178" "c179"
    "c180" "c181" "c182" "c183" "c184" "c185" "c186" "c187" "c188" "c189"
    "c190" "c191" "c192" "c193" "c194" "c195" "c196" "c197" "c198" "c199"
    "c200" "c201" "c202" "c203" "c204" "c205" "c206" "c207" "c208" "c209"
    "c210" "c211" "c212" "c213" "c214" "c215" "c216" "c217" "c218" "c219"
    "c220" "c221" "c222" "c223" "c224" "c225" "c226" "c227" "c228" "c229"
    "c230" "c231" "c232" "c233" "c234" "c235" "c236" "c237" "c238" "c239"
    "c240" "c241" "c242" "c243" "c244" "c245" "c246" "c247" "c248" "c249"
    "c250" "c251" "c252" "c253" "c254" "c255" "c256"))
  (export $many "many" (type $many-0))
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 16) "\01\ff\00\01\ff\00")
    (func (export "get") (result i32) (i32.const 16))
    (func (export "id") (param i32) (result i32) (local.get 0)))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $memory))
  (func (export "get") (result (tuple $few u8 $many $many))
    (canon lift (core func $c "get") (memory $memory)))
  (func (export "index") (param "x" $many) (result u32)
    (canon lift (core func $c "id")))
  (func (export "at") (param "x" u32) (result $many)
    (canon lift (core func $c "id"))))
(assert_return (invoke "get")
  (tuple.const (enum.const "b") (u8.const 255) (enum.const "c256") (enum.const "c255")))
(assert_return (invoke "index" (enum.const "c256")) (u32.const 256))
(assert_return (invoke "at" (u32.const 255)) (enum.const "c255"))
(assert_trap (invoke "at" (u32.const 257)) "discriminant")
