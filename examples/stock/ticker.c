/* A program that knows nothing of airssys: it counts, and falls now and then. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int count, char **args) {
  int last = count > 1 ? atoi(args[1]) : 3;
  const char *unit = getenv("UNIT");
  struct timespec pause = {0, 50 * 1000 * 1000};
  for (int at = 1; at <= last; at++) {
    nanosleep(&pause, NULL);
    printf("%d %s\n", at, unit ? unit : "ticks");
    fflush(stdout);
  }
  fprintf(stderr, "that was all of %d\n", last);
  return 1;
}
