/* The guest of the world airssys-test:probe/probe, in C without a libc or a generator of
 * bindings. Core names and signatures are those that
 *
 *     wasm-tools component embed --dummy-names legacy wit -w probe -t
 *
 * prints. Structs have the layout of the canonical ABI, so that they cross as they are. */
#include "abi.h"

#define TURNS "airssys-test:probe/turns@0.1.0"
#define HOST "airssys-test:probe/host@0.1.0"
#define API "airssys-test:probe/api@0.1.0"

/* Whether functions of `turns` call the host's. */
static bool relaying;

/* ===== turns: values ================================================================== */

typedef struct {
  int32_t x, y;
} point;
typedef LIST(point) point_list;

typedef struct {
  uint64_t id;
  bytes title, body;
  point at;
  bytes_list tags;
} document;
typedef LIST(document) document_list;

typedef struct {
  uint8_t kind;
  union {
    bytes data; /* text and raw */
    point place;
    point_list places;
  };
} content;
enum { NOTHING, TEXTUAL, RAW, PLACE, PLACES };
typedef LIST(content) content_list;

typedef struct {
  uint8_t kind;
  bytes data; /* not for TIMEOUT */
} fault;
enum { NOT_FOUND, BROKEN, TIMEOUT };

typedef struct {
  bool failed;
  union {
    bytes value;
    fault error;
  };
} fetched;

typedef struct {
  bool failed;
  union {
    int32_t value;
    bytes error;
  };
} quotient;

typedef struct {
  bool failed;
  bytes data;
} outcome;
typedef LIST(outcome) outcome_list;

typedef struct {
  bool a;
  int8_t b;
  uint8_t c;
  int16_t d;
  uint16_t e;
  int32_t f;
  uint32_t g;
  int64_t h;
  uint64_t i;
  float j;
  double k;
  uint32_t l; /* a char */
} scalars;

typedef OPTION(uint32_t) option_u32;
typedef OPTION(option_u32) option_option_u32;
typedef struct {
  bytes first, second;
} pair;

_Static_assert(sizeof(document) == 40, "laid out as the ABI says");
_Static_assert(sizeof(content) == 12 && sizeof(fetched) == 16, "laid out as the ABI says");
_Static_assert(sizeof(option_option_u32) == 12, "laid out as the ABI says");
_Static_assert(offsetof(scalars, h) == 16 && offsetof(scalars, l) == 48, "as the ABI says");

/* A function of turns, on both sides: the host's takes one parameter more, where its result
 * goes. `relayed` calls it, if that is what the guest was told to do. */
#define PARAMS(...) __VA_ARGS__
#define TURN(name, type, params, arguments)                \
  IMPORT(TURNS, name) void host_##type(params, void *);    \
  FREE(TURNS, name, free_##type)                           \
  static void *work_##type(params);                        \
  EXPORT(TURNS, name) void *turn_##type(params) {          \
    if (!relaying) return work_##type(arguments);          \
    void *result = allocate(64); /* more than any needs */ \
    host_##type(arguments, result);                        \
    return result;                                         \
  }                                                        \
  static void *work_##type(params)

TURN("scalars", scalars,
     PARAMS(uint32_t a, int32_t b, uint32_t c, int32_t d, uint32_t e, int32_t f, uint32_t g,
            int64_t h, uint64_t i, float j, double k, uint32_t l),
     PARAMS(a, b, c, d, e, f, g, h, i, j, k, l)) {
  LEAVE(scalars, {a != 0, (int8_t)b, (uint8_t)c, (int16_t)d, (uint16_t)e, f, g, h, i, j, k, l});
}

TURN("greet", greet, PARAMS(uint8_t *at, uint32_t length), PARAMS(at, length)) {
  LEAVE(bytes, joined(TEXT("hello, "), (bytes){at, length}));
}

TURN("reverse", reverse, PARAMS(uint8_t *at, uint32_t length), PARAMS(at, length)) {
  LEAVE(bytes, reversed((bytes){at, length}));
}

TURN("swap", swap, PARAMS(int32_t x, int32_t y), PARAMS(x, y)) {
  LEAVE(point, {y, x});
}

static document turned(document given) {
  bytes_list tags = {allocate((given.tags.length + 1) * sizeof(bytes)),
                     given.tags.length + 1};
  for (uint32_t i = 0; i < given.tags.length; i++) tags.at[i] = given.tags.at[i];
  tags.at[given.tags.length] = TEXT("turned");
  return (document){given.id + 1, joined(given.title, TEXT("!")), reversed(given.body),
                    {given.at.y, given.at.x}, tags};
}

TURN("turn", turn,
     PARAMS(uint64_t id, uint8_t *title, uint32_t title_length, uint8_t *body,
            uint32_t body_length, int32_t x, int32_t y, bytes *tags, uint32_t tags_length),
     PARAMS(id, title, title_length, body, body_length, x, y, tags, tags_length)) {
  LEAVE(document, turned((document){id, {title, title_length}, {body, body_length}, {x, y},
                                    {tags, tags_length}}));
}

static content changed(content given) {
  content made = {given.kind, {{0}}};
  switch (given.kind) {
    case NOTHING:
      return (content){TEXTUAL, {TEXT("nothing")}};
    case TEXTUAL:
      return (content){RAW, {given.data}};
    case RAW:
      return (content){RAW, {reversed(given.data)}};
    case PLACE:
      made.kind = PLACES;
      made.places.at = allocate(2 * sizeof(point));
      made.places.length = 2;
      made.places.at[0] = made.places.at[1] = given.place;
      return made;
    default:
      made.kind = PLACE;
      made.place = (point){0, 0};
      for (uint32_t i = 0; i < given.places.length; i++) {
        made.place.x += given.places.at[i].x;
        made.place.y += given.places.at[i].y;
      }
      return made;
  }
}

/* Flat, the cases of a variant share their numbers: each is as wide as the widest. */
TURN("change", change, PARAMS(uint32_t kind, uint32_t first, uint32_t second),
     PARAMS(kind, first, second)) {
  content given = {(uint8_t)kind, {{(uint8_t *)first, second}}};
  LEAVE(content, changed(given));
}

TURN("toggle", toggle, PARAMS(uint32_t some, uint8_t *at, uint32_t length),
     PARAMS(some, at, length)) {
  if (some && !length) LEAVE(option_bytes, {0});
  LEAVE(option_bytes, {true, some ? reversed((bytes){at, length}) : (bytes){0}});
}

TURN("descend", descend, PARAMS(uint32_t some, uint32_t inner, uint32_t depth),
     PARAMS(some, inner, depth)) {
  if (!some) LEAVE(option_option_u32, {true, {false, 0}});
  if (!inner) LEAVE(option_option_u32, {true, {true, 0}});
  if (!depth) LEAVE(option_option_u32, {0});
  LEAVE(option_option_u32, {true, {true, depth - 1}});
}

TURN("divide", divide, PARAMS(int32_t a, int32_t b), PARAMS(a, b)) {
  if (b == 0) LEAVE(quotient, {true, .error = TEXT("division by zero")});
  LEAVE(quotient, {false, .value = a / b});
}

TURN("fetch", fetch,
     PARAMS(uint8_t *key, uint32_t key_length, uint8_t *data, uint32_t data_length),
     PARAMS(key, key_length, data, data_length)) {
  bytes asked = {key, key_length}, given = {data, data_length};
  if (same(asked, TEXT("data"))) LEAVE(fetched, {false, .value = given});
  if (same(asked, TEXT("late"))) LEAVE(fetched, {true, .error = {TIMEOUT, {0}}});
  if (same(asked, TEXT("broken"))) LEAVE(fetched, {true, .error = {BROKEN, given}});
  LEAVE(fetched, {true, .error = {NOT_FOUND, asked}});
}

TURN("invert", invert, PARAMS(outcome *at, uint32_t length), PARAMS(at, length)) {
  outcome_list made = {allocate(length * sizeof(outcome)), length};
  for (uint32_t i = 0; i < length; i++)
    made.at[i] = (outcome){!at[i].failed, at[i].data};
  LEAVE(outcome_list, made);
}

TURN("backwards", backwards, PARAMS(point *at, uint32_t length), PARAMS(at, length)) {
  point_list made = {allocate(length * sizeof(point)), length};
  for (uint32_t i = 0; i < length; i++) made.at[i] = at[length - 1 - i];
  LEAVE(point_list, made);
}

TURN("turn-all", turn_all, PARAMS(document *at, uint32_t length), PARAMS(at, length)) {
  document_list made = {allocate(length * sizeof(document)), length};
  for (uint32_t i = 0; i < length; i++) made.at[i] = turned(at[i]);
  LEAVE(document_list, made);
}

TURN("change-all", change_all, PARAMS(content *at, uint32_t length), PARAMS(at, length)) {
  content_list made = {allocate(length * sizeof(content)), length};
  for (uint32_t i = 0; i < length; i++) made.at[i] = changed(at[i]);
  LEAVE(content_list, made);
}

TURN("join", join, PARAMS(bytes *at, uint32_t length), PARAMS(at, length)) {
  bytes made = {0};
  for (uint32_t i = 0; i < length; i++) {
    if (i) made = joined(made, TEXT(","));
    made = joined(made, at[i]);
  }
  LEAVE(bytes, made);
}

TURN("split", split, PARAMS(uint8_t *at, uint32_t length), PARAMS(at, length)) {
  bytes_list made = {allocate((length + 1) * sizeof(bytes)), 0};
  for (uint32_t start = 0, i = 0; i <= length; i++)
    if (i == length || at[i] == ',') {
      made.at[made.length++] = (bytes){at + start, i - start};
      start = i + 1;
    }
  LEAVE(bytes_list, made);
}

TURN("mirror", mirror, PARAMS(bytes *at, uint32_t length), PARAMS(at, length)) {
  bytes_list made = {allocate(length * sizeof(bytes)), length};
  for (uint32_t i = 0; i < length; i++) made.at[i] = reversed(at[length - 1 - i]);
  LEAVE(bytes_list, made);
}

TURN("exchange", exchange,
     PARAMS(uint8_t *text, uint32_t text_length, uint8_t *data, uint32_t data_length),
     PARAMS(text, text_length, data, data_length)) {
  LEAVE(pair, {{data, data_length}, {text, text_length}});
}

/* A result of one number is returned as it is. */

IMPORT(TURNS, "next") uint32_t host_next(uint32_t colour);
EXPORT(TURNS, "next") uint32_t turn_next(uint32_t colour) {
  return relaying ? host_next(colour) : (colour + 1) % 3;
}

IMPORT(TURNS, "others") uint32_t host_others(uint32_t rights);
EXPORT(TURNS, "others") uint32_t turn_others(uint32_t rights) {
  return relaying ? host_others(rights) : ~rights & 7;
}

IMPORT(TURNS, "accept") uint32_t host_accept(uint8_t *at, uint32_t length);
EXPORT(TURNS, "accept") uint32_t turn_accept(uint8_t *at, uint32_t length) {
  return relaying ? host_accept(at, length) : length == 0;
}

IMPORT(TURNS, "idle") void host_idle(void);
EXPORT(TURNS, "idle") void turn_idle(void) {
  if (relaying) host_idle();
}

EXPORT(API, "relay") void api_relay(uint32_t on) { relaying = on != 0; }

/* ===== sessions: resources of the guest ================================================
 * A handle stands for its `rep`, here where the session lies. Borrowed, it comes as the rep
 * itself; owned, as a handle, which is dropped to end the session. */

typedef struct {
  bool open;
  uint32_t name_length, length;
  uint8_t name[64], data[4096];
} session;

static session sessions[16];
static uint8_t ended_names[16 * 1024];
static uint32_t ended_length, ended_count;

IMPORT("[export]" API, "[resource-new]session") uint32_t session_handle(session *rep);
IMPORT("[export]" API, "[resource-rep]session") session *session_rep(uint32_t handle);
IMPORT("[export]" API, "[resource-drop]session") void session_drop(uint32_t handle);

static void keep(uint8_t *to, uint32_t *length, uint32_t most, bytes data) {
  if (data.length > most - *length) TRAP();
  __builtin_memcpy(to + *length, data.at, data.length);
  *length += data.length;
}

static session *new_session(bytes name) {
  session *made = sessions;
  while (made->open)
    if (++made == sessions + 16) TRAP();
  made->open = true;
  made->name_length = made->length = 0;
  keep(made->name, &made->name_length, sizeof made->name, name);
  return made;
}

static bytes contents_of(session *of) { return (bytes){of->data, of->length}; }
static bytes name_of(session *of) { return (bytes){of->name, of->name_length}; }

EXPORT(API, "[dtor]session") void session_end(session *gone) {
  gone->open = false;
  uint8_t length = (uint8_t)gone->name_length;
  keep(ended_names, &ended_length, sizeof ended_names, (bytes){&length, 1});
  keep(ended_names, &ended_length, sizeof ended_names, name_of(gone));
  ended_count++;
}

EXPORT(API, "[constructor]session") uint32_t session_new(uint8_t *name, uint32_t length) {
  return session_handle(new_session((bytes){name, length}));
}

typedef struct {
  bool failed;
  union {
    uint32_t handle;
    fault error;
  };
} opened;

FREE(API, "[static]session.open", free_open)
EXPORT(API, "[static]session.open") opened *session_open(uint8_t *name, uint32_t length) {
  if (!length) LEAVE(opened, {true, .error = {NOT_FOUND, TEXT("no name")}});
  LEAVE(opened, {false, .handle = session_new(name, length)});
}

EXPORT(API, "[static]session.merge")
uint32_t session_merge(uint32_t first, uint32_t second) {
  session *a = session_rep(first), *b = session_rep(second);
  session *made = new_session(name_of(a));
  keep(made->data, &made->length, sizeof made->data, contents_of(a));
  keep(made->data, &made->length, sizeof made->data, contents_of(b));
  session_drop(first);
  session_drop(second);
  return session_handle(made);
}

FREE(API, "[method]session.name", free_session_name)
EXPORT(API, "[method]session.name") bytes *session_name(session *self) {
  LEAVE(bytes, name_of(self));
}

EXPORT(API, "[method]session.append")
uint32_t session_append(session *self, uint8_t *at, uint32_t length) {
  keep(self->data, &self->length, sizeof self->data, (bytes){at, length});
  return self->length;
}

FREE(API, "[method]session.contents", free_contents)
EXPORT(API, "[method]session.contents") bytes *session_contents(session *self) {
  LEAVE(bytes, contents_of(self));
}

EXPORT(API, "size") uint32_t api_size(session *of) { return of->length; }

FREE(API, "finish", free_finish)
EXPORT(API, "finish") bytes *api_finish(uint32_t handle) {
  bytes held = joined(contents_of(session_rep(handle)), (bytes){0});
  session_drop(handle);
  LEAVE(bytes, held);
}

typedef LIST(uint32_t) handle_list;

FREE(API, "open-all", free_open_all)
EXPORT(API, "open-all") handle_list *api_open_all(bytes *names, uint32_t length) {
  handle_list made = {allocate(length * sizeof(uint32_t)), length};
  for (uint32_t i = 0; i < length; i++)
    made.at[i] = session_new(names[i].at, names[i].length);
  LEAVE(handle_list, made);
}

FREE(API, "ended", free_ended)
EXPORT(API, "ended") bytes_list *api_ended(void) {
  bytes_list names = {allocate(ended_count * sizeof(bytes)), ended_count};
  uint8_t *next = ended_names;
  for (uint32_t i = 0; i < ended_count; i++) {
    names.at[i] = (bytes){next + 1, *next};
    next += 1 + *next;
  }
  LEAVE(bytes_list, names);
}

/* ===== stores: resources of the host ================================================== */

IMPORT(HOST, "[constructor]store") uint32_t store_new(uint8_t *name, uint32_t length);
IMPORT(HOST, "[static]store.open")
void store_open(uint8_t *name, uint32_t length, opened *result);
IMPORT(HOST, "[method]store.name") void store_name(uint32_t self, bytes *result);
IMPORT(HOST, "[method]store.put")
void store_put(uint32_t self, uint8_t *key, uint32_t key_length, uint8_t *value,
               uint32_t value_length, option_bytes *result);
IMPORT(HOST, "[method]store.reverse")
void store_reverse(uint32_t self, uint8_t *at, uint32_t length, bytes *result);
IMPORT(HOST, "[resource-drop]store") void store_drop(uint32_t self);
IMPORT(HOST, "size") uint32_t host_size(uint32_t store);
IMPORT(HOST, "absorb") void host_absorb(uint32_t store, bytes_list *result);

typedef OPTION(uint32_t) option_handle;
typedef LIST(option_handle) option_handle_list;
IMPORT(HOST, "find-all")
void host_find_all(bytes *names, uint32_t length, option_handle_list *result);

static uint32_t held[16], held_count;

static void hold(uint32_t store) {
  if (held_count == 16) TRAP();
  held[held_count++] = store;
}

typedef LIST(option_bytes) option_bytes_list;

FREE(API, "use-store", free_use_store)
EXPORT(API, "use-store")
option_bytes_list *api_use_store(uint8_t *name, uint32_t length, bytes *values,
                                 uint32_t values_length) {
  uint32_t store = store_new(name, length);
  option_bytes_list before = {allocate(values_length * sizeof(option_bytes)),
                              values_length};
  for (uint32_t i = 0; i < values_length; i++)
    store_put(store, (uint8_t *)"k", 1, values[i].at, values[i].length, &before.at[i]);
  store_drop(store);
  LEAVE(option_bytes_list, before);
}

typedef struct {
  bytes data;
  uint32_t size;
} worked;

FREE(API, "work-store", free_work_store)
EXPORT(API, "work-store")
worked *api_work_store(uint8_t *name, uint32_t length, uint8_t *data,
                       uint32_t data_length) {
  uint32_t store = store_new(name, length);
  worked result;
  store_reverse(store, data, data_length, &result.data);
  result.size = host_size(store);
  store_drop(store);
  LEAVE(worked, result);
}

FREE(API, "try-store", free_try_store)
EXPORT(API, "try-store") outcome *api_try_store(uint8_t *name, uint32_t length) {
  /* result<store, string>: a handle, or where a text is. */
  union {
    opened is;
    outcome text;
  } found;
  store_open(name, length, &found.is);
  if (found.is.failed) LEAVE(outcome, found.text);
  bytes called;
  store_name(found.is.handle, &called);
  store_drop(found.is.handle);
  LEAVE(outcome, {false, called});
}

EXPORT(API, "hold-store") void api_hold_store(uint8_t *name, uint32_t length) {
  hold(store_new(name, length));
}

EXPORT(API, "adopt-store") void api_adopt_store(uint32_t store) { hold(store); }

FREE(API, "lend-store", free_lend_store)
EXPORT(API, "lend-store")
bytes *api_lend_store(uint32_t store, uint8_t *key, uint32_t key_length, uint8_t *value,
                      uint32_t value_length) {
  option_bytes before;
  bytes called;
  store_put(store, key, key_length, value, value_length, &before);
  store_name(store, &called);
  store_drop(store); /* A borrowed handle is given back before the call ends. */
  LEAVE(bytes, called);
}

FREE(API, "held-stores", free_held_stores)
EXPORT(API, "held-stores") bytes_list *api_held_stores(void) {
  bytes_list names = {allocate(held_count * sizeof(bytes)), held_count};
  for (uint32_t i = 0; i < held_count; i++) store_name(held[i], &names.at[i]);
  LEAVE(bytes_list, names);
}

EXPORT(API, "drop-stores") uint32_t api_drop_stores(void) {
  uint32_t count = held_count;
  for (uint32_t i = 0; i < count; i++) store_drop(held[i]);
  held_count = 0;
  return count;
}

static uint32_t filled(uint8_t *name, uint32_t length, bytes *keys, uint32_t count) {
  uint32_t store = store_new(name, length);
  option_bytes before;
  for (uint32_t i = 0; i < count; i++)
    store_put(store, keys[i].at, keys[i].length, name, length, &before);
  return store;
}

EXPORT(API, "make-store")
uint32_t api_make_store(uint8_t *name, uint32_t length, bytes *keys, uint32_t count) {
  return filled(name, length, keys, count);
}

FREE(API, "give-store", free_give_store)
EXPORT(API, "give-store")
bytes_list *api_give_store(uint8_t *name, uint32_t length, bytes *keys, uint32_t count) {
  bytes_list taken;
  host_absorb(filled(name, length, keys, count), &taken);
  LEAVE(bytes_list, taken);
}

FREE(API, "find-stores", free_find_stores)
EXPORT(API, "find-stores")
option_bytes_list *api_find_stores(bytes *names, uint32_t length) {
  option_handle_list found;
  host_find_all(names, length, &found);
  option_bytes_list called = {allocate(found.length * sizeof(option_bytes)),
                              found.length};
  for (uint32_t i = 0; i < found.length; i++) {
    called.at[i].some = found.at[i].some;
    if (!found.at[i].some) continue;
    store_name(found.at[i].value, &called.at[i].value);
    store_drop(found.at[i].value);
  }
  LEAVE(option_bytes_list, called);
}

/* ===== bad ends ======================================================================= */

EXPORT(API, "trap") void api_trap(void) { TRAP(); }

EXPORT(API, "spin") void api_spin(void) {
  for (;;) __asm__ volatile("");
}
