/* Keeps a tally of orders, as an example of a guest in C.
 *
 * It subscribes to `orders.#`. For each order it tells the counter "inc", asks it for
 * the count, and publishes a summary on the topic `tally.summary`:
 *
 *     orders 3, counter 3, last orders.created
 *
 * "summary" is answered with the same line. Config: `counter`, the id of the actor that
 * counts (default `counter`), and `subscribe`, the pattern of topics.
 *
 *     python examples/guest_c/build.py examples/quickstart/tally/tally.c
 */
#include "airssys.h"

#define ANSWER_WITHIN 1000 /* milliseconds */

static uint64_t orders;
static airssys_bytes summary = AIRSSYS_STATIC_TEXT("no orders yet");

/* What a call hands over is gone when it returns, so the summary lives here. */
static uint8_t summary_text[200];

static airssys_id counter(void) {
  airssys_option_bytes named = airssys_get_config(AIRSSYS_TEXT("counter"));
  return airssys_parse_id(named.some ? named.value : AIRSSYS_TEXT("counter"));
}

static void summarise(airssys_bytes count, airssys_bytes topic) {
  airssys_bytes parts[] = {
      AIRSSYS_TEXT("orders "), airssys_decimal(orders), AIRSSYS_TEXT(", counter "),
      count,                   AIRSSYS_TEXT(", last "), topic,
  };
  uint32_t length = 0;
  for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++)
    for (uint32_t k = 0; k < parts[i].length && length < sizeof summary_text; k++)
      summary_text[length++] = parts[i].at[k];
  summary = (airssys_bytes){summary_text, length};
}

airssys_result airssys_init(const airssys_config *config) {
  airssys_option_bytes pattern =
      airssys_find(config->config_data, AIRSSYS_TEXT("subscribe"));
  airssys_result subscribed =
      airssys_subscribe(pattern.some ? pattern.value : AIRSSYS_TEXT("orders.#"));
  if (subscribed.failed)
    return airssys_error(AIRSSYS_INITIALIZATION_FAILED, subscribed.error.text);
  airssys_log(AIRSSYS_INFO, AIRSSYS_TEXT("waiting for orders"));
  return airssys_ok();
}

airssys_reply airssys_handle_message(const airssys_message *message) {
  if (!message->topic.some) {
    if (airssys_same(message->payload, AIRSSYS_TEXT("summary")))
      return airssys_answer(summary);
    return airssys_refuse(AIRSSYS_INTERNAL_ERROR,
                          AIRSSYS_TEXT("tally understands summary and orders"));
  }

  orders++;
  airssys_result told = airssys_send(counter(), AIRSSYS_TEXT("inc"));
  if (told.failed) return airssys_refuse(AIRSSYS_INTERNAL_ERROR, told.error.text);
  airssys_result_bytes count =
      airssys_request(counter(), AIRSSYS_TEXT("get"), ANSWER_WITHIN);
  /* The counter may be down at this moment. The tally goes on without it. */
  if (count.failed) airssys_log(AIRSSYS_WARN, AIRSSYS_TEXT("the counter is silent"));
  summarise(count.failed ? AIRSSYS_TEXT("unknown") : count.value, message->topic.value);
  airssys_publish(AIRSSYS_TEXT("tally.summary"), summary);
  return airssys_no_answer();
}

airssys_metadata_record airssys_metadata(void) {
  static const airssys_bytes operations[] = {AIRSSYS_STATIC_TEXT("summary")};
  return (airssys_metadata_record){
      .name = AIRSSYS_TEXT("tally"),
      .version = AIRSSYS_TEXT("1.0.0"),
      .description = AIRSSYS_TEXT("Keeps a tally of orders"),
      .author = AIRSSYS_TEXT("airssys"),
      .license = AIRSSYS_TEXT("Apache-2.0"),
      .supported_operations = {operations, 1},
      .stateful = true,
      .memory_requirements = 128 * 1024,
  };
}
