// Attached clients: Docker's stream frames or raw bytes out, standard input with detach keys in.
#include "shim.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static uint8_t input[32768];

static void attacher_ready(struct source *source, uint32_t events);

static void watch(struct attacher *a) {
  if (a->source.fd < 0) return;
  if (a->gone) {
    // A connection that is hung up is reported again and again: listen only while there is input to take.
    source_watch(&a->source, !a->input_done && stdin_accepts(a->process) ? EPOLLIN : 0);
    return;
  }
  uint32_t events = 0;
  if (!a->input_done && a->flags & ATTACH_STDIN && stdin_accepts(a->process)) events |= EPOLLIN;
  if (a->size > 0) events |= EPOLLOUT;
  // Without any wish, the end of the connection is still to be heard of, once.
  source_watch(&a->source, events ? events : EPOLLPRI | (uint32_t)EPOLLET);
}

static void attacher_close(struct attacher *a) {
  if (a->source.fd < 0) return;
  struct process *process = a->process;
  // Unread input at close would turn the end of stream into a connection reset for the client.
  source_watch(&a->source, 0);
  shutdown(a->source.fd, SHUT_RDWR);
  for (int i = 0; i < 64 && recv(a->source.fd, input, sizeof input, MSG_DONTWAIT) > 0; i++) {}
  source_close(&a->source);
  queue_free(&a->data, &a->start, &a->size, &a->capacity);
  for (struct attacher **at = &process->attachers; *at; at = &(*at)->next) {
    if (*at != a) continue;
    *at = a->next;
    break;
  }
  object_free(&a->object);
  if (!attach_blocked(process)) stdio_resume(process);
}

static void finish(struct attacher *a) {
  a->ending = true;
  a->input_done = true;
  if (a->size == 0 || a->gone) attacher_close(a);
  else watch(a);
}

// Sends what waits. False when the client is gone.
static bool flush(struct attacher *a) {
  while (a->size > 0) {
    ssize_t sent = send(a->source.fd, a->data + a->start, a->size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return false;
    a->start += (size_t)sent;
    a->size -= (size_t)sent;
    if (shim.linger_ms) shim.linger_ms = monotonic_ms();
  }
  if (a->size == 0) a->start = 0;
  return true;
}

static void drop(struct attacher *a) {
  a->gone = true;
  queue_free(&a->data, &a->start, &a->size, &a->capacity);
  if (a->input_done || !(a->flags & ATTACH_STDIN)) attacher_close(a);
  else {
    watch(a);
    if (!attach_blocked(a->process)) stdio_resume(a->process);
  }
}

// Passes input on, holding back what may become the detach keys. True when they were typed.
static bool take_input(struct attacher *a, const uint8_t *data, size_t size) {
  if (a->key_count == 0) {
    stdin_write(a->process, data, size);
    return false;
  }
  size_t from = 0;
  for (size_t i = 0; i < size; i++) {
    if (data[i] == a->keys[a->key_at]) {
      if (a->key_at == 0) {
        stdin_write(a->process, data + from, i - from);
        from = i;
      }
      if (++a->key_at == a->key_count) return true;
      continue;
    }
    if (a->key_at == 0) continue;
    // Not the keys after all: what was held back is input, and this byte may be a new start.
    stdin_write(a->process, a->keys, a->key_at);
    a->key_at = 0;
    from = i;
    if (data[i] == a->keys[0]) {
      a->key_at = 1;
      if (a->key_count == 1) return true;
    }
  }
  if (a->key_at == 0) stdin_write(a->process, data + from, size - from);
  return false;
}

static void input_ended(struct attacher *a) {
  struct process *process = a->process;
  a->input_done = true;
  if (a->key_at > 0) stdin_write(process, a->keys, a->key_at);
  a->key_at = 0;
  // As in Docker: the end of a client's input is the end of standard input, or of the attachment.
  if (process->stdin_once && !process->tty) {
    stdin_end(process);
    if (a->gone) attacher_close(a);
    else watch(a);
  } else {
    finish(a);
  }
}

static void attacher_ready(struct source *source, uint32_t events) {
  struct attacher *a = CONTAINER_OF(source, struct attacher, source);
  if (events & EPOLLOUT && !a->gone && !flush(a)) {
    drop(a);
    return;
  }
  if (a->ending && a->size == 0) {
    attacher_close(a);
    return;
  }
  if (events & (EPOLLIN | EPOLLHUP) && !a->input_done && a->flags & ATTACH_STDIN && stdin_accepts(a->process)) {
    ssize_t size = recv(a->source.fd, input, sizeof input, MSG_DONTWAIT);
    if (size > 0) {
      if (take_input(a, input, (size_t)size)) {
        shim_detached(a->process);
        finish(a);
        return;
      }
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
      input_ended(a);
      return;
    }
  }
  if (events & (EPOLLHUP | EPOLLERR)) {
    drop(a);
    return;
  }
  if (!attach_blocked(a->process)) stdio_resume(a->process);
  watch(a);
}

int attach_client(struct process *process, const struct attach_request *request, int fd) {
  struct attacher *a = calloc(1, sizeof *a);
  if (!a || request->keys.size > sizeof a->keys) {
    free(a);
    close(fd);
    return a ? -EINVAL : -ENOMEM;
  }
  fcntl(fd, F_SETFL, O_NONBLOCK | O_RDWR);
  int bound = ATTACH_BOUND;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bound, sizeof bound);
  source_init(&a->source, fd, attacher_ready);
  a->process = process;
  a->flags = request->flags;
  a->key_count = request->keys.size;
  if (a->key_count) memcpy(a->keys, request->keys.data, a->key_count);
  if (process->input.source.fd < 0) a->flags &= ~(uint32_t)ATTACH_STDIN;
  if (!(a->flags & ATTACH_STDIN)) a->input_done = true;
  a->next = process->attachers;
  process->attachers = a;
  if (a->flags & ATTACH_STDIN && request->head.size > 0 && take_input(a, request->head.data, request->head.size)) {
    shim_detached(process);
    finish(a);
    return 0;
  }
  watch(a);
  return 0;
}

static void send_output(struct attacher *a, uint8_t stream, const uint8_t *data, size_t size) {
  uint8_t head[8] = {stream, 0, 0, 0, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
  size_t head_size = a->flags & ATTACH_MULTIPLEXED ? sizeof head : 0, sent = 0;
  if (a->size == 0) {
    struct iovec parts[2] = {{head, head_size}, {(void *)(uintptr_t)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t result;
    do result = sendmsg(a->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (result < 0 && errno == EINTR);
    if (result < 0 && errno != EAGAIN) {
      drop(a);
      return;
    }
    if (result > 0) sent = (size_t)result;
  }
  if (sent == head_size + size) return;
  size_t head_left = sent < head_size ? head_size - sent : 0, data_from = sent > head_size ? sent - head_size : 0;
  if (queue_add(&a->data, &a->start, &a->size, &a->capacity, head + head_size - head_left, head_left) < 0 ||
      queue_add(&a->data, &a->start, &a->size, &a->capacity, data + data_from, size - data_from) < 0) {
    drop(a);
    return;
  }
  watch(a);
}

void attach_output(struct process *process, uint8_t stream, const uint8_t *data, size_t size) {
  uint32_t wanted = stream == 2 ? ATTACH_STDERR : ATTACH_STDOUT;
  for (struct attacher *a = process->attachers, *next; a; a = next) {
    next = a->next;
    if (a->flags & wanted && !a->gone && !a->ending) send_output(a, stream, data, size);
  }
}

// What a client's socket does not take stays here, at most one read of each stream; until it has gone nothing more is read.
bool attach_blocked(const struct process *process) {
  for (const struct attacher *a = process->attachers; a; a = a->next)
    if (a->size > 0) return true;
  return false;
}

void attach_input_ready(struct process *process) {
  for (struct attacher *a = process->attachers, *next; a; a = next) {
    next = a->next;
    watch(a);
  }
}

void attach_trim(struct process *process) {
  for (struct attacher *a = process->attachers; a; a = a->next)
    if (a->size == 0) queue_free(&a->data, &a->start, &a->size, &a->capacity);
}

void attach_end_all(struct process *process) {
  for (struct attacher *a = process->attachers, *next; a; a = next) {
    next = a->next;
    finish(a);
  }
}
