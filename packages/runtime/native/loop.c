#include "loop.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

static int epoll_fd = -1;
static struct object *garbage;

int loop_init(void) {
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  return epoll_fd < 0 ? -errno : 0;
}

void loop_round(int timeout_ms) {
  struct epoll_event events[32];
  int count = epoll_wait(epoll_fd, events, 32, timeout_ms);
  for (int i = 0; i < count; i++) {
    struct source *source = events[i].data.ptr;
    // A source that was closed earlier in this round is still memory, but has nothing to say.
    if (source->watched) source->ready(source, events[i].events);
  }
  while (garbage) {
    struct object *object = garbage;
    garbage = object->next_free;
    free(object);
  }
}

void source_init(struct source *source, int fd, void (*ready)(struct source *, uint32_t)) {
  *source = (struct source){.fd = fd, .ready = ready};
}

void source_watch(struct source *source, uint32_t events) {
  if (source->fd < 0 || (source->watched && source->events == events)) return;
  if (!source->watched && events == 0) return;
  struct epoll_event event = {.events = events, .data.ptr = source};
  epoll_ctl(epoll_fd, events == 0 ? EPOLL_CTL_DEL : source->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd, &event);
  source->watched = events != 0;
  source->events = events;
}

void source_close(struct source *source) {
  if (source->fd < 0) return;
  source_watch(source, 0);
  close_fd(&source->fd);
}

void object_free(struct object *object) {
  object->next_free = garbage;
  garbage = object;
}

uint64_t monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t realtime_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
