/* Read, write and open files, as C programs do, and print how many bytes that was.
   Built, as files.wasm beside it, by

   python -m ziglang cc -O2 -target wasm32-wasi files.c -o files.core.wasm
   wasm-tools component new files.core.wasm -o files.whole.wasm \
     --adapt wasi_snapshot_preview1=wasi_snapshot_preview1.command.wasm
   wasm-tools strip -a files.whole.wasm -o files.wasm

   with the adapter that is in the npm package jco. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536
static char piece[PIECE];

/* files read PATH | write PATH MIB | open PATH TIMES */
int main(int argc, char **argv) {
  long total = 0;
  if (argc < 3) return 2;
  if (!strcmp(argv[1], "read")) {
    int file = open(argv[2], O_RDONLY);
    ssize_t got;
    if (file < 0) return 3;
    while ((got = read(file, piece, PIECE)) > 0) total += got;
    close(file);
  } else if (!strcmp(argv[1], "write")) {
    int file = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    long left = atol(argv[3]) * 16;
    if (file < 0) return 3;
    memset(piece, 'x', PIECE);
    while (left--) total += write(file, piece, PIECE);
    close(file);
  } else {
    long left = atol(argv[3]);
    while (left--) {
      int file = open(argv[2], O_RDONLY);
      if (file < 0) return 3;
      total += read(file, piece, 100);
      close(file);
    }
  }
  printf("%ld\n", total);
  return 0;
}
