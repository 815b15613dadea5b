/* A service by hand: what it does with a request is in the request's path.

   It has no library: each function is imported as the canonical ABI has it, and a
   result of more than one value is left in `ret`. */
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define FROM(interface, name) \
  __attribute__((import_module("wasi:" interface "@0.2.12"), import_name(name)))
#define TYPES(name) FROM("http/types", name)
#define STREAMS(name) FROM("io/streams", name)

FROM("clocks/monotonic-clock", "subscribe-duration") u32 after(u64 nanoseconds);
FROM("io/poll", "[method]pollable.block") void block(u32 pollable);
FROM("io/poll", "poll") void poll(const u32 *pollables, u32 count, u32 *ret);
FROM("io/poll", "[resource-drop]pollable") void drop_pollable(u32 pollable);

STREAMS("[method]input-stream.read") void read_some(u32, u64 most, u32 *ret);
STREAMS("[method]input-stream.blocking-read") void read_wait(u32, u64 most, u32 *ret);
STREAMS("[method]input-stream.subscribe") u32 input_ready(u32 stream);
STREAMS("[resource-drop]input-stream") void drop_input(u32 stream);
STREAMS("[method]output-stream.check-write") void check_write(u32 stream, u32 *ret);
STREAMS("[method]output-stream.write") void write_now(u32, const void *, u32, u32 *ret);
STREAMS("[method]output-stream.blocking-write-and-flush")
void write_wait(u32 stream, const void *bytes, u32 count, u32 *ret);
STREAMS("[method]output-stream.subscribe") u32 output_ready(u32 stream);
STREAMS("[method]output-stream.splice") void splice(u32, u32 from, u64 most, u32 *ret);
STREAMS("[method]output-stream.blocking-splice")
void splice_wait(u32 to, u32 from, u64 most, u32 *ret);
STREAMS("[resource-drop]output-stream") void drop_output(u32 stream);

TYPES("[constructor]fields") u32 new_fields(void);
TYPES("[method]fields.append")
void append(u32, const char *, u32, const char *, u32, u32 *ret);
TYPES("[method]incoming-request.method") void method_of(u32 request, u32 *ret);
TYPES("[method]incoming-request.path-with-query") void path_of(u32 request, u32 *ret);
TYPES("[method]incoming-request.headers") u32 headers_of(u32 request);
TYPES("[method]fields.entries") void entries(u32 fields, u32 *ret);
TYPES("[method]incoming-request.consume") void consume_request(u32, u32 *ret);
TYPES("[method]incoming-body.stream") void stream_of(u32 body, u32 *ret);
TYPES("[static]incoming-body.finish") u32 finish_incoming(u32 body);
TYPES("[method]future-trailers.get") void trailers_of(u32 future, u32 *ret);
TYPES("[resource-drop]future-trailers") void drop_trailers(u32 future);
TYPES("[resource-drop]incoming-body") void drop_incoming(u32 body);
TYPES("[resource-drop]incoming-request") void drop_request(u32 request);
TYPES("[constructor]outgoing-response") u32 new_response(u32 fields);
TYPES("[method]outgoing-response.set-status-code") u32 set_status(u32, u32 status);
TYPES("[method]outgoing-response.body") void response_body(u32 response, u32 *ret);
TYPES("[method]outgoing-body.write") void output_of(u32 body, u32 *ret);
TYPES("[static]outgoing-body.finish")
void finish(u32 body, u32 some, u32 trailers, u32 *ret);
TYPES("[resource-drop]outgoing-body") void drop_body(u32 body);
TYPES("[static]response-outparam.set")
void set_answer(u32, u32 is_err, u32, u32, u64, u32, u32, u32, u32);
TYPES("[resource-drop]response-outparam") void drop_outparam(u32 param);

TYPES("[constructor]outgoing-request") u32 new_request(u32 fields);
TYPES("[method]outgoing-request.set-method") u32 set_method(u32, u32, const char *, u32);
TYPES("[method]outgoing-request.set-scheme")
u32 set_scheme(u32, u32 some, u32 scheme, const char *, u32);
TYPES("[method]outgoing-request.set-authority")
u32 set_authority(u32, u32 some, const char *, u32);
TYPES("[method]outgoing-request.set-path-with-query")
u32 set_path(u32, u32 some, const char *, u32);
TYPES("[method]outgoing-request.body") void request_body(u32 request, u32 *ret);
TYPES("[method]future-incoming-response.subscribe") u32 future_ready(u32 future);
TYPES("[method]future-incoming-response.get") void get_response(u32 future, u32 *ret);
TYPES("[resource-drop]future-incoming-response") void drop_future(u32 future);
TYPES("[method]incoming-response.status") u32 status_of(u32 response);
TYPES("[method]incoming-response.consume") void consume_response(u32, u32 *ret);
TYPES("[resource-drop]incoming-response") void drop_response(u32 response);
FROM("http/outgoing-handler", "handle")
void send(u32 request, u32 some, u32 options, u32 *ret);

enum { INTERNAL_ERROR = 38, PIECE = 1 << 18 };

static u8 heap[4 << 20] __attribute__((aligned(16)));
static u32 top;
static u64 ret64[16];
#define ret ((u32 *)ret64)
static u8 junk[PIECE];
static u32 count;
static u32 kept;

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(
    void *old, u32 size, u32 align, u32 wanted) {
  (void)old, (void)size;
  top = (top + align - 1) & -align;
  if (top + wanted > sizeof heap) __builtin_trap();
  void *made = heap + top;
  top += wanted;
  return made;
}

void *memcpy(void *to, const void *from, size_t bytes) {
  for (size_t at = 0; at < bytes; at++) ((u8 *)to)[at] = ((const u8 *)from)[at];
  return to;
}

static u32 length(const char *text) {
  u32 found = 0;
  while (text[found]) found++;
  return found;
}

static int starts(const char *text, u32 bytes, const char *with) {
  u32 wanted = length(with);
  if (bytes < wanted) return 0;
  for (u32 at = 0; at < wanted; at++)
    if (text[at] != with[at]) return 0;
  return 1;
}

/* Take what a result holds behind its discriminant; what failed traps. */
static u32 got(void) {
  if ((u8)ret[0]) __builtin_trap();
  return ret[1];
}

/* Add a field; return the result's bytes: 0, or 1 and the error in the second. */
static u32 field(u32 fields, const char *name, const char *value) {
  ret[0] = 0;
  append(fields, name, length(name), value, length(value), ret);
  return ret[0] & 0xffff;
}

static void answer(u32 param, u32 response) {
  set_answer(param, 0, response, 0, 0, 0, 0, 0, 0);
}

static u32 body_of(u32 response) {
  response_body(response, ret);
  return got();
}

static u32 writer_of(u32 body) {
  output_of(body, ret);
  return got();
}

static void finish_whole(u32 body) { finish(body, 0, 0, ret); }

static void say(u32 param, u32 fields, const char *text, u32 bytes) {
  u32 response = new_response(fields), body = body_of(response);
  answer(param, response);
  u32 out = writer_of(body);
  write_wait(out, text, bytes, ret);
  drop_output(out);
  finish_whole(body);
}

static void echo(u32 request, u32 param) {
  u32 response = new_response(new_fields()), body = body_of(response);
  answer(param, response);
  u32 out = writer_of(body);
  consume_request(request, ret);
  u32 incoming = got();
  stream_of(incoming, ret);
  u32 in = got();
  do splice_wait(out, in, PIECE, ret);
  while (!(u8)ret[0]);
  drop_input(in);
  drop_incoming(incoming);
  drop_output(out);
  finish_whole(body);
}

/* Pass the request on to the authority in the path, and its answer back, both at the
   same time. */
static void proxy(u32 request, u32 param, const char *path, u32 bytes) {
  u32 onward = new_request(new_fields());
  set_method(onward, 2, "", 0);
  set_scheme(onward, 1, 0, "", 0);
  set_authority(onward, 1, path, bytes);
  set_path(onward, 1, "/", 1);
  request_body(onward, ret);
  u32 upward = got();
  u32 up = writer_of(upward);
  consume_request(request, ret);
  u32 incoming = got();
  stream_of(incoming, ret);
  u32 from = got();
  send(onward, 0, 0, ret);
  if ((u8)ret[0]) {
    set_answer(param, 1, INTERNAL_ERROR, 0, 0, 0, 0, 0, 0);
    return;
  }
  u32 future = ret[2], reply = 0, back = 0, in = 0, out = 0, body = 0;
  u32 uploading = 1, downloading = 1;
  while (uploading || downloading) {
    u32 waiting[2], waits = 0;
    if (uploading) {
      check_write(up, ret);
      if ((u8)ret[0]) __builtin_trap();
      waiting[waits++] = ret64[1] ? input_ready(from) : output_ready(up);
    }
    if (downloading && !reply) {
      waiting[waits++] = future_ready(future);
    } else if (downloading) {
      check_write(out, ret);
      if ((u8)ret[0]) __builtin_trap();
      waiting[waits++] = ret64[1] ? input_ready(in) : output_ready(out);
    }
    top = 0;
    poll(waiting, waits, ret);
    while (waits) drop_pollable(waiting[--waits]);
    if (uploading) {
      splice(up, from, PIECE, ret);
      if ((u8)ret[0]) {
        uploading = 0;
        drop_input(from);
        drop_incoming(incoming);
        drop_output(up);
        finish_whole(upward);
      }
    }
    if (downloading && !reply) {
      get_response(future, ret);
      if ((u8)ret[0]) {
        if ((u8)ret[4]) {
          set_answer(param, 1, INTERNAL_ERROR, 0, 0, 0, 0, 0, 0);
          return;
        }
        reply = ret[6];
        consume_response(reply, ret);
        back = got();
        stream_of(back, ret);
        in = got();
        u32 response = new_response(new_fields());
        set_status(response, status_of(reply));
        body = body_of(response);
        answer(param, response);
        out = writer_of(body);
      }
    } else if (downloading) {
      splice(out, in, PIECE, ret);
      if ((u8)ret[0]) {
        downloading = 0;
        drop_input(in);
        drop_incoming(back);
        drop_output(out);
        finish_whole(body);
      }
    }
  }
  drop_response(reply);
  drop_future(future);
}

static void write_for_ever(u32 param) {
  u32 response = new_response(new_fields()), body = body_of(response);
  answer(param, response);
  u32 out = writer_of(body);
  do write_wait(out, junk, PIECE, ret);
  while (!(u8)ret[0]);
}

static void promise(u32 param, const char *bytes) {
  u32 fields = new_fields();
  field(fields, "content-length", bytes);
  say(param, fields, "hello", 5);
}

/* Try to end the line of a field, and to set what is not a guest's to set; answer with
   what came of each, a digit for the result and one for the error. */
static void misbehave(u32 param) {
  static const char *const tries[][2] = {
      {"x-a", "1\r\nx-b: 2"}, {"x-a", "1\nx-b: 2"},    {"x-a\r\nx-b", "2"},
      {"x a", "1"},           {"transfer-encoding", "chunked"}, {"Host", "elsewhere"},
  };
  static char said[2 * sizeof tries / sizeof *tries];
  u32 fields = new_fields();
  for (u32 at = 0; at < sizeof tries / sizeof *tries; at++) {
    u32 result = field(fields, tries[at][0], tries[at][1]);
    said[2 * at] = (char)('0' + (result & 0xff));
    said[2 * at + 1] = (char)('0' + (result >> 8));
  }
  say(param, fields, said, sizeof said);
}

static void trailing(u32 param) {
  u32 fields = new_fields(), trailers = new_fields();
  field(fields, "trailer", "x-sum");
  field(trailers, "x-sum", "42");
  u32 response = new_response(fields), body = body_of(response);
  answer(param, response);
  u32 out = writer_of(body);
  write_wait(out, "hello", 5, ret);
  drop_output(out);
  finish(body, 1, trailers, ret);
}

__attribute__((export_name("wasi:http/incoming-handler@0.2.12#handle"))) void handle(
    u32 request, u32 param) {
  top = 0;
  count++;
  path_of(request, ret);
  const char *path = (const char *)ret[1];
  u32 bytes = ret[2];
#define IS(text) starts(path, bytes, text)
  if (IS("/echo")) {
    echo(request, param);
  } else if (IS("/proxy/")) {
    char authority[256];
    u32 wanted = bytes - length("/proxy/");
    if (wanted > sizeof authority) __builtin_trap();
    memcpy(authority, path + length("/proxy/"), wanted);
    proxy(request, param, authority, wanted);
  } else if (IS("/count")) {
    char digit = (char)('0' + count % 10);
    say(param, new_fields(), &digit, 1);
  } else if (IS("/path")) {
    say(param, new_fields(), path, bytes);
  } else if (IS("/trap")) {
    __builtin_trap();
  } else if (IS("/late-trap")) {
    u32 response = new_response(new_fields()), body = body_of(response);
    answer(param, response);
    write_wait(writer_of(body), "hello", 5, ret);
    block(after(50000000));
    __builtin_trap();
  } else if (IS("/unfinished")) {
    u32 response = new_response(new_fields()), body = body_of(response);
    answer(param, response);
    write_wait(writer_of(body), "hello", 5, ret);
  } else if (IS("/no-body")) {
    u32 response = new_response(new_fields());
    set_status(response, 204);
    answer(param, response);
  } else if (IS("/empty")) {
    u32 fields = new_fields();
    field(fields, "content-length", "5");
    answer(param, new_response(fields));
  } else if (IS("/204")) {
    u32 fields = new_fields();
    field(fields, "content-length", "5");
    u32 response = new_response(fields), body = body_of(response);
    set_status(response, 204);
    answer(param, response);
    u32 out = writer_of(body);
    write_wait(out, "hello", 5, ret);
    drop_output(out);
    finish_whole(body);
  } else if (IS("/early")) {
    u32 response = new_response(new_fields());
    set_status(response, 103);
    answer(param, response);
  } else if (IS("/keep-body")) {
    consume_request(request, ret);
    stream_of(got(), ret);
    kept = got();
    say(param, new_fields(), "kept", 4);
  } else if (IS("/kept-body")) {
    read_wait(kept, 1, ret);
    char digit = (char)('0' + (u8)ret[0]);
    say(param, new_fields(), &digit, 1);
  } else if (IS("/fields")) {
    u32 headers = headers_of(request);
    entries(headers, ret);
    char digit = (char)('0' + ret[1]);
    say(param, new_fields(), &digit, 1);
  } else if (IS("/silent")) {
    drop_outparam(param);
  } else if (IS("/leave")) {
    return;
  } else if (IS("/wait")) {
    block(after(3600000000000));
  } else if (IS("/spin")) {
    for (volatile u32 at = 0;; at++) {
    }
  } else if (IS("/error")) {
    set_answer(param, 1, INTERNAL_ERROR, 0, 0, 0, 0, 0, 0);
  } else if (IS("/afterwards")) {
    say(param, new_fields(), "done", 4);
    block(after(50000000));
    count = 7;
  } else if (IS("/short")) {
    promise(param, "9");
  } else if (IS("/long")) {
    promise(param, "2");
  } else if (IS("/whole")) {
    promise(param, "5");
  } else if (IS("/odd")) {
    promise(param, "5, 5");
  } else if (IS("/endless")) {
    write_for_ever(param);
  } else if (IS("/misbehave")) {
    misbehave(param);
  } else if (IS("/trailers")) {
    trailing(param);
  } else {
    say(param, new_fields(), "hello", 5);
  }
}
