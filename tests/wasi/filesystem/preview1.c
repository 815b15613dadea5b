/* A program that does what its arguments say by the calls of WASI preview 1, which the
   adapter makes calls of 0.2 of, and prints what came of each. Built, as preview1.wasm
   beside it, by

   python -m ziglang cc -Os -target wasm32-wasi preview1.c -o preview1.core.wasm
   wasm-tools component new preview1.core.wasm -o preview1.whole.wasm \
     --adapt wasi_snapshot_preview1=wasi_snapshot_preview1.command.wasm
   wasm-tools strip -a preview1.whole.wasm -o preview1.wasm

   with the adapter that is in the npm package jco. Paths begin at the first preopen.
   Open files have names of one letter; `.` is the preopen. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

static __wasi_fd_t opened[256] = {['.'] = 3};
static char *word[8];
static char said[4096];

static __wasi_fd_t file(int n) { return opened[(unsigned char)word[n][0]]; }
static long long number(int n) { return atoll(word[n]); }
static int has(int n, char flag) { return strchr(word[n], flag) != NULL; }

static const char *type(int kind) {
  static const char *names[] = {"unknown", "block", "character", "directory",
                                "file", "datagram", "stream", "link"};
  return names[kind];
}

static int open_file(void) { /* open NAME AT PATH FLAGS */
  int how = (has(4, 'c') ? __WASI_OFLAGS_CREAT : 0) |
            (has(4, 'x') ? __WASI_OFLAGS_EXCL : 0) |
            (has(4, 't') ? __WASI_OFLAGS_TRUNC : 0) |
            (has(4, 'd') ? __WASI_OFLAGS_DIRECTORY : 0);
  __wasi_rights_t rights = (has(4, 'r') ? __WASI_RIGHTS_FD_READ : 0) |
                           (has(4, 'w') ? __WASI_RIGHTS_FD_WRITE : 0);
  int links = has(4, 'f') ? __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW : 0;
  __wasi_fdflags_t flags = has(4, 'a') ? __WASI_FDFLAGS_APPEND : 0;
  return __wasi_path_open(file(2), links, word[3], how, rights, 0, flags,
                          &opened[(unsigned char)word[1][0]]);
}

static int stat_path(void) { /* stat PATH FLAGS */
  __wasi_filestat_t found;
  int links = has(2, 'f') ? __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW : 0;
  int error = __wasi_path_filestat_get(3, links, word[1], &found);
  if (!error) sprintf(said, " %s %llu %llu", type(found.filetype),
                      found.size, found.mtim / 1000000000);
  return error;
}

static int stat_file(void) { /* fstat NAME */
  __wasi_filestat_t found;
  int error = __wasi_fd_filestat_get(file(1), &found);
  if (!error) sprintf(said, " %s %llu %llu", type(found.filetype), found.size,
                      found.nlink);
  return error;
}

static int touch(void) { /* touch PATH FLAGS SECONDS */
  int links = has(2, 'f') ? __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW : 0;
  return __wasi_path_filestat_set_times(3, links, word[1], 0,
                                        number(3) * 1000000000ull,
                                        __WASI_FSTFLAGS_MTIM);
}

static int read_link(void) { /* readlink PATH SIZE */
  __wasi_size_t size;
  int error = __wasi_path_readlink(3, word[1], (uint8_t *)said + 1, number(2), &size);
  if (!error) said[0] = ' ', said[size + 1] = 0;
  return error;
}

static int read_file(void) { /* read NAME SIZE [OFFSET] */
  __wasi_size_t size;
  __wasi_iovec_t into = {(uint8_t *)said + 1, number(2)};
  int error = word[3] ? __wasi_fd_pread(file(1), &into, 1, number(3), &size)
                      : __wasi_fd_read(file(1), &into, 1, &size);
  if (!error) said[0] = ' ', said[size + 1] = 0;
  return error;
}

static int write_file(void) { /* write NAME TEXT [OFFSET] */
  __wasi_size_t size;
  __wasi_ciovec_t from = {(const uint8_t *)word[2], strlen(word[2])};
  int error = word[3] ? __wasi_fd_pwrite(file(1), &from, 1, number(3), &size)
                      : __wasi_fd_write(file(1), &from, 1, &size);
  if (!error) sprintf(said, " %zu", (size_t)size);
  return error;
}

static int seek(void) { /* seek NAME OFFSET WHENCE */
  __wasi_filesize_t at;
  int error = __wasi_fd_seek(file(1), number(2), number(3), &at);
  if (!error) sprintf(said, " %llu", at);
  return error;
}

static int list(void) { /* list NAME: the number of entries, in pieces, and the last */
  uint8_t some[96];
  __wasi_dircookie_t cookie = 0;
  __wasi_size_t size = sizeof some;
  int count = 0;
  while (size == sizeof some) {
    int error = __wasi_fd_readdir(file(1), some, sizeof some, cookie, &size);
    if (error) return error;
    for (size_t at = 0; at + sizeof(__wasi_dirent_t) <= size; count++) {
      __wasi_dirent_t entry;
      memcpy(&entry, some + at, sizeof entry);
      if (at + sizeof entry + entry.d_namlen > size) break;
      at += sizeof entry + entry.d_namlen;
      cookie = entry.d_next;
    }
  }
  sprintf(said, " %d", count);
  return 0;
}

static int renumber(void) { /* renumber NAME NAME: the first is closed then */
  return __wasi_fd_renumber(file(1), file(2));
}

static int poll(void) { /* poll NAME NAME: to be read, to be written */
  __wasi_subscription_t wanted[2] = {{.userdata = 1}, {.userdata = 2}};
  __wasi_event_t came[2];
  __wasi_size_t count;
  wanted[0].u.tag = __WASI_EVENTTYPE_FD_READ;
  wanted[0].u.u.fd_read.file_descriptor = file(1);
  wanted[1].u.tag = __WASI_EVENTTYPE_FD_WRITE;
  wanted[1].u.u.fd_write.file_descriptor = file(2);
  int error = __wasi_poll_oneoff(wanted, came, 2, &count);
  if (!error) sprintf(said, " %zu", (size_t)count);
  return error;
}

static int run(void) {
  const char *what = word[0];
#define DO(name, call) if (!strcmp(what, name)) return call
  DO("mkdir", __wasi_path_create_directory(3, word[1]));
  DO("rmdir", __wasi_path_remove_directory(3, word[1]));
  DO("unlink", __wasi_path_unlink_file(3, word[1]));
  DO("symlink", __wasi_path_symlink(word[1], 3, word[2]));
  DO("link", __wasi_path_link(3, 0, word[1], 3, word[2]));
  DO("rename", __wasi_path_rename(3, word[1], 3, word[2]));
  DO("close", __wasi_fd_close(file(1)));
  DO("size", __wasi_fd_filestat_set_size(file(1), number(2)));
  DO("flags", __wasi_fd_fdstat_set_flags(file(1), number(2)));
  DO("open", open_file());
  DO("stat", stat_path());
  DO("fstat", stat_file());
  DO("touch", touch());
  DO("readlink", read_link());
  DO("read", read_file());
  DO("write", write_file());
  DO("seek", seek());
  DO("list", list());
  DO("renumber", renumber());
  DO("poll", poll());
  abort();
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    printf("%s:", argv[i]);
    memset(word, 0, sizeof word);
    int count = 0;
    for (char *next = strtok(argv[i], " "); next; next = strtok(NULL, " "))
      word[count++] = strcmp(next, "''") ? next : "";
    said[0] = 0;
    int error = run();
    if (error)
      printf(" error %d\n", error);
    else
      printf("%s\n", said[0] ? said : " ok");
  }
  return 0;
}
