// Standard streams of a process: from its pipes or terminal to the log and to attached clients, and back.
#include "shim.h"

#include <sys/epoll.h>
#include <sys/mman.h>

#define ROUNDS 16
#define GROWN_PIPE (1024 * 1024)
#define RETRY_MS 100

static _Alignas(4096) uint8_t chunk[READ_SIZE];

int queue_add(uint8_t **data, size_t *start, size_t *size, size_t *capacity, const uint8_t *more, size_t more_size) {
  if (more_size == 0) return 0;
  if (*start + *size + more_size > *capacity && *start > 0) {
    memmove(*data, *data + *start, *size);
    *start = 0;
  }
  if (*size + more_size > *capacity) {
    size_t wanted = (*size + more_size + 65535) & ~(size_t)65535;
    void *grown = *data ? mremap(*data, *capacity, wanted, MREMAP_MAYMOVE)
                        : mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (grown == MAP_FAILED) return -ENOMEM;
    *data = grown;
    *capacity = wanted;
  }
  memcpy(*data + *start + *size, more, more_size);
  *size += more_size;
  return 0;
}

void queue_free(uint8_t **data, size_t *start, size_t *size, size_t *capacity) {
  if (*data) munmap(*data, *capacity);
  *data = NULL;
  *start = *size = *capacity = 0;
}

static void stream_end(struct stream *stream) {
  if (stream->ended) return;
  stream->ended = true;
  source_close(&stream->source);
}

static void deliver(struct stream *stream, const uint8_t *data, size_t size) {
  struct process *process = stream->process;
  shim.trim = true;
  if (process->logged) log_write(stream->number, data, size);
  attach_output(process, stream->number, data, size);
}

// Reads until there is nothing more (0), a client lags (1), or the end (2).
static int stream_read(struct stream *stream, int rounds, bool bounded) {
  struct process *process = stream->process;
  for (int i = 0; i < rounds; i++) {
    if (bounded && attach_blocked(process)) return 1;
    ssize_t size = read(stream->source.fd, chunk, sizeof chunk);
    if (size > 0) {
      // A writer that fills its pipe gets a bigger one: fewer switches between it and us.
      if (size == sizeof chunk && !stream->grown && !process->tty) {
        stream->grown = true;
        fcntl(stream->source.fd, F_SETPIPE_SZ, GROWN_PIPE);
      }
      deliver(stream, chunk, (size_t)size);
      continue;
    }
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return 0;
    return 2;
  }
  return 0;
}

static void stream_ready(struct source *source, uint32_t events) {
  (void)events;
  struct stream *stream = CONTAINER_OF(source, struct stream, source);
  struct process *process = stream->process;
  int state = stream_read(stream, ROUNDS, true);
  if (process->logged) log_flush();
  if (state == 1) source_watch(source, 0);
  if (state != 2) return;
  if (process->tty && !process->exited) {
    // Nobody has the terminal open just now; somebody may open it again.
    source_watch(source, 0);
    process->retry_ms = monotonic_ms() + RETRY_MS;
    return;
  }
  stream_end(stream);
  if (process->exited) shim_exited(process);
}

void stdio_start(struct process *process) {
  struct stream *streams[2] = {&process->output, &process->errors};
  for (int i = 0; i < 2; i++) {
    struct stream *stream = streams[i];
    stream->process = process;
    stream->number = (uint8_t)(i + 1);
    stream->ended = stream->source.fd < 0;
    if (stream->ended) continue;
    fcntl(stream->source.fd, F_SETFL, O_NONBLOCK | (process->tty ? O_RDWR : O_RDONLY));
    stream->source.ready = stream_ready;
    source_watch(&stream->source, EPOLLIN);
  }
}

void stdio_resume(struct process *process) {
  if (process->starting) return;
  struct stream *streams[2] = {&process->output, &process->errors};
  for (int i = 0; i < 2; i++)
    if (!streams[i]->ended && !process->retry_ms) source_watch(&streams[i]->source, EPOLLIN);
}

void stdio_retry(struct process *process) {
  process->retry_ms = 0;
  stdio_resume(process);
}

bool stdio_drain(struct process *process) {
  struct stream *streams[2] = {&process->output, &process->errors};
  bool all = true;
  for (int i = 0; i < 2; i++) {
    struct stream *stream = streams[i];
    if (stream->ended) continue;
    // What is left is at most a pipe's capacity, so that clients that lag need not be waited for.
    int state = stream_read(stream, 1 << 20, false);
    // With its pid namespace gone, nobody is left to write into a pipe that is empty now.
    if (state == 2 || (process->private_pids && !process->tty)) stream_end(stream);
    else all = false;
  }
  if (process->logged) log_flush();
  return all;
}

// The rest of what strangers write is read and dropped, so that they neither block nor die of it.
static void discard_ready(struct source *source, uint32_t events) {
  (void)events;
  for (int i = 0; i < ROUNDS; i++) {
    ssize_t size = read(source->fd, chunk, sizeof chunk);
    if (size > 0 || (size < 0 && errno == EINTR)) continue;
    if (size < 0 && errno == EAGAIN) return;
    source_close(source);
    return;
  }
}

void stdio_abandon(struct process *process) {
  struct stream *streams[2] = {&process->output, &process->errors};
  for (int i = 0; i < 2; i++) {
    if (streams[i]->ended) continue;
    streams[i]->ended = true;
    if (process == shim.init) {
      source_close(&streams[i]->source);
      continue;
    }
    streams[i]->source.ready = discard_ready;
    source_watch(&streams[i]->source, EPOLLIN);
  }
}

// --- standard input ---

bool stdin_accepts(const struct process *process) { return process->input.size == 0; }

void stdin_close(struct process *process) {
  source_close(&process->input.source);
  queue_free(&process->input.data, &process->input.start, &process->input.size, &process->input.capacity);
}

static void sink_ready(struct source *source, uint32_t events) {
  (void)events;
  struct sink *sink = CONTAINER_OF(source, struct sink, source);
  struct process *process = CONTAINER_OF(sink, struct process, input);
  while (sink->size > 0) {
    ssize_t size = write(sink->source.fd, sink->data + sink->start, sink->size);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0) {
      stdin_close(process);
      attach_input_ready(process);
      return;
    }
    sink->start += (size_t)size;
    sink->size -= (size_t)size;
  }
  queue_free(&sink->data, &sink->start, &sink->size, &sink->capacity);
  source_watch(&sink->source, 0);
  if (sink->end_after) stdin_close(process);
  attach_input_ready(process);
}

void stdin_write(struct process *process, const uint8_t *data, size_t size) {
  struct sink *sink = &process->input;
  if (sink->source.fd < 0 || size == 0 || sink->end_after) return;
  while (sink->size == 0 && size > 0) {
    ssize_t written = write(sink->source.fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0) {
      stdin_close(process);
      return;
    }
    data += written;
    size -= (size_t)written;
  }
  if (size == 0) return;
  if (queue_add(&sink->data, &sink->start, &sink->size, &sink->capacity, data, size) < 0) {
    stdin_close(process);
    return;
  }
  sink->source.ready = sink_ready;
  source_watch(&sink->source, EPOLLOUT);
}

void stdin_end(struct process *process) {
  if (process->input.size > 0) process->input.end_after = true;
  else stdin_close(process);
}
