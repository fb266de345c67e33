// Docker's json-file: one JSON object a line, cut at 16 KiB as dockerd's copier does, handed on in batches.
#include "log.h"
#include "loop.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define BATCH_SIZE (256 * 1024)
#define PAGE 4096

struct line_carry {
  _Alignas(PAGE) uint8_t data[LOG_LINE_SIZE];
};

static _Alignas(PAGE) uint8_t batch[BATCH_SIZE];
static struct line_carry carry[2];
static size_t batch_size, carry_size[2];
static bool partial[2];
// `2026-01-02T03:04:05.123456789Z`
#define TIME_SIZE 30
#define SECOND_SIZE 19
static char partial_time[2][TIME_SIZE];
static bool active, buffered;
// What stands between stream and time: nothing, or `,"attrs":{...}`.
static char attributes[LOG_ATTRIBUTES_SIZE];
static size_t attributes_size;
// The time of the next line: no two of a stream's lines have the same, so that a reader can go on after one.
static char now_text[TIME_SIZE + 1];
static uint64_t now_ns;
static time_t now_second = -1;

// Bytes that cannot stand in a JSON string as they are.
static uint8_t special[256];

int log_open(const struct log_options *options, const char *id) {
  if (options->attributes && strlen(options->attributes) >= sizeof attributes - 16) return -E2BIG;
  if (options->attributes)
    attributes_size = (size_t)snprintf(attributes, sizeof attributes, ",\"attrs\":%s", options->attributes);
  for (int byte = 0; byte < 256; byte++)
    special[byte] = byte < 0x20 || (byte >= 0x80 && !options->raw) || byte == '"' || byte == '\\' || byte == '<' ||
                    byte == '>' || byte == '&';
  int error = log_file_open(options);
  if (!error && options->buffered) {
    error = log_ring_open(options->buffer, attributes_size, id);
    log_file_close();
  }
  buffered = options->buffered;
  active = !error;
  return error;
}

bool log_active(void) { return active; }

uint64_t log_rotations(void) { return log_file_counts()->rotations; }

uint64_t log_lost(void) { return log_file_counts()->lost + (buffered ? log_ring_dropped() : 0); }

void log_flush(void) {
  if (batch_size == 0) return;
  if (buffered) log_ring_put(batch, batch_size);
  else log_file_append(batch, batch_size);
  batch_size = 0;
}

static void set_time(uint64_t ns) {
  time_t second = (time_t)(ns / 1000000000);
  if (second != now_second) {
    struct tm parts;
    gmtime_r(&second, &parts);
    strftime(now_text, SECOND_SIZE + 1, "%Y-%m-%dT%H:%M:%S", &parts);
    now_text[SECOND_SIZE] = '.';
    now_text[TIME_SIZE - 1] = 'Z';
    now_second = second;
  }
  uint32_t rest = (uint32_t)(ns % 1000000000);
  for (int i = TIME_SIZE - 2; i > SECOND_SIZE; i--) {
    now_text[i] = (char)('0' + rest % 10);
    rest /= 10;
  }
  now_ns = ns;
}

// Reads the clock, once for all lines that came together; they have a nanosecond each.
static void stamp(void) {
  uint64_t now = realtime_ns();
  // A clock that was set back is believed.
  set_time(now <= now_ns && now_ns - now < 1000000000 ? now_ns + 1 : now);
}

static void next_time(void) {
  for (int i = TIME_SIZE - 2; i > SECOND_SIZE; i--) {
    if (now_text[i] < '9') {
      now_text[i]++;
      now_ns++;
      return;
    }
    now_text[i] = '0';
  }
  set_time(now_ns + 1);
}

// As Go's RFC3339Nano: without the zeros at the end of the fraction.
static uint8_t *put_time(uint8_t *out, const char *time) {
  size_t size = TIME_SIZE - 1;
  while (time[size - 1] == '0') size--;
  if (time[size - 1] == '.') size--;
  memcpy(out, time, size);
  out[size] = 'Z';
  return out + size + 1;
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

typedef uint8_t block __attribute__((vector_size(16)));

// Whether none of the bytes is special.
static bool is_plain(block bytes) {
  block found = (block)(bytes < 0x20) | (block)(bytes >= 0x80) | (block)(bytes == '"') | (block)(bytes == '\\') |
                (block)(bytes == '<') | (block)(bytes == '>') | (block)(bytes == '&');
  uint64_t halves[2];
  memcpy(halves, &found, sizeof halves);
  return (halves[0] | halves[1]) == 0;
}

// Copies up to the next special byte and returns how many these were.
static size_t copy_plain(uint8_t *out, const uint8_t *s, size_t size) {
  size_t i = 0;
  for (block bytes; size - i >= sizeof bytes; i += sizeof bytes) {
    memcpy(&bytes, s + i, sizeof bytes);
    if (!is_plain(bytes)) break;
    memcpy(out + i, &bytes, sizeof bytes);
  }
  for (; i < size && !special[s[i]]; i++) out[i] = s[i];
  return i;
}

static uint8_t *escape(uint8_t *out, const uint8_t *s, size_t size) {
  static const char hex[] = "0123456789abcdef";
  for (size_t i = 0; i < size;) {
    size_t plain = copy_plain(out, s + i, size - i);
    i += plain;
    out += plain;
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
  if (batch_size + LOG_LINE_ENCODED > BATCH_SIZE) log_flush();
  uint8_t *out = batch + batch_size;
  out = PUT(out, "{\"log\":\"");
  out = escape(out, data, size);
  if (newline) out = PUT(out, "\\n");
  if (stream == 2) out = PUT(out, "\",\"stream\":\"stderr\"");
  else out = PUT(out, "\",\"stream\":\"stdout\"");
  memcpy(out, attributes, attributes_size);
  out += attributes_size;
  out = PUT(out, ",\"time\":\"");
  out = PUT(put_time(out, time), "\"}\n");
  batch_size = (size_t)(out - batch);
}

static void whole_line(uint8_t stream, const uint8_t *data, size_t size) {
  int which = stream - 1;
  line(stream, data, size, true, partial[which] ? partial_time[which] : now_text);
  if (!partial[which]) next_time();
  partial[which] = false;
}

static void partial_line(uint8_t stream, const uint8_t *data, size_t size) {
  int which = stream - 1;
  if (!partial[which]) {
    memcpy(partial_time[which], now_text, TIME_SIZE);
    next_time();
  }
  partial[which] = true;
  line(stream, data, size, false, partial_time[which]);
}

void log_write(uint8_t stream, const uint8_t *data, size_t size) {
  if (!active) return;
  int which = stream - 1;
  stamp();
  while (size > 0) {
    size_t room = LOG_LINE_SIZE - carry_size[which], look = size < room ? size : room;
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
    } else if (length == LOG_LINE_SIZE) {
      partial_line(stream, text, length);
      carry_size[which] = 0;
    }
    data += taken;
    size -= taken;
  }
}

bool log_end(void) {
  if (!active) return true;
  stamp();
  for (uint8_t stream = 1; stream <= 2; stream++) {
    if (carry_size[stream - 1] > 0) partial_line(stream, carry[stream - 1].data, carry_size[stream - 1]);
    carry_size[stream - 1] = 0;
  }
  log_flush();
  active = false;
  if (buffered) return !log_ring_end();
  log_file_close();
  return true;
}

void log_trim(void) {
  if (batch_size == 0) madvise(batch, sizeof batch, MADV_DONTNEED);
  for (int i = 0; i < 2; i++)
    if (carry_size[i] == 0) madvise(carry[i].data, sizeof carry[i].data, MADV_DONTNEED);
  if (buffered) log_ring_trim();
}
