// Docker's json-file: one JSON object a line, cut at 16 KiB as dockerd's copier does, written in batches, rotated by size.
#include "shim.h"

#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define LINE_SIZE 16384
// A line of 16 KiB whose every byte becomes \u00xx, and what stands around it.
#define ATTRIBUTES_SIZE 8192
#define LINE_ENCODED (LINE_SIZE * 6 + 256 + ATTRIBUTES_SIZE)
#define BATCH_SIZE (256 * 1024)
#define PAGE 4096

struct line_carry {
  _Alignas(PAGE) uint8_t data[LINE_SIZE];
};

static _Alignas(PAGE) uint8_t batch[BATCH_SIZE];
static struct line_carry carry[2];
static size_t batch_size, carry_size[2];
static bool partial[2];
static char partial_time[2][48];
static char path[PATH_MAX];
static int file = -1;
static uint64_t file_size, max_size;
static uint32_t max_files;
static uint64_t dropped;
// What stands between stream and time: nothing, or `,"attrs":{...}`.
static char attributes[ATTRIBUTES_SIZE];
static size_t attributes_size;
static char now_text[48];
static time_t now_second = -1;

// Bytes that cannot stand in a JSON string as they are.
static uint8_t special[256];

static int open_file(void) {
  file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (file < 0) return -errno;
  struct stat status;
  file_size = fstat(file, &status) == 0 ? (uint64_t)status.st_size : 0;
  return 0;
}

int log_open(const char *at, uint64_t size, uint32_t files, const char *object) {
  if (object && strlen(object) >= sizeof attributes - 16) return -E2BIG;
  if (object) attributes_size = (size_t)snprintf(attributes, sizeof attributes, ",\"attrs\":%s", object);
  if (strlen(at) >= sizeof path - 16) return -ENAMETOOLONG;
  strcpy(path, at);
  max_size = size;
  max_files = files;
  for (int byte = 0; byte < 256; byte++)
    special[byte] = byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\' || byte == '<' || byte == '>' || byte == '&';
  return open_file();
}

bool log_active(void) { return file >= 0; }

static void rotate(void) {
  if (max_files < 2) {
    if (ftruncate(file, 0) == 0) file_size = 0;
    return;
  }
  char from[PATH_MAX], to[PATH_MAX];
  for (uint32_t i = max_files - 1; i > 0; i--) {
    if (i == 1) strcpy(from, path);
    else snprintf(from, sizeof from, "%.4000s.%u", path, i - 1);
    snprintf(to, sizeof to, "%.4000s.%u", path, i);
    if (rename(from, to) < 0 && errno != ENOENT && i == 1) return;
  }
  int old = file;
  if (open_file() < 0) file = old;
  else close(old);
}

void log_flush(void) {
  size_t done = 0;
  while (done < batch_size) {
    ssize_t written = write(file, batch + done, batch_size - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      // A full disk costs lines, but never half of one, and never the container.
      if (done > 0 && ftruncate(file, (off_t)file_size) < 0) break;
      done = 0;
      dropped++;
      break;
    }
    done += (size_t)written;
  }
  file_size += done;
  batch_size = 0;
}

// RFC 3339 with nanoseconds, trailing zeros of the fraction cut, as Go's RFC3339Nano.
static void stamp(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_sec != now_second) {
    struct tm parts;
    gmtime_r(&now.tv_sec, &parts);
    strftime(now_text, 20, "%Y-%m-%dT%H:%M:%S", &parts);
    now_second = now.tv_sec;
  }
  char *end = now_text + 19;
  if (now.tv_nsec) {
    long rest = now.tv_nsec;
    for (int i = 9; i > 0; i--) {
      end[i] = (char)('0' + rest % 10);
      rest /= 10;
    }
    *end = '.';
    end += 10;
    while (end[-1] == '0') end--;
  }
  *end++ = 'Z';
  *end = 0;
}

// Length of the valid UTF-8 sequence at `s`, or 0.
static size_t sequence(const uint8_t *s, size_t left) {
  uint8_t a = s[0];
  size_t size = a >= 0xf0 && a <= 0xf4 ? 4 : a >= 0xe0 && a < 0xf0 ? 3 : a >= 0xc2 && a < 0xe0 ? 2 : 0;
  if (size == 0 || size > left) return 0;
  for (size_t i = 1; i < size; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((a == 0xe0 && s[1] < 0xa0) || (a == 0xed && s[1] > 0x9f) || (a == 0xf0 && s[1] < 0x90) || (a == 0xf4 && s[1] > 0x8f))
    return 0;
  return size;
}

static uint8_t *escape(uint8_t *out, const uint8_t *s, size_t size) {
  static const char hex[] = "0123456789abcdef";
  for (size_t i = 0; i < size;) {
    size_t start = i;
    while (i < size && !special[s[i]]) i++;
    memcpy(out, s + start, i - start);
    out += i - start;
    if (i == size) break;
    uint8_t byte = s[i];
    if (byte >= 0x80) {
      size_t length = sequence(s + i, size - i);
      if (length == 3 && byte == 0xe2 && s[i + 1] == 0x80 && (s[i + 2] & 0xfe) == 0xa8) {
        memcpy(out, "\\u202", 5);
        out[5] = (uint8_t)hex[s[i + 2] & 0xf];
        out += 6;
      } else if (length) {
        memcpy(out, s + i, length);
        out += length;
      } else {
        memcpy(out, "\\ufffd", 6);
        out += 6;
        length = 1;
      }
      i += length;
      continue;
    }
    *out++ = '\\';
    switch (byte) {
    case '"':
    case '\\': *out++ = byte; break;
    case '\n': *out++ = 'n'; break;
    case '\r': *out++ = 'r'; break;
    default:
      memcpy(out, "u00", 3);
      out[3] = (uint8_t)hex[byte >> 4];
      out[4] = (uint8_t)hex[byte & 0xf];
      out += 5;
    }
    i++;
  }
  return out;
}

#define PUT(out, text) (memcpy(out, text, sizeof(text) - 1), (out) + sizeof(text) - 1)

static void line(uint8_t stream, const uint8_t *data, size_t size, bool newline, const char *time) {
  if (max_size && file_size + batch_size >= max_size) {
    log_flush();
    if (file_size >= max_size) rotate();
  }
  if (batch_size + LINE_ENCODED > BATCH_SIZE) log_flush();
  uint8_t *out = batch + batch_size;
  out = PUT(out, "{\"log\":\"");
  out = escape(out, data, size);
  if (newline) out = PUT(out, "\\n");
  if (stream == 2) out = PUT(out, "\",\"stream\":\"stderr\"");
  else out = PUT(out, "\",\"stream\":\"stdout\"");
  memcpy(out, attributes, attributes_size);
  out += attributes_size;
  out = PUT(out, ",\"time\":\"");
  size_t length = strlen(time);
  memcpy(out, time, length);
  out = PUT(out + length, "\"}\n");
  batch_size = (size_t)(out - batch);
}

static void whole_line(uint8_t stream, const uint8_t *data, size_t size) {
  int which = stream - 1;
  line(stream, data, size, true, partial[which] ? partial_time[which] : now_text);
  partial[which] = false;
}

static void partial_line(uint8_t stream, const uint8_t *data, size_t size) {
  int which = stream - 1;
  if (!partial[which]) strcpy(partial_time[which], now_text);
  partial[which] = true;
  line(stream, data, size, false, partial_time[which]);
}

void log_write(uint8_t stream, const uint8_t *data, size_t size) {
  if (file < 0) return;
  int which = stream - 1;
  stamp();
  while (size > 0) {
    size_t room = LINE_SIZE - carry_size[which], look = size < room ? size : room;
    const uint8_t *end = memchr(data, '\n', look);
    size_t taken = end ? (size_t)(end - data) : look;
    const uint8_t *text = data;
    size_t length = taken;
    if (carry_size[which] > 0 || (!end && taken < room)) {
      memcpy(carry[which].data + carry_size[which], data, taken);
      carry_size[which] += taken;
      text = carry[which].data;
      length = carry_size[which];
    }
    if (end) {
      whole_line(stream, text, length);
      carry_size[which] = 0;
      taken++;
    } else if (length == LINE_SIZE) {
      partial_line(stream, text, length);
      carry_size[which] = 0;
    }
    data += taken;
    size -= taken;
  }
}

void log_end(void) {
  if (file < 0) return;
  stamp();
  for (uint8_t stream = 1; stream <= 2; stream++) {
    if (carry_size[stream - 1] > 0) partial_line(stream, carry[stream - 1].data, carry_size[stream - 1]);
    carry_size[stream - 1] = 0;
  }
  log_flush();
  close_fd(&file);
}

void log_trim(void) {
  if (batch_size == 0) madvise(batch, sizeof batch, MADV_DONTNEED);
  for (int i = 0; i < 2; i++)
    if (carry_size[i] == 0) madvise(carry[i].data, sizeof carry[i].data, MADV_DONTNEED);
}
