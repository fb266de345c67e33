// The shim's event loop: sources by descriptor, deadlines, and memory freed only between two rounds.
#pragma once
#include "sys.h"

// First member of whatever lives on the heap and owns sources.
struct object {
  struct object *next_free;
};

struct source {
  int fd;
  uint32_t events;
  bool watched;
  void (*ready)(struct source *source, uint32_t events);
};

int loop_init(void);
// Waits at most `timeout_ms` (-1: for ever) and calls what is ready.
void loop_round(int timeout_ms);

void source_init(struct source *source, int fd, void (*ready)(struct source *, uint32_t));
// Listens for `events` (EPOLLHUP and EPOLLERR come along); 0 stops listening altogether.
void source_watch(struct source *source, uint32_t events);
void source_close(struct source *source);
// Frees `object` after this round, when no event can name it any more.
void object_free(struct object *object);

uint64_t monotonic_ms(void);
uint64_t realtime_ns(void);

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
