/* Answers images from stdin until there are none. IMAGE is the type of their numbers, ANSWERS how
   many come out. With BARE it does without a library; then the machine is an aarch64 with Linux. */
#include <stddef.h>
#include <stdint.h>

#include "net.h"

#ifndef BARE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define AWAY 1 /* pixels may lie at any address */
#else
#define AWAY 0

void *memcpy(void *to, const void *from, size_t n) {
  size_t i;
  for (i = 0; i < n; ++i) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}

void *memset(void *to, int c, size_t n) {
  size_t i;
  for (i = 0; i < n; ++i) ((char *)to)[i] = (char)c;
  return to;
}

static long ask(long number, long file, const void *at, size_t n) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = file;
  register const void *x1 __asm__("x1") = at;
  register size_t x2 __asm__("x2") = n;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}

static long read(int file, void *to, size_t n) { return ask(63, file, to, n); }
static long write(int file, const void *from, size_t n) { return ask(64, file, from, n); }
static void exit(int status) { ask(93, status, NULL, 0); }

/* All the memory that there is. */
static void *malloc(size_t n) {
  static double room[1 << 17];
  static size_t used;
  void *const given = (char *)room + used;
  used += (n + 63) / 64 * 64;
  return given;
}
#endif

enum { VALUES = NET_HEIGHT * NET_WIDTH * NET_CHANNELS };

static int filled(char *to, size_t n) {
  while (n > 0) {
    const long came = (long)read(0, to, n);
    if (came <= 0) return 0;
    to += came, n -= (size_t)came;
  }
  return 1;
}

static void answer_all(void) {
  const size_t away = sizeof(IMAGE) == 1 ? AWAY : 0;
  IMAGE *const image = (IMAGE *)malloc(VALUES * sizeof(IMAGE) + away) + away;
  float *const answer = malloc(ANSWERS * sizeof(float));
  void *const arena = malloc(NET_ARENA_BYTES); /* to its byte: a sanitizer sees what is beyond */
  while (filled((char *)image, VALUES * sizeof(IMAGE))) {
    memset(arena, 0xff, NET_ARENA_BYTES); /* what was in it does not matter */
    net_run(image, answer, arena);
    if (write(1, answer, ANSWERS * sizeof(float)) < 0) exit(1);
  }
#ifndef BARE
  free(image - away), free(answer), free(arena);
#endif
}

#ifndef BARE
int main(void) {
  answer_all();
  return 0;
}
#else
void _start(void) {
  answer_all();
  exit(0);
}
#endif
