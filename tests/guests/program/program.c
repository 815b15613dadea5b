/* A program of the usual kind, which knows nothing of airssys.
 * Its first argument says what to do. examples/stock/build.py builds it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int cat(void) {
  char piece[4096];
  ssize_t got;
  while ((got = read(0, piece, sizeof piece)) > 0)
    if (write(1, piece, (size_t)got) != got)
      return 9;
  return got < 0 ? 8 : 0;
}

int main(int count, char **args) {
  const char *verb = count > 1 ? args[1] : "";
  const char *word = count > 2 ? args[2] : "";
  if (!strcmp(verb, "args")) {
    for (int at = 0; at < count; at++)
      printf("%s\n", args[at]);
  } else if (!strcmp(verb, "env")) {
    for (char **each = environ; *each; each++)
      puts(*each);
  } else if (!strcmp(verb, "cat")) {
    return cat();
  } else if (!strcmp(verb, "exit")) {
    return atoi(word);
  } else if (!strcmp(verb, "abort")) {
    fprintf(stderr, "it cannot go on\nfor: %s", word);
    abort();
  } else if (!strcmp(verb, "both")) {
    puts("to stdout");
    fputs("to stderr\n", stderr);
    fputs(word, stdout);
  } else if (!strcmp(verb, "prompt")) {
    char name[80];
    fputs("name? ", stdout);
    fflush(stdout);
    if (fgets(name, sizeof name, stdin))
      printf("hello %s", name);
  } else if (!strcmp(verb, "sleep")) {
    struct timespec left = {atoi(word) / 1000, atoi(word) % 1000 * 1000000L};
    nanosleep(&left, NULL);
    puts("slept");
  } else if (!strcmp(verb, "tty")) {
    printf("%d %d %d\n", isatty(0), isatty(1), isatty(2));
  } else if (!strcmp(verb, "yes")) {
    for (;;)
      puts(word);
  } else if (!strcmp(verb, "show")) {
    FILE *file = fopen(word, "r");
    if (!file) {
      perror(word);
      return 1;
    }
    for (int c; (c = getc(file)) != EOF;)
      putchar(c);
  } else {
    puts("hello");
  }
  return 0;
}
