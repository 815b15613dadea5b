/* An actor that does what each payload says, for tests of whatever runs it.
 *
 * A payload is a verb and, after a blank, its argument. `handle-message` and `execute`
 * obey the same verbs. Calls of the host that fail are answered with `error CASE: TEXT`,
 * so that a test can see them; those that succeed without a value with `ok`.
 *
 *   echo BYTES       the bytes
 *   quiet            no answer: ok(none)
 *   err TEXT         err(internal-error(TEXT)); from execute, processing-failed
 *   note BYTES       no answer; keeps the bytes
 *   notes            what was noted, in order, each followed by a newline
 *   count            how many messages came before this one, since init
 *   trap             unreachable
 *   oob              a load out of bounds
 *   divide           a division by zero
 *   deep             a recursion deeper than any stack
 *   spin             a loop without end
 *   burn N           a loop of N rounds, then `ok`
 *   grow PAGES       the pages before, or `error: no memory`
 *   pages            the pages now
 *   sick TEXT        health is unhealthy(TEXT) from now on
 *   weak TEXT        health is degraded(TEXT) from now on
 *   well             health is healthy again
 *   health ORDER     health obeys the order from now on, as in `health spin`
 *   who              the sender of this message, or the caller of execute
 *   asked            `yes` where the message carries a correlation-id, or `no`
 *   request          what execute was given: REQUEST-ID TIMEOUT-MS
 *   log TEXT         log at info with the context verb=log; nothing is answered
 *   time             current-time-millis
 *   now              current-time as SECONDS.NANOSECONDS
 *   sleep MS         `ok` after so long
 *   random N         N random bytes
 *   config KEY       its value, or `error: no such key`
 *   list             list-components, one a line
 *   about ID         get-component-metadata: `ID NAME VERSION` and its health in words
 *   self             self-id
 *   send ID BYTES    `ok`
 *   ask ID BYTES     the answer; waits for the config `ask-ms` (default 1000)
 *   later ID BYTES   the request-id of a send-request, same timeout
 *   cancel REQUEST   `true` or `false`
 *   got              the last callback: `REQUEST-ID ok BYTES` or `REQUEST-ID err TEXT`
 *   broadcast ID,ID BYTES    one line for each target
 *   publish TOPIC BYTES, subscribe PATTERN, unsubscribe PATTERN    `ok`
 *   heard            how many messages came over topics, and the last: `N TOPIC BYTES`
 *
 * A message with a topic is only heard, never obeyed. Any other verb is an
 * internal-error, or invalid-input. Config keys that change its life:
 *
 *   fail TEXT        init answers err(configuration-invalid(TEXT))
 *   hang spin|sleep  init never returns
 *   init-trap        init traps
 *   slow MS          init sleeps so long first
 *   subscribe P      init subscribes to P
 *   bad-callback     handle-callback answers err(internal-error)
 *   bad-shutdown trap|spin|sleep|err    what shutdown does
 *   farewell ID      shutdown sends `note farewell` to ID
 *
 *     python examples/guest_c/build.py tests/guests/lifecycle.c
 */
#include "airssys.h"

#define TEXT AIRSSYS_TEXT

static uint64_t messages, heard;
static uint64_t ask_ms = 1000;
static airssys_variant health = {AIRSSYS_HEALTHY, {0}};
static airssys_bytes health_verb, bad_shutdown, farewell;
static bool bad_callback;

/* What lasts beyond a call. What does not fit is cut off. */
typedef struct {
  uint32_t length;
  uint8_t at[4096];
} kept;

static kept notes, callback, last_heard, health_text, health_verb_text, shutdown_text,
    farewell_text;

static void append(kept *to, airssys_bytes text) {
  for (uint32_t i = 0; i < text.length && to->length < sizeof to->at; i++)
    to->at[to->length++] = text.at[i];
}

static airssys_bytes view(const kept *from) {
  return (airssys_bytes){from->at, from->length};
}

static airssys_bytes keep(kept *to, airssys_bytes text) {
  to->length = 0;
  append(to, text);
  return view(to);
}

static airssys_bytes join3(airssys_bytes a, airssys_bytes b, airssys_bytes c) {
  return airssys_join(airssys_join(a, b), c);
}

static airssys_bytes described(const char *const *words, airssys_variant error) {
  const char *word = words[error.kind];
  uint32_t length = 0;
  while (word[length]) length++;
  airssys_bytes kind = {(const uint8_t *)word, length};
  return error.text.length ? join3(kind, TEXT(": "), error.text) : kind;
}

static airssys_bytes refused(airssys_variant error) {
  static const char *const words[] = {
      "component-not-found", "mailbox-full", "timeout", "invalid-message",
      "denied",              "cycle",        "stopped", "failed",
  };
  if (error.kind == AIRSSYS_TIMEOUT) error.text = (airssys_bytes){0};
  return airssys_join(TEXT("error "), described(words, error));
}

static airssys_bytes done(airssys_result result) {
  return result.failed ? refused(result.error) : TEXT("ok");
}

static airssys_bytes outcome(airssys_result_bytes result) {
  return result.failed ? refused(result.error) : result.value;
}

static airssys_bytes about(airssys_id id) {
  static const char *const errors[] = {
      "initialization-failed", "configuration-invalid", "resource-exhausted",
      "internal-error",        "not-found",
  };
  static const char *const healths[] = {"healthy", "degraded", "unhealthy", "unknown"};
  airssys_result_info found = airssys_get_component_metadata(id);
  if (found.failed) return airssys_join(TEXT("error "), described(errors, found.error));
  airssys_bytes text = airssys_join(airssys_id_text(found.value.id), TEXT(" "));
  if (found.value.metadata.some) {
    const airssys_metadata_record *metadata = &found.value.metadata.value;
    text = airssys_join(text, join3(metadata->name, TEXT(" "), metadata->version));
    text = airssys_join(text, TEXT(" "));
  }
  airssys_variant feels = found.value.health;
  if (feels.kind == AIRSSYS_HEALTHY) feels.text = (airssys_bytes){0};
  return airssys_join(text, described(healths, feels));
}

static void spin(void) {
  for (;;) __asm__ volatile("");
}

/* The barrier keeps it from becoming a loop. It uses the call stack only. */
__attribute__((noinline)) static uint32_t deep(uint32_t depth) {
  uint32_t below = depth == UINT32_MAX ? 0 : deep(depth + 1);
  __asm__ volatile("" : "+r"(below));
  return below + 1;
}

static uint64_t number(airssys_bytes text) {
  uint64_t read = 0;
  airssys_number(text, &read);
  return read;
}

/* Who is speaking, by message or through execute. */
typedef struct {
  const airssys_message *message;
  const airssys_context *context;
} speaker;

/* What an order leads to: an answer, an error text, or neither. */
typedef struct {
  enum { ANSWER, QUIET, FAIL, UNKNOWN } what;
  airssys_bytes text;
} answer;

static airssys_id target_of(airssys_bytes *rest) {
  return airssys_parse_id(airssys_cut(rest, ' '));
}

#define VERBS(X)                                                                   \
  X(echo) X(quiet) X(err) X(note) X(notes) X(count) X(trap) X(oob) X(divide) X(deep) \
  X(spin) X(burn) X(grow) X(pages) X(sick) X(weak) X(well) X(health) X(who) X(asked)  \
  X(request) X(log) X(time) X(now) X(sleep) X(random) X(config) X(list) X(about)      \
  X(self) X(send) X(ask) X(later) X(cancel) X(got) X(broadcast) X(publish)            \
  X(subscribe) X(unsubscribe) X(heard)
#define NUMBERED(verb) do_##verb,
#define SPELT(verb) AIRSSYS_STATIC_TEXT(#verb),

typedef enum { VERBS(NUMBERED) NO_VERB } verb;

static verb verb_of(airssys_bytes word) {
  static const airssys_bytes words[] = {VERBS(SPELT)};
  verb found = 0;
  while (found < NO_VERB && !airssys_same(word, words[found])) found++;
  return found;
}

static answer obey(airssys_bytes order, speaker from) {
  airssys_bytes rest = order;
  airssys_bytes word = airssys_cut(&rest, ' ');
  verb said = verb_of(word);
  answer result = {ANSWER, TEXT("ok")};
  const answer quiet = {QUIET, {0}};
  switch (said) {
    case do_echo:
      result.text = rest;
      break;
    case do_note:
      append(&notes, rest);
      append(&notes, TEXT("\n"));
      result = quiet;
      break;
    case do_quiet:
      result = quiet;
      break;
    case do_err:
      result = (answer){FAIL, rest};
      break;
    case do_notes:
      result.text = view(&notes);
      break;
    case do_count:
      result.text = airssys_decimal(messages - 1);
      break;

    case do_trap:
      __builtin_trap();
    case do_oob: {
      uintptr_t nowhere = UINT32_MAX - 7;
      __asm__ volatile("" : "+r"(nowhere));
      result.text.length = *(volatile const uint8_t *)nowhere;
      break;
    }
    case do_divide: {
      uint32_t some = 7, none = 0;
      __asm__ volatile("" : "+r"(some), "+r"(none));
      result.text = airssys_decimal(some / none);
      break;
    }
    case do_deep:
      result.text = airssys_decimal(deep(0));
      break;
    case do_spin:
      spin();
      break;
    case do_burn:
      for (uint64_t rounds = number(rest); rounds; rounds--) __asm__ volatile("");
      break;
    case do_grow: {
      uintptr_t before = __builtin_wasm_memory_grow(0, (uintptr_t)number(rest));
      result.text = before == (uintptr_t)-1 ? TEXT("error: no memory")
                                            : airssys_decimal(before);
      break;
    }
    case do_pages:
      result.text = airssys_decimal(__builtin_wasm_memory_size(0));
      break;

    case do_sick:
    case do_weak:
    case do_well:
      health.kind = said == do_sick   ? AIRSSYS_UNHEALTHY
                    : said == do_weak ? AIRSSYS_DEGRADED
                                      : AIRSSYS_HEALTHY;
      health.text = keep(&health_text, rest);
      break;
    case do_health:
      health_verb = keep(&health_verb_text, rest);
      break;

    case do_who:
      result.text = from.message ? airssys_id_text(from.message->sender)
                    : from.context && from.context->caller.some
                        ? airssys_id_text(from.context->caller.value)
                        : TEXT("nobody");
      break;
    case do_asked:
      result.text = from.message && from.message->correlation_id.some ? TEXT("yes")
                                                                      : TEXT("no");
      break;
    case do_request:
      if (from.context)
        result.text = join3(from.context->request_id, TEXT(" "),
                            from.context->timeout_ms.some
                                ? airssys_decimal(from.context->timeout_ms.value)
                                : TEXT("none"));
      break;

    case do_log: {
      airssys_pair context[] = {{TEXT("verb"), word}};
      airssys_log_with(AIRSSYS_INFO, rest, (airssys_pairs){context, 1});
      result = quiet;
      break;
    }
    case do_time:
      result.text = airssys_decimal(airssys_current_time_millis());
      break;
    case do_now: {
      airssys_timestamp now = airssys_current_time();
      result.text = join3(airssys_decimal(now.seconds), TEXT("."),
                          airssys_decimal(now.nanoseconds));
      break;
    }
    case do_sleep:
      airssys_sleep_millis(number(rest));
      break;
    case do_random:
      result.text = airssys_random_bytes((uint32_t)number(rest));
      break;
    case do_config: {
      airssys_option_bytes found = airssys_get_config(rest);
      result.text = found.some ? found.value : TEXT("error: no such key");
      break;
    }
    case do_list: {
      airssys_ids ids = airssys_list_components();
      result.text.length = 0;
      for (uint32_t i = 0; i < ids.length; i++)
        result.text = join3(result.text, airssys_id_text(ids.at[i]), TEXT("\n"));
      break;
    }
    case do_about:
      result.text = about(airssys_parse_id(rest));
      break;

    case do_self:
      result.text = airssys_id_text(airssys_self_id());
      break;
    case do_send: {
      airssys_id target = target_of(&rest);
      result.text = done(airssys_send(target, rest));
      break;
    }
    case do_ask: {
      airssys_id target = target_of(&rest);
      result.text = outcome(airssys_request(target, rest, ask_ms));
      break;
    }
    case do_later: {
      airssys_id target = target_of(&rest);
      result.text = outcome(airssys_send_request(target, rest, ask_ms));
      break;
    }
    case do_cancel:
      result.text = airssys_cancel_request(rest) ? TEXT("true") : TEXT("false");
      break;
    case do_got:
      result.text = view(&callback);
      break;
    case do_broadcast: {
      airssys_id ids[16];
      airssys_ids targets = {ids, 0};
      airssys_bytes names = airssys_cut(&rest, ' ');
      while (names.length && targets.length < 16)
        ids[targets.length++] = airssys_parse_id(airssys_cut(&names, ','));
      airssys_results sent = airssys_broadcast(targets, rest);
      result.text.length = 0;
      for (uint32_t i = 0; i < sent.length; i++)
        result.text = join3(result.text, done(sent.at[i]), TEXT("\n"));
      break;
    }
    case do_publish: {
      airssys_bytes topic = airssys_cut(&rest, ' ');
      result.text = done(airssys_publish(topic, rest));
      break;
    }
    case do_subscribe:
      result.text = done(airssys_subscribe(rest));
      break;
    case do_unsubscribe:
      result.text = done(airssys_unsubscribe(rest));
      break;
    case do_heard:
      result.text = join3(airssys_decimal(heard), TEXT(" "), view(&last_heard));
      break;
    case NO_VERB:
      result = (answer){UNKNOWN, airssys_join(TEXT("unknown verb: "), word)};
      break;
  }
  return result;
}

airssys_reply airssys_handle_message(const airssys_message *message) {
  if (message->topic.some) {
    heard++;
    keep(&last_heard, message->topic.value);
    append(&last_heard, TEXT(" "));
    append(&last_heard, message->payload);
    return airssys_no_answer();
  }
  messages++;
  answer said = obey(message->payload, (speaker){message, NULL});
  if (said.what == ANSWER) return airssys_answer(said.text);
  if (said.what == QUIET) return airssys_no_answer();
  return airssys_refuse(AIRSSYS_INTERNAL_ERROR, said.text);
}

airssys_result_bytes airssys_execute(airssys_bytes operation,
                                     const airssys_context *context) {
  messages++;
  answer said = obey(operation, (speaker){NULL, context});
  if (said.what == ANSWER || said.what == QUIET)
    return (airssys_result_bytes){false, .value = said.text};
  airssys_variant error = {
      said.what == FAIL ? AIRSSYS_PROCESSING_FAILED : AIRSSYS_INVALID_INPUT, said.text};
  return (airssys_result_bytes){true, .error = error};
}

airssys_result airssys_handle_callback(airssys_bytes request_id,
                                       airssys_outcome ended) {
  keep(&callback, request_id);
  append(&callback, ended.failed ? TEXT(" err ") : TEXT(" ok "));
  append(&callback, ended.value);
  if (bad_callback) return airssys_error(AIRSSYS_INTERNAL_ERROR, TEXT("bad-callback"));
  return airssys_ok();
}

airssys_result airssys_init(const airssys_config *config) {
  airssys_option_bytes found;
#define CONFIGURED(key) \
  (found = airssys_find(config->config_data, TEXT(key)), found.some)
  if (CONFIGURED("fail"))
    return airssys_error(AIRSSYS_CONFIGURATION_INVALID, found.value);
  if (CONFIGURED("init-trap")) __builtin_trap();
  if (CONFIGURED("slow")) airssys_sleep_millis(number(found.value));
  if (CONFIGURED("hang")) {
    while (airssys_same(found.value, TEXT("sleep"))) airssys_sleep_millis(60000);
    spin();
  }
  if (CONFIGURED("ask-ms")) ask_ms = number(found.value);
  if (CONFIGURED("bad-shutdown")) bad_shutdown = keep(&shutdown_text, found.value);
  if (CONFIGURED("farewell")) farewell = keep(&farewell_text, found.value);
  bad_callback = CONFIGURED("bad-callback");
  if (CONFIGURED("subscribe")) {
    airssys_result subscribed = airssys_subscribe(found.value);
    if (subscribed.failed)
      return airssys_error(AIRSSYS_INITIALIZATION_FAILED, refused(subscribed.error));
  }
  return airssys_ok();
}

airssys_variant airssys_health(void) {
  if (health_verb.length) obey(health_verb, (speaker){NULL, NULL});
  return health;
}

airssys_result airssys_shutdown(void) {
  if (farewell.length) airssys_send(airssys_parse_id(farewell), TEXT("note farewell"));
  if (airssys_same(bad_shutdown, TEXT("trap"))) __builtin_trap();
  if (airssys_same(bad_shutdown, TEXT("spin"))) spin();
  while (airssys_same(bad_shutdown, TEXT("sleep"))) airssys_sleep_millis(60000);
  if (bad_shutdown.length)
    return airssys_error(AIRSSYS_INTERNAL_ERROR, TEXT("bad-shutdown"));
  return airssys_ok();
}

airssys_metadata_record airssys_metadata(void) {
  static const airssys_bytes operations[] = {
      AIRSSYS_STATIC_TEXT("echo"),
      AIRSSYS_STATIC_TEXT("trap"),
      AIRSSYS_STATIC_TEXT("spin"),
  };
  return (airssys_metadata_record){
      .name = TEXT("lifecycle"),
      .version = TEXT("1.2.3"),
      .description = TEXT("Does what each payload says"),
      .author = TEXT("airssys"),
      .license = TEXT("Apache-2.0"),
      .supported_operations = {operations, 3},
      .stateful = true,
      .memory_requirements = 65536 * 2,
  };
}
