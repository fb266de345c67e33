// A container's log: lines in Docker's json-file form (log.c), the file (log_file.c), and the ring of lines between the two
// where the container must not wait for the file (log_ring.c).
#pragma once
#include "sys.h"

struct log_options {
  const char *path;
  uint64_t max_size, buffer;
  uint32_t max_files;
  // Rotated files are compressed by somebody else, under the lock (flock) of their directory.
  bool compress;
  // The container never waits for the file: lines beyond `buffer` bytes that it lags behind are dropped.
  bool buffered;
  // Bytes that are no UTF-8 stay as they are, though JSON has no such strings.
  bool raw;
  // A JSON object that stands in every line, or NULL.
  const char *attributes;
};

// What a daemon should hear of.
struct log_counts {
  // Files that were given away for compression.
  _Atomic uint64_t rotations;
  // Lines that are in no file: the ring or the disk was full.
  _Atomic uint64_t lost;
};

// log.c
// What one line needs at most: 16 KiB whose every byte becomes \u00xx, and what stands around it.
#define LOG_LINE_SIZE 16384
#define LOG_ATTRIBUTES_SIZE 8192
#define LOG_LINE_ENCODED (LOG_LINE_SIZE * 6 + 256 + LOG_ATTRIBUTES_SIZE)
int log_open(const struct log_options *options, const char *id);
bool log_active(void);
void log_write(uint8_t stream, const uint8_t *data, size_t size);
void log_flush(void);
// Writes what is left. True when all is in the file; false when a writer still has work, and calls log_written at its end.
bool log_end(void);
void log_written(void);
void log_trim(void);
uint64_t log_rotations(void);
uint64_t log_lost(void);

// log_file.c
int log_file_open(const struct log_options *options);
int log_file_reopen(void);
// The descriptors that a writer in a process of its own keeps; -1 for none.
void log_file_descriptors(int out[2]);
void log_file_close(void);
const struct log_counts *log_file_counts(void);
// Counts there from now on.
void log_file_count_in(struct log_counts *shared);
// Whole lines. It waits for the disk; lines that the disk does not take are counted as lost.
void log_file_append(const uint8_t *lines, size_t size);
uint64_t log_lines(const uint8_t *data, size_t size);

// log_ring.c
// `bound` counts what the container has written; `attributes_size` more bytes stand in each line.
int log_ring_open(uint64_t bound, size_t attributes_size, const char *id);
// Whole lines. Never waits: lines that do not fit are counted as lost.
void log_ring_put(const uint8_t *lines, size_t size);
// The writer ends when it has written what is left. False when there is none.
bool log_ring_end(void);
void log_ring_trim(void);
uint64_t log_ring_dropped(void);
