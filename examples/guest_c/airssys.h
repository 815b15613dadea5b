/* An actor of the world airssys:core/component@1.0.0, in C without a libc.
 *
 * Copy airssys.h and airssys.c beside your own file, write the functions of the first
 * section that you need, and build with build.py. One call runs at a time, and what a
 * call was given or has allocated is gone when it has returned: keep what must last in
 * static variables of your own.
 *
 * The structs have the layout of the component model's canonical ABI, so they pass
 * between host and guest as they are. */
#ifndef AIRSSYS_H
#define AIRSSYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- values ---------------------------------------------------------------------- */

/* A string, in UTF-8, or a list<u8>. Not ended by a zero. */
typedef struct {
  const uint8_t *at;
  uint32_t length;
} airssys_bytes;

/* Make bytes of a string literal; the second is for static variables. */
#define AIRSSYS_TEXT(literal) ((airssys_bytes)AIRSSYS_STATIC_TEXT(literal))
#define AIRSSYS_STATIC_TEXT(literal) \
  { (const uint8_t *)("" literal), sizeof(literal) - 1 }

typedef struct {
  bool some;
  airssys_bytes value;
} airssys_option_bytes;

typedef struct {
  bool some;
  uint64_t value;
} airssys_option_u64;

typedef struct {
  airssys_bytes key, value;
} airssys_pair;

typedef struct {
  const airssys_pair *at;
  uint32_t length;
} airssys_pairs;

typedef struct {
  airssys_bytes namespace, name, instance;
} airssys_id;

typedef struct {
  const airssys_id *at;
  uint32_t length;
} airssys_ids;

typedef struct {
  bool some;
  airssys_id value;
} airssys_option_id;

typedef struct {
  uint64_t seconds;
  uint32_t nanoseconds;
} airssys_timestamp;

typedef struct {
  airssys_id sender;
  airssys_bytes payload;
  airssys_option_bytes correlation_id;
  airssys_option_id reply_to;
  airssys_option_bytes topic;
  airssys_option_bytes content_type;
  airssys_timestamp timestamp;
} airssys_message;

typedef struct {
  uint64_t memory_bytes;
  airssys_option_u64 fuel, timeout_ms, payload_bytes;
} airssys_limits;

typedef struct {
  airssys_pairs env_vars;
  airssys_pairs config_data;
  airssys_limits limits;
} airssys_config;

typedef struct {
  airssys_bytes request_id;
  airssys_option_u64 timeout_ms;
  airssys_option_id caller;
} airssys_context;

typedef struct {
  airssys_bytes name, version, description, author, license;
  struct {
    const airssys_bytes *at;
    uint32_t length;
  } supported_operations;
  bool stateful;
  uint64_t memory_requirements;
} airssys_metadata_record;

/* A variant whose cases carry a text, or nothing: the errors and health-status. */
typedef struct {
  uint8_t kind; /* one of the enums below */
  airssys_bytes text;
} airssys_variant;

enum { /* component-error */
  AIRSSYS_INITIALIZATION_FAILED,
  AIRSSYS_CONFIGURATION_INVALID,
  AIRSSYS_RESOURCE_EXHAUSTED,
  AIRSSYS_INTERNAL_ERROR,
  AIRSSYS_NOT_FOUND,
};
enum { /* execution-error */
  AIRSSYS_INVALID_INPUT,
  AIRSSYS_PROCESSING_FAILED,
  AIRSSYS_EXECUTION_TIMEOUT,
  AIRSSYS_RESOURCE_LIMIT_EXCEEDED,
};
enum { /* messaging-error */
  AIRSSYS_COMPONENT_NOT_FOUND,
  AIRSSYS_MAILBOX_FULL,
  AIRSSYS_TIMEOUT,
  AIRSSYS_INVALID_MESSAGE,
  AIRSSYS_DENIED,
  AIRSSYS_CYCLE,
  AIRSSYS_STOPPED,
  AIRSSYS_FAILED,
};
enum { /* health-status */
  AIRSSYS_HEALTHY,
  AIRSSYS_DEGRADED,
  AIRSSYS_UNHEALTHY,
  AIRSSYS_UNKNOWN,
};
enum { /* log-level */
  AIRSSYS_TRACE,
  AIRSSYS_DEBUG,
  AIRSSYS_INFO,
  AIRSSYS_WARN,
  AIRSSYS_ERROR,
};

/* result<_, …-error> */
typedef struct {
  bool failed;
  airssys_variant error;
} airssys_result;

/* result<payload, …-error> and result<string, …-error> */
typedef struct {
  bool failed;
  union {
    airssys_bytes value;
    airssys_variant error;
  };
} airssys_result_bytes;

/* result<option<payload>, component-error>, what a message is answered with */
typedef struct {
  bool failed;
  union {
    airssys_option_bytes value;
    airssys_variant error;
  };
} airssys_reply;

/* result<payload, string>, how a request of ours ended: text or payload in value */
typedef struct {
  bool failed;
  airssys_bytes value;
} airssys_outcome;

typedef struct {
  airssys_id id;
  struct {
    bool some;
    airssys_metadata_record value;
  } metadata;
  airssys_variant health;
} airssys_info;

typedef struct {
  bool failed;
  union {
    airssys_info value;
    airssys_variant error;
  };
} airssys_result_info;

typedef struct {
  const airssys_result *at;
  uint32_t length;
} airssys_results;

/* --- what you write: component-lifecycle -------------------------------------------
 * airssys.c has a weak version of each, which does nothing and says ok; its
 * handle_message and execute refuse. */

airssys_result airssys_init(const airssys_config *config);
airssys_reply airssys_handle_message(const airssys_message *message);
airssys_result_bytes airssys_execute(airssys_bytes operation,
                                     const airssys_context *context);
airssys_result airssys_handle_callback(airssys_bytes request_id,
                                       airssys_outcome outcome);
airssys_metadata_record airssys_metadata(void);
airssys_variant airssys_health(void);
airssys_result airssys_shutdown(void);

/* --- what you call: host-services -------------------------------------------------- */

void airssys_log(uint8_t level, airssys_bytes message);
void airssys_log_with(uint8_t level, airssys_bytes message, airssys_pairs context);
airssys_timestamp airssys_current_time(void);
uint64_t airssys_current_time_millis(void);
void airssys_sleep_millis(uint64_t duration);
airssys_bytes airssys_random_bytes(uint32_t count);
airssys_option_bytes airssys_get_config(airssys_bytes key);
airssys_ids airssys_list_components(void);
airssys_result_info airssys_get_component_metadata(airssys_id id);

/* --- what you call: messaging ------------------------------------------------------ */

airssys_id airssys_self_id(void);
airssys_result airssys_send(airssys_id target, airssys_bytes payload);
airssys_result_bytes airssys_request(airssys_id target, airssys_bytes payload,
                                     uint64_t timeout_ms);
airssys_result_bytes airssys_send_request(airssys_id target, airssys_bytes payload,
                                          uint64_t timeout_ms);
bool airssys_cancel_request(airssys_bytes request_id);
airssys_results airssys_broadcast(airssys_ids targets, airssys_bytes payload);
airssys_result airssys_publish(airssys_bytes topic, airssys_bytes payload);
airssys_result airssys_subscribe(airssys_bytes pattern);
airssys_result airssys_unsubscribe(airssys_bytes pattern);

/* --- small things for all of them -------------------------------------------------- */

/* Memory until this call returns; traps where there is no more. */
void *airssys_allocate(size_t size);

airssys_result airssys_ok(void);
airssys_result airssys_error(uint8_t kind, airssys_bytes text);
airssys_reply airssys_answer(airssys_bytes payload);
airssys_reply airssys_no_answer(void);
airssys_reply airssys_refuse(uint8_t kind, airssys_bytes text);

bool airssys_same(airssys_bytes a, airssys_bytes b);
airssys_bytes airssys_join(airssys_bytes a, airssys_bytes b);
/* Take the part before the first separator off *rest, the separator too. */
airssys_bytes airssys_cut(airssys_bytes *rest, uint8_t separator);
airssys_bytes airssys_decimal(uint64_t number);
/* False where the text is not all digits, or too many. */
bool airssys_number(airssys_bytes text, uint64_t *number);
/* [namespace/]name[#instance], read and written. */
airssys_id airssys_parse_id(airssys_bytes text);
airssys_bytes airssys_id_text(airssys_id id);
/* The value of a key, as from config->config_data. */
airssys_option_bytes airssys_find(airssys_pairs pairs, airssys_bytes key);

#endif
