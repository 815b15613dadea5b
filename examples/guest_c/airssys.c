/* The glue between airssys.h and the core functions that a component is made of: names
 * and signatures are those that `wasm-tools component embed --dummy-names legacy wit/core
 * -w component -t` prints. What a guest does not call is not linked, so it imports no
 * more than it uses. */
#include "airssys.h"

_Static_assert(sizeof(airssys_message) == 112, "laid out as the canonical ABI says");
_Static_assert(sizeof(airssys_metadata_record) == 64, "laid out as the ABI says");
_Static_assert(offsetof(airssys_result_info, value) == 8, "laid out as the ABI says");

/* --- memory --------------------------------------------------------------------------
 * One arena from the end of the static data upwards, emptied after every call. */

#define PAGE 65536u

extern uint8_t __heap_base;
static uintptr_t arena_end;

static void *allocate(uintptr_t size, uintptr_t align) {
  if (arena_end == 0) arena_end = (uintptr_t)&__heap_base;
  uintptr_t at = (arena_end + align - 1) & -align;
  if (at < arena_end || at + size < at) __builtin_trap();
  uintptr_t there = __builtin_wasm_memory_size(0) * PAGE;
  if (at + size > there) {
    uintptr_t pages = (at + size - there + PAGE - 1) / PAGE;
    if (__builtin_wasm_memory_grow(0, pages) == (uintptr_t)-1) __builtin_trap();
  }
  arena_end = at + size;
  return (void *)at;
}

void *airssys_allocate(size_t size) { return allocate(size, 8); }

/* The host allocates here what it hands over. One that converts text guesses the length
 * and corrects it, so the last block grows and shrinks in place. */
__attribute__((export_name("cabi_realloc"))) void *airssys_realloc(void *old,
                                                                   uint32_t old_size,
                                                                   uint32_t align,
                                                                   uint32_t size) {
  if (old_size == 0) return allocate(size, align);
  if ((uintptr_t)old + old_size == arena_end) arena_end = (uintptr_t)old;
  void *moved = allocate(size, align);
  if (moved != old) __builtin_memcpy(moved, old, old_size < size ? old_size : size);
  return moved;
}

/* --- what the host calls ---------------------------------------------------------- */

#define WEAK __attribute__((weak))
#define LIFECYCLE "airssys:core/component-lifecycle@1.0.0#"
#define EXPORT(function) __attribute__((export_name(LIFECYCLE function)))
/* The host has read the result of the call. */
#define POST_RETURN(function, name)                                                  \
  __attribute__((export_name("cabi_post_" LIFECYCLE function))) void name(void *at) { \
    (void)at;                                                                        \
    arena_end = (uintptr_t)&__heap_base;                                             \
  }

POST_RETURN("init", airssys_after_init)
POST_RETURN("execute", airssys_after_execute)
POST_RETURN("handle-message", airssys_after_handle_message)
POST_RETURN("handle-callback", airssys_after_handle_callback)
POST_RETURN("metadata", airssys_after_metadata)
POST_RETURN("health", airssys_after_health)
POST_RETURN("shutdown", airssys_after_shutdown)

/* Results leave through memory that outlives the call. */
#define LEAVE(type, value)   \
  do {                       \
    static type result;      \
    result = (value);        \
    return &result;          \
  } while (0)

EXPORT("init")
const void *airssys_export_init(const airssys_pair *env_vars, uint32_t env_vars_length,
                                const airssys_pair *config, uint32_t config_length,
                                uint64_t memory, uint32_t has_fuel, uint64_t fuel,
                                uint32_t has_timeout, uint64_t timeout,
                                uint32_t has_payload, uint64_t payload) {
  airssys_config given = {
      {env_vars, env_vars_length},
      {config, config_length},
      {memory,
       {has_fuel != 0, fuel},
       {has_timeout != 0, timeout},
       {has_payload != 0, payload}},
  };
  LEAVE(airssys_result, airssys_init(&given));
}

EXPORT("handle-message")
const void *airssys_export_handle_message(const airssys_message *message) {
  LEAVE(airssys_reply, airssys_handle_message(message));
}

EXPORT("execute")
const void *airssys_export_execute(const uint8_t *operation, uint32_t length,
                                   const uint8_t *id, uint32_t id_length,
                                   uint32_t has_timeout, uint64_t timeout,
                                   uint32_t has_caller,
                                   const uint8_t *namespace, uint32_t namespace_length,
                                   const uint8_t *name, uint32_t name_length,
                                   const uint8_t *instance, uint32_t instance_length) {
  airssys_context context = {
      {id, id_length},
      {has_timeout != 0, timeout},
      {has_caller != 0,
       {{namespace, namespace_length}, {name, name_length}, {instance, instance_length}}},
  };
  LEAVE(airssys_result_bytes,
        airssys_execute((airssys_bytes){operation, length}, &context));
}

EXPORT("handle-callback")
const void *airssys_export_handle_callback(const uint8_t *id, uint32_t id_length,
                                           uint32_t failed, const uint8_t *value,
                                           uint32_t length) {
  airssys_outcome outcome = {failed != 0, {value, length}};
  LEAVE(airssys_result,
        airssys_handle_callback((airssys_bytes){id, id_length}, outcome));
}

EXPORT("metadata") const void *airssys_export_metadata(void) {
  LEAVE(airssys_metadata_record, airssys_metadata());
}

EXPORT("health") const void *airssys_export_health(void) {
  LEAVE(airssys_variant, airssys_health());
}

EXPORT("shutdown") const void *airssys_export_shutdown(void) {
  LEAVE(airssys_result, airssys_shutdown());
}

/* --- what a guest does that says nothing about it ---------------------------------- */

WEAK airssys_result airssys_init(const airssys_config *config) {
  (void)config;
  return airssys_ok();
}

WEAK airssys_reply airssys_handle_message(const airssys_message *message) {
  (void)message;
  return airssys_refuse(AIRSSYS_INTERNAL_ERROR, AIRSSYS_TEXT("takes no messages"));
}

WEAK airssys_result_bytes airssys_execute(airssys_bytes operation,
                                          const airssys_context *context) {
  (void)operation, (void)context;
  airssys_variant error = {AIRSSYS_INVALID_INPUT, AIRSSYS_TEXT("has no operations")};
  return (airssys_result_bytes){true, .error = error};
}

WEAK airssys_result airssys_handle_callback(airssys_bytes request_id,
                                            airssys_outcome outcome) {
  (void)request_id, (void)outcome;
  return airssys_ok();
}

WEAK airssys_metadata_record airssys_metadata(void) {
  return (airssys_metadata_record){0};
}

WEAK airssys_variant airssys_health(void) {
  return (airssys_variant){AIRSSYS_HEALTHY, {0}};
}

WEAK airssys_result airssys_shutdown(void) { return airssys_ok(); }

/* --- what the guest calls ------------------------------------------------------------
 * The ABI passes a record field by field; a result of more than one number goes where
 * the last parameter points. */

#define IMPORT(interface, function)                                               \
  extern __attribute__((import_module("airssys:core/" interface "@1.0.0"),        \
                        import_name(function)))
#define BYTES const void *, uint32_t
#define ID BYTES, BYTES, BYTES
#define FLAT(value) (value).at, (value).length
#define FLAT_ID(id) FLAT((id).namespace), FLAT((id).name), FLAT((id).instance)

#define HOST(function) IMPORT("host-services", function)
HOST("log") void host_log(uint32_t, BYTES, BYTES);
HOST("current-time") void host_current_time(airssys_timestamp *);
HOST("current-time-millis") uint64_t host_current_time_millis(void);
HOST("sleep-millis") void host_sleep_millis(uint64_t);
HOST("random-bytes") void host_random_bytes(uint32_t, airssys_bytes *);
HOST("get-config") void host_get_config(BYTES, airssys_option_bytes *);
HOST("list-components") void host_list_components(airssys_ids *);
HOST("get-component-metadata") void host_get_component_metadata(ID, airssys_result_info *);

#define MESSAGING(function) IMPORT("messaging", function)
MESSAGING("self-id") void host_self_id(airssys_id *);
MESSAGING("send") void host_send(ID, BYTES, airssys_result *);
MESSAGING("request") void host_request(ID, BYTES, uint64_t, airssys_result_bytes *);
MESSAGING("send-request")
void host_send_request(ID, BYTES, uint64_t, airssys_result_bytes *);
MESSAGING("cancel-request") uint32_t host_cancel_request(BYTES);
MESSAGING("broadcast") void host_broadcast(BYTES, BYTES, airssys_results *);
MESSAGING("publish") void host_publish(BYTES, BYTES, airssys_result *);
MESSAGING("subscribe") void host_subscribe(BYTES, airssys_result *);
MESSAGING("unsubscribe") void host_unsubscribe(BYTES, airssys_result *);

void airssys_log(uint8_t level, airssys_bytes message) {
  airssys_log_with(level, message, (airssys_pairs){0});
}

void airssys_log_with(uint8_t level, airssys_bytes message, airssys_pairs context) {
  host_log(level, FLAT(message), FLAT(context));
}

airssys_timestamp airssys_current_time(void) {
  airssys_timestamp now;
  host_current_time(&now);
  return now;
}

uint64_t airssys_current_time_millis(void) { return host_current_time_millis(); }

void airssys_sleep_millis(uint64_t duration) { host_sleep_millis(duration); }

airssys_bytes airssys_random_bytes(uint32_t count) {
  airssys_bytes drawn;
  host_random_bytes(count, &drawn);
  return drawn;
}

airssys_option_bytes airssys_get_config(airssys_bytes key) {
  airssys_option_bytes found;
  host_get_config(FLAT(key), &found);
  return found;
}

airssys_ids airssys_list_components(void) {
  airssys_ids listed;
  host_list_components(&listed);
  return listed;
}

airssys_result_info airssys_get_component_metadata(airssys_id id) {
  airssys_result_info found;
  host_get_component_metadata(FLAT_ID(id), &found);
  return found;
}

airssys_id airssys_self_id(void) {
  airssys_id self;
  host_self_id(&self);
  return self;
}

airssys_result airssys_send(airssys_id target, airssys_bytes payload) {
  airssys_result result;
  host_send(FLAT_ID(target), FLAT(payload), &result);
  return result;
}

airssys_result_bytes airssys_request(airssys_id target, airssys_bytes payload,
                                     uint64_t timeout_ms) {
  airssys_result_bytes result;
  host_request(FLAT_ID(target), FLAT(payload), timeout_ms, &result);
  return result;
}

airssys_result_bytes airssys_send_request(airssys_id target, airssys_bytes payload,
                                          uint64_t timeout_ms) {
  airssys_result_bytes result;
  host_send_request(FLAT_ID(target), FLAT(payload), timeout_ms, &result);
  return result;
}

bool airssys_cancel_request(airssys_bytes request_id) {
  return host_cancel_request(FLAT(request_id)) != 0;
}

airssys_results airssys_broadcast(airssys_ids targets, airssys_bytes payload) {
  airssys_results results;
  host_broadcast(FLAT(targets), FLAT(payload), &results);
  return results;
}

airssys_result airssys_publish(airssys_bytes topic, airssys_bytes payload) {
  airssys_result result;
  host_publish(FLAT(topic), FLAT(payload), &result);
  return result;
}

airssys_result airssys_subscribe(airssys_bytes pattern) {
  airssys_result result;
  host_subscribe(FLAT(pattern), &result);
  return result;
}

airssys_result airssys_unsubscribe(airssys_bytes pattern) {
  airssys_result result;
  host_unsubscribe(FLAT(pattern), &result);
  return result;
}

/* --- small things ------------------------------------------------------------------ */

airssys_result airssys_ok(void) { return (airssys_result){false, {0}}; }

airssys_result airssys_error(uint8_t kind, airssys_bytes text) {
  return (airssys_result){true, {kind, text}};
}

airssys_reply airssys_answer(airssys_bytes payload) {
  return (airssys_reply){false, .value = {true, payload}};
}

airssys_reply airssys_no_answer(void) {
  return (airssys_reply){false, .value = {false, {0}}};
}

airssys_reply airssys_refuse(uint8_t kind, airssys_bytes text) {
  return (airssys_reply){true, .error = {kind, text}};
}

bool airssys_same(airssys_bytes a, airssys_bytes b) {
  if (a.length != b.length) return false;
  for (uint32_t i = 0; i < a.length; i++)
    if (a.at[i] != b.at[i]) return false;
  return true;
}

airssys_bytes airssys_join(airssys_bytes a, airssys_bytes b) {
  uint8_t *joined = airssys_allocate((size_t)a.length + b.length);
  __builtin_memcpy(joined, a.at, a.length);
  __builtin_memcpy(joined + a.length, b.at, b.length);
  return (airssys_bytes){joined, a.length + b.length};
}

airssys_bytes airssys_cut(airssys_bytes *rest, uint8_t separator) {
  uint32_t end = 0;
  while (end < rest->length && rest->at[end] != separator) end++;
  airssys_bytes part = {rest->at, end};
  uint32_t taken = end < rest->length ? end + 1 : end;
  rest->at += taken;
  rest->length -= taken;
  return part;
}

airssys_bytes airssys_decimal(uint64_t number) {
  enum { MOST = 20 }; /* digits of 2^64 - 1 */
  uint8_t *digits = airssys_allocate(MOST);
  uint32_t first = MOST;
  do {
    digits[--first] = (uint8_t)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  return (airssys_bytes){digits + first, MOST - first};
}

bool airssys_number(airssys_bytes text, uint64_t *number) {
  uint64_t read = 0;
  for (uint32_t i = 0; i < text.length; i++) {
    uint64_t digit = (uint64_t)text.at[i] - '0';
    if (digit > 9 || read > (UINT64_MAX - digit) / 10) return false;
    read = read * 10 + digit;
  }
  *number = read;
  return text.length != 0;
}

airssys_id airssys_parse_id(airssys_bytes text) {
  airssys_id id = {{0}, {0}, {0}};
  id.name = airssys_cut(&text, '#');
  id.instance = text;
  airssys_bytes rest = id.name;
  airssys_bytes first = airssys_cut(&rest, '/');
  if (first.length < id.name.length) {
    id.namespace = first;
    id.name = rest;
  }
  return id;
}

airssys_bytes airssys_id_text(airssys_id id) {
  airssys_bytes text = id.name;
  if (id.namespace.length != 0)
    text = airssys_join(airssys_join(id.namespace, AIRSSYS_TEXT("/")), text);
  if (id.instance.length != 0)
    text = airssys_join(airssys_join(text, AIRSSYS_TEXT("#")), id.instance);
  return text;
}

airssys_option_bytes airssys_find(airssys_pairs pairs, airssys_bytes key) {
  for (uint32_t i = 0; i < pairs.length; i++)
    if (airssys_same(pairs.at[i].key, key))
      return (airssys_option_bytes){true, pairs.at[i].value};
  return (airssys_option_bytes){0};
}
