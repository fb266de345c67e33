// Lines on their way to a log file that may be slow or stuck: the shim puts them into a bounded ring and never waits, a
// process of its own takes them out and writes. That process may hang in the kernel for as long as the disk does; it holds
// nothing of the shim's, and writes what is left when the shim has ended, however it ended.
#include "launcher.h"
#include "log.h"
#include "loop.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define PAGE 4096
// What is taken out at once: so much room is free again after each write.
#define PIECE (64 * 1024)
// What stands in a line beside its text, at least; and what an empty line counts for.
#define FRAME_SIZE 59
#define LINE_COST 8
// The ring is so many times the bound, for what stands in the lines beside their text.
#define SPACIOUS 4

// Shared by shim and writer; the data follow, mapped twice in a row, so that no line is ever cut by the end.
struct ring {
  // Bytes that were ever put in and taken out, always at the end of a line.
  _Atomic uint64_t head, tail;
  // Lines that were ever taken out.
  _Atomic uint64_t lines;
  _Atomic bool sleeping;
  struct log_counts counts;
};

static struct ring *ring;
static uint8_t *ring_data;
static uint64_t ring_bound, ring_capacity, lines_in;
// How many bytes of each line do not count.
static uint64_t line_discount;
static char ring_id[16];
static struct source writer = {.fd = -1};
static bool ending;
static uint64_t dropped;

// --- the writer's process ---

static size_t piece_at(const uint8_t *data, size_t size) {
  if (size <= PIECE) return size;
  const uint8_t *end = memrchr(data, '\n', PIECE);
  if (!end) end = memchr(data + PIECE, '\n', size - PIECE);
  return end ? (size_t)(end - data) + 1 : size;
}

static void leave_descriptors(int socket) {
  int kept[3] = {socket};
  log_file_descriptors(kept + 1);
  unsigned from = 3;
  for (;;) {
    unsigned next = UINT32_MAX;
    for (int i = 0; i < 3; i++)
      if (kept[i] >= 0 && (unsigned)kept[i] >= from && (unsigned)kept[i] < next) next = (unsigned)kept[i];
    if (next > from) sys_call(SYS_close_range, from, next == UINT32_MAX ? next : next - 1, 0);
    if (next == UINT32_MAX) return;
    from = next + 1;
  }
}

static void write_all(int socket) __attribute__((noreturn));
static void write_all(int socket) {
  bool ended = false;
  uint64_t rotations = ring->counts.rotations, lost = ring->counts.lost;
  for (;;) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (head != tail) {
      const uint8_t *lines = ring_data + tail % ring_capacity;
      size_t piece = piece_at(lines, (size_t)(head - tail));
      log_file_append(lines, piece);
      atomic_fetch_add_explicit(&ring->lines, log_lines(lines, piece), memory_order_relaxed);
      atomic_store_explicit(&ring->tail, tail + piece, memory_order_release);
      if (rotations != ring->counts.rotations || lost != ring->counts.lost) {
        rotations = ring->counts.rotations;
        lost = ring->counts.lost;
        send(socket, "n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
      }
      continue;
    }
    if (ended) _exit(0);
    atomic_store(&ring->sleeping, true);
    if (atomic_load(&ring->head) != tail) continue;
    char wake[64];
    ssize_t size = read(socket, wake, sizeof wake);
    if (size == 0 || (size < 0 && errno != EINTR)) ended = true;
  }
}

// --- the shim's side ---

// The writer has something to tell (the counts have changed), or has ended.
static void writer_ready(struct source *source, uint32_t events) {
  (void)events;
  char news[64];
  ssize_t size = recv(source->fd, news, sizeof news, MSG_DONTWAIT);
  if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR))) return;
  source_close(source);
  if (ending) log_written();
}

static int start_writer(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
  pid_t pid = fork();
  if (pid < 0) {
    int error = -errno;
    close(ends[0]);
    close(ends[1]);
    return error;
  }
  if (pid == 0) {
    char title[32];
    snprintf(title, sizeof title, "gantry-log %s", ring_id);
    prctl(PR_SET_NAME, "gantry-log", 0, 0, 0);
    set_title(title);
    if (log_file_reopen() < 0) _exit(1);
    leave_descriptors(ends[1]);
    write_all(ends[1]);
  }
  close(ends[1]);
  source_init(&writer, ends[0], writer_ready);
  source_watch(&writer, EPOLLIN);
  return 0;
}

static int map_ring(uint64_t bound) {
  if (bound > SIZE_MAX / SPACIOUS / 8) return -ENOMEM;
  // A line fits whenever the ring is empty, whatever the bound.
  ring_capacity = (bound * SPACIOUS + LOG_LINE_ENCODED + PAGE - 1) & ~(uint64_t)(PAGE - 1);
  CLOSED_AT_EXIT int fd = memfd_create("log", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)(PAGE + ring_capacity)) < 0) return -errno;
  uint8_t *map = mmap(NULL, PAGE + 2 * ring_capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return -errno;
  if (mmap(map, PAGE + ring_capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
      mmap(map + PAGE + ring_capacity, ring_capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, PAGE) == MAP_FAILED)
    return -errno;
  ring = (struct ring *)(void *)map;
  ring_data = map + PAGE;
  return 0;
}

int log_ring_open(uint64_t bound, size_t attributes_size, const char *id) {
  int error = map_ring(bound);
  if (error) return error;
  ring_bound = bound;
  line_discount = FRAME_SIZE + attributes_size - LINE_COST;
  snprintf(ring_id, sizeof ring_id, "%.12s", id);
  log_file_count_in(&ring->counts);
  return start_writer();
}

static void wake_writer(void) {
  if (!atomic_exchange(&ring->sleeping, false)) return;
  send(writer.fd, "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Whether `lines` lines of `size` bytes may be put in now.
static bool fits(uint64_t lines, size_t size, uint64_t head) {
  // The bytes before the lines, for the writer does it the other way round: what it is about to free counts in full.
  uint64_t used = head - atomic_load_explicit(&ring->tail, memory_order_acquire);
  uint64_t lines_out = atomic_load_explicit(&ring->lines, memory_order_acquire);
  // A writer that was killed in between has left its piece to be counted twice.
  uint64_t inside = lines_in > lines_out ? lines_in - lines_out : 0;
  if (used == 0 && lines == 1) return true;
  if (used + size > ring_capacity) return false;
  return used + size <= ring_bound + (inside + lines) * line_discount;
}

void log_ring_put(const uint8_t *lines, size_t size) {
  // A writer that somebody has killed is followed by another one.
  if (writer.fd < 0 && !ending) start_writer();
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
  uint64_t left = log_lines(lines, size);
  while (size > 0) {
    // All at once, or one by one.
    uint64_t count = left;
    size_t part = size;
    bool fitting = fits(count, part, head);
    if (!fitting) {
      const uint8_t *end = memchr(lines, '\n', size);
      count = 1;
      part = end ? (size_t)(end - lines) + 1 : size;
      fitting = fits(count, part, head);
    }
    if (fitting) {
      memcpy(ring_data + head % ring_capacity, lines, part);
      head += part;
      lines_in += count;
      atomic_store(&ring->head, head);
      wake_writer();
    } else {
      dropped++;
    }
    lines += part;
    size -= part;
    left -= count;
  }
}

bool log_ring_end(void) {
  ending = true;
  if (writer.fd < 0) return false;
  shutdown(writer.fd, SHUT_WR);
  return true;
}

uint64_t log_ring_dropped(void) { return dropped; }

void log_ring_trim(void) {
  if (atomic_load(&ring->head) == atomic_load(&ring->tail)) madvise(ring_data, ring_capacity, MADV_REMOVE);
}
