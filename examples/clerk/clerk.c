/* A clerk that does what it is told with files, the network, programs and its own
 * storage, as far as it was granted. A message is a verb and what it needs:
 *
 *   read PATH               what is in the file
 *   write PATH TEXT         make a file, or overwrite it
 *   fetch HOST PORT TEXT    send the text to a TCP port, answer with what comes back
 *   run PROGRAM TEXT        run a program with one argument, answer with what it prints
 *   keep KEY TEXT           store a value
 *   recall KEY              the value that was stored
 *
 * Where the host refuses, the answer is `no: ` and its words. Rebuild it with the extra
 * `guests`:
 *
 *     python examples/guest_c/build.py examples/clerk/clerk.c --wit examples/clerk/clerk.wit
 */
#include "airssys.h"

#define TEXT AIRSSYS_TEXT
#define MOST 65536u
#define IMPORT(interface, function) \
  __attribute__((import_module("airssys:" interface "@1.0.0"), import_name(function)))

/* A result as the canonical ABI lays it out, in words: whether it failed; then the
 * value, or the error's case and its text. */
typedef uint32_t words[32];

/* --- what is imported: the core signatures that `wasm-tools component embed
 * --dummy-names legacy` prints; a text is two of the numbers --------------------------- */

IMPORT("ext-filesystem/filesystem", "open")
void file_open(const uint8_t *path, uint32_t length, uint32_t mode, uint32_t create,
               uint32_t create_new, uint32_t truncate, words result);
IMPORT("ext-filesystem/filesystem", "[method]file.read")
void file_read(uint32_t file, uint32_t most, words result);
IMPORT("ext-filesystem/filesystem", "[method]file.write")
void file_write(uint32_t file, const uint8_t *at, uint32_t length, words result);
IMPORT("ext-filesystem/filesystem", "[static]file.close")
void file_close(uint32_t file, words result);
IMPORT("ext-filesystem/filesystem", "[resource-drop]file")
void file_drop(uint32_t file);

IMPORT("ext-network/socket", "create-socket")
void socket_create(uint32_t family, uint32_t type, uint32_t protocol, words result);
IMPORT("ext-network/connection", "connect")
void socket_connect(uint32_t socket, uint32_t by_address, uint32_t a, uint32_t b,
                    uint32_t c, uint32_t d, uint32_t e, uint32_t f, uint32_t g,
                    uint32_t h, uint32_t i, uint32_t j, words result);
IMPORT("ext-network/socket", "[method]tcp-socket.send-all")
void socket_send(uint32_t socket, const uint8_t *at, uint32_t length, words result);
IMPORT("ext-network/socket", "[method]tcp-socket.receive")
void socket_receive(uint32_t socket, uint32_t most, words result);
IMPORT("ext-network/socket", "[resource-drop]tcp-socket")
void socket_drop(uint32_t socket);

IMPORT("ext-process/lifecycle", "spawn-with-environment")
void child_spawn(const uint8_t *command, uint32_t length, const airssys_bytes *arguments,
                 uint32_t count, const airssys_pair *variables, uint32_t variable_count,
                 words result);
IMPORT("ext-process/lifecycle", "[method]child.read-stdout")
void child_read(uint32_t child, uint32_t most, words result);
IMPORT("ext-process/lifecycle", "[resource-drop]child")
void child_drop(uint32_t child);

IMPORT("core/storage", "get")
void key_get(const uint8_t *key, uint32_t length, words result);
IMPORT("core/storage", "set")
void key_set(const uint8_t *key, uint32_t length, const uint8_t *at, uint32_t size,
             words result);

/* --- what the verbs do ------------------------------------------------------------- */

static bool failed(words result) { return result[0] & 0xff; }

static airssys_bytes bytes_at(words result, uint32_t word) {
  return (airssys_bytes){(const uint8_t *)(uintptr_t)result[word], result[word + 1]};
}

static airssys_bytes refused(words result) {
  return airssys_join(TEXT("no: "), bytes_at(result, 2));
}

/* Read piece after piece until none comes, with whatever reads one. */
static airssys_bytes drain(uint32_t from, void (*read)(uint32_t, uint32_t, words)) {
  airssys_bytes all = TEXT("");
  words result;
  for (;;) {
    read(from, MOST, result);
    if (failed(result)) return refused(result);
    airssys_bytes piece = bytes_at(result, 1);
    if (piece.length == 0) return all;
    all = all.length ? airssys_join(all, piece) : piece;
  }
}

static airssys_bytes read_file(airssys_bytes path) {
  words result;
  file_open(path.at, path.length, 0 /* read */, false, false, false, result);
  if (failed(result)) return refused(result);
  uint32_t file = result[1];
  airssys_bytes content = drain(file, file_read);
  file_drop(file);
  return content;
}

static airssys_bytes write_file(airssys_bytes path, airssys_bytes text) {
  words result;
  file_open(path.at, path.length, 1 /* write */, true, false, true, result);
  if (failed(result)) return refused(result);
  uint32_t file = result[1];
  while (text.length) { /* one write takes what it can */
    file_write(file, text.at, text.length, result);
    if (failed(result)) {
      file_drop(file);
      return refused(result);
    }
    text.at += result[1];
    text.length -= result[1];
  }
  file_close(file, result);
  return failed(result) ? refused(result) : TEXT("written");
}

static airssys_bytes fetch(airssys_bytes host, uint64_t port, airssys_bytes text) {
  words result;
  socket_create(0 /* ipv4 */, 0 /* tcp-stream */, 0 /* tcp */, result);
  if (failed(result)) return refused(result);
  uint32_t socket = result[2]; /* behind the case of any-socket */
  airssys_bytes answer;
  socket_connect(socket, 0 /* by name */, (uint32_t)(uintptr_t)host.at, host.length,
                 (uint32_t)port, 0, 0, 0, 0, 0, 0, 0, result);
  if (!failed(result)) socket_send(socket, text.at, text.length, result);
  if (failed(result))
    answer = refused(result);
  else
    answer = drain(socket, socket_receive);
  socket_drop(socket);
  return answer;
}

static airssys_bytes run(airssys_bytes program, airssys_bytes argument) {
  words result;
  child_spawn(program.at, program.length, &argument, argument.length != 0, NULL, 0,
              result);
  if (failed(result)) return refused(result);
  uint32_t child = result[1];
  airssys_bytes printed = drain(child, child_read);
  child_drop(child);
  return printed;
}

static airssys_bytes keep(airssys_bytes key, airssys_bytes text) {
  words result;
  key_set(key.at, key.length, text.at, text.length, result);
  return failed(result) ? refused(result) : TEXT("kept");
}

static airssys_bytes recall(airssys_bytes key) {
  words result;
  key_get(key.at, key.length, result);
  if (failed(result)) return refused(result);
  return result[1] & 0xff ? bytes_at(result, 2) : TEXT("no: nothing is kept there");
}

airssys_reply airssys_handle_message(const airssys_message *message) {
  airssys_bytes rest = message->payload;
  airssys_bytes verb = airssys_cut(&rest, ' ');
  airssys_bytes first = airssys_cut(&rest, ' ');
  if (airssys_same(verb, TEXT("read"))) return airssys_answer(read_file(first));
  if (airssys_same(verb, TEXT("write"))) return airssys_answer(write_file(first, rest));
  if (airssys_same(verb, TEXT("run"))) return airssys_answer(run(first, rest));
  if (airssys_same(verb, TEXT("keep"))) return airssys_answer(keep(first, rest));
  if (airssys_same(verb, TEXT("recall"))) return airssys_answer(recall(first));
  uint64_t port;
  if (airssys_same(verb, TEXT("fetch")) &&
      airssys_number(airssys_cut(&rest, ' '), &port) && port < 65536)
    return airssys_answer(fetch(first, port, rest));
  return airssys_refuse(AIRSSYS_INTERNAL_ERROR, TEXT("I do not understand"));
}

airssys_metadata_record airssys_metadata(void) {
  static const airssys_bytes operations[] = {
      AIRSSYS_STATIC_TEXT("read"), AIRSSYS_STATIC_TEXT("write"),
      AIRSSYS_STATIC_TEXT("fetch"), AIRSSYS_STATIC_TEXT("run"),
      AIRSSYS_STATIC_TEXT("keep"), AIRSSYS_STATIC_TEXT("recall"),
  };
  return (airssys_metadata_record){
      .name = TEXT("acme/clerk"),
      .version = TEXT("1.0.0"),
      .description = TEXT("does what it is told, as far as it may"),
      .license = TEXT("Apache-2.0"),
      .supported_operations = {operations, 6},
  };
}
