/* A program that knows of no host but POSIX: it does to files in /data what C programs
   do, and says what came of it. Built, as stock.wasm beside it, by

   python -m ziglang cc -O2 -target wasm32-wasi stock.c -o stock.core.wasm
   wasm-tools component new stock.core.wasm -o stock.whole.wasm \
     --adapt wasi_snapshot_preview1=wasi_snapshot_preview1.command.wasm
   wasm-tools strip -a stock.whole.wasm -o stock.wasm

   with the adapter that is in the npm package jco. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *what, int failed) {
  printf("%s: %s\n", what, failed ? strerror(errno) : "done");
}

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path) {
  char *names[100];
  int count = 0;
  struct dirent *entry;
  DIR *folder = opendir(path);
  if (!folder) {
    say("opendir", 1);
    return;
  }
  while ((entry = readdir(folder)) && count < 100)
    if (entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
  closedir(folder);
  qsort(names, count, sizeof *names, compare);
  printf("names:");
  for (int i = 0; i < count; i++) printf(" %s", names[i]);
  printf("\n");
}

int main(void) {
  char text[100] = "";
  char large[10000];
  struct stat found, again;
  FILE *file = fopen("/data/new.txt", "w");
  say("fopen to write", !file);
  if (file) {
    fprintf(file, "one\ntwo\n");
    say("fclose", fclose(file) != 0);
  }
  file = fopen("/data/new.txt", "a+");
  say("fopen to append", !file);
  if (file) {
    fwrite("three\n", 1, 6, file);
    rewind(file);
    fseek(file, 4, SEEK_SET);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    printf("fread: %s", text);
  }
  memset(large, 'x', sizeof large);
  file = fopen("/data/large", "w+");
  if (file) {
    printf("fwrite: %zu\n", fwrite(large, 1, sizeof large, file));
    fseek(file, 0, SEEK_END);
    printf("ftell: %ld\n", ftell(file));
    say("ftruncate", ftruncate(fileno(file), 10) != 0);
    fclose(file);
  }
  say("stat", stat("/data/large", &found) != 0);
  printf("size: %lld\n", (long long)found.st_size);
  say("mkdir", mkdir("/data/dir", 0777) != 0);
  say("mkdir again", mkdir("/data/dir", 0777) != 0);
  say("rename", rename("/data/large", "/data/dir/small") != 0);
  stat("/data/dir/small", &again);
  printf("same inode: %d\n", found.st_ino == again.st_ino);
  say("symlink", symlink("dir/small", "/data/short") != 0);
  say("lstat", lstat("/data/short", &found) != 0);
  printf("link: %d\n", S_ISLNK(found.st_mode));
  say("open by link", (stat("/data/short", &found) != 0) || found.st_size != 10);
  list("/data");
  list("/data/dir");
  say("rmdir", rmdir("/data/dir") != 0);
  say("unlink", unlink("/data/dir/small") != 0);
  say("rmdir", rmdir("/data/dir") != 0);
  say("unlink", unlink("/data/short") != 0);
  say("open above", open("/data/../secret.txt", O_RDONLY) < 0);
  say("open elsewhere", open("/etc/passwd", O_RDONLY) < 0);
  say("open none", open("/data/none", O_RDONLY) < 0);
  list("/data");
  return 0;
}
