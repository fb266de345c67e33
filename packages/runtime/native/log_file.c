// The log file on disk: whole lines appended, rotated by size, never half a line on a full disk.
#include "log.h"

#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

static struct {
  char path[PATH_MAX];
  int fd, directory;
  uint64_t size, max_size;
  uint32_t max_files;
  bool compress;
} file = {.fd = -1, .directory = -1};

static struct log_counts own_counts;
static struct log_counts *counts = &own_counts;

const struct log_counts *log_file_counts(void) { return counts; }

void log_file_count_in(struct log_counts *shared) { counts = shared; }

int log_file_reopen(void) {
  int fd = open(file.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return -errno;
  struct stat status;
  file.size = fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
  if (file.fd >= 0) close(file.fd);
  file.fd = fd;
  return 0;
}

int log_file_open(const struct log_options *options) {
  if (strlen(options->path) >= sizeof file.path - 16) return -ENAMETOOLONG;
  strcpy(file.path, options->path);
  file.max_size = options->max_size;
  file.max_files = options->max_files;
  file.compress = options->compress;
  if (file.compress) {
    char directory[PATH_MAX];
    strcpy(directory, file.path);
    char *slash = strrchr(directory, '/');
    if (!slash) return -EINVAL;
    slash[1] = 0;
    file.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file.directory < 0) return -errno;
  }
  return log_file_reopen();
}

void log_file_descriptors(int out[2]) {
  out[0] = file.fd;
  out[1] = file.directory;
}

void log_file_close(void) { close_fd(&file.fd); }

static void numbered(char out[PATH_MAX], uint32_t index, const char *suffix) {
  if (index == 0) snprintf(out, PATH_MAX, "%.4000s", file.path);
  else snprintf(out, PATH_MAX, "%.4000s.%u%s", file.path, index, suffix);
}

static bool is_there(uint32_t index) {
  char path[PATH_MAX];
  numbered(path, index, "");
  if (faccessat(AT_FDCWD, path, F_OK, 0) == 0) return true;
  if (!file.compress) return false;
  numbered(path, index, ".gz");
  return faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

static int move(uint32_t from_index, uint32_t to_index, const char *suffix) {
  char from[PATH_MAX], to[PATH_MAX];
  numbered(from, from_index, suffix);
  numbered(to, to_index, suffix);
  return rename(from, to) < 0 ? -errno : 0;
}

static void drop(uint32_t index) {
  static const char *const suffixes[] = {"", ".gz"};
  char path[PATH_MAX];
  for (int i = 0; i < 2; i++) {
    numbered(path, index, suffixes[i]);
    unlink(path);
  }
}

// Gives each file the next number, the last one to nobody, and begins a new one.
static void shift(void) {
  uint32_t last = 1;
  while (last < file.max_files - 1 && is_there(last)) last++;
  // In either form, so that no number has two contents. And a rename over it would make ext4 begin to write the other file's data
  // to the disk, here and now, lest a crash leaves neither; most of a fast log need never get there.
  drop(last);
  for (uint32_t i = last; i > 1; i--) {
    move(i - 1, i, "");
    if (file.compress) move(i - 1, i, ".gz");
  }
  int error = move(0, 1, "");
  // Deleted by somebody: then a new one is begun all the same.
  if (error && error != -ENOENT) return;
  if (log_file_reopen() < 0) move(1, 0, "");
  else if (file.compress) counts->rotations++;
}

static void rotate(void) {
  if (file.max_files < 2) {
    if (ftruncate(file.fd, 0) == 0) file.size = 0;
    return;
  }
  if (!file.compress) {
    shift();
    return;
  }
  // Held while a file is exchanged for its compressed form: the next write rotates then.
  if (flock(file.directory, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) return;
  shift();
  flock(file.directory, LOCK_UN);
}

uint64_t log_lines(const uint8_t *data, size_t size) {
  uint64_t lines = 0;
  for (const uint8_t *end = data + size; (data = memchr(data, '\n', (size_t)(end - data))); data++) lines++;
  return lines;
}

// How many bytes may be written before the next rotation: a line begins while the file is smaller than the limit.
static size_t until_full(const uint8_t *data, size_t size) {
  if (!file.max_size || file.size >= file.max_size || size <= file.max_size - file.size) return size;
  size_t last = (size_t)(file.max_size - file.size - 1);
  const uint8_t *end = memchr(data + last, '\n', size - last);
  return end ? (size_t)(end - data) + 1 : size;
}

// A full disk costs lines, but never half of one, and never the container.
static size_t cut_half_line(const uint8_t *data, size_t done) {
  const uint8_t *end = done > 0 ? memrchr(data, '\n', done) : NULL;
  size_t whole = end ? (size_t)(end - data) + 1 : 0;
  struct stat status;
  if (done > whole && fstat(file.fd, &status) == 0 && status.st_size >= (off_t)(done - whole) &&
      ftruncate(file.fd, status.st_size - (off_t)(done - whole)) == 0)
    return whole;
  return done;
}

static void write_lines(const uint8_t *data, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t written = write(file.fd, data + done, size - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      done = cut_half_line(data, done);
      counts->lost += log_lines(data + done, size - done);
      break;
    }
    done += (size_t)written;
  }
  file.size += done;
}

void log_file_append(const uint8_t *lines, size_t size) {
  while (size > 0) {
    if (file.max_size && file.size >= file.max_size) rotate();
    size_t part = until_full(lines, size);
    write_lines(lines, part);
    lines += part;
    size -= part;
  }
}
