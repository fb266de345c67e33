// Reads mutated requests as the shim would, under ASan and UBSan. Arguments: seed files (src/plan/encode.test.ts writes one).
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t state = 0x9e3779b97f4a7c15ULL;

static uint32_t random_below(uint32_t bound) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32) % bound;
}

static size_t touched;

static void touch_text(const char *text) {
  if (text) touched += strlen(text);
}

// False when the steps are not all there.
static bool touch_section(const struct section *section) {
  struct cursor in = section->steps;
  for (uint32_t i = 0; i < section->count; i++) {
    struct step step;
    if (take_step(&in, &step) < 0) return false;
    touch_text(step.path);
    for (int n = 0; n < 3; n++) touch_text(step.s[n]);
    for (uint32_t n = 0; n < step.b.size; n++) touched += step.b.data[n];
    for (int n = 0; n < 2; n++) {
      struct list list = step.l[n];
      for (const char *item; (item = list_next(&list));) touch_text(item);
    }
    touched += step_ignores(&step, 2);
  }
  return in.at == in.end;
}

static bool read_request(const uint8_t *data, size_t size) {
  static struct request request;
  if (parse_request(data, size, &request) < 0) return false;
  touch_text(request.id);
  touch_text(request.run_dir);
  touch_text(request.cgroup_path);
  touch_text(request.log_path);
  touch_text(request.log_attributes);
  bool whole = touch_section(&request.prepare) & touch_section(&request.parent) & touch_section(&request.child);
  for (uint32_t i = 0; i < request.attachment_count; i++) {
    for (uint32_t n = 0; n < request.attachments[i].keys.size; n++) touched += request.attachments[i].keys.data[n];
    for (uint32_t n = 0; n < request.attachments[i].head.size; n++) touched += request.attachments[i].head.data[n];
  }
  return whole;
}

static void mutate(uint8_t *data, size_t *size) {
  static const uint32_t odd[] = {0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  for (uint32_t changes = 1 + random_below(4); changes > 0 && *size > 8; changes--) {
    uint32_t at = random_below((uint32_t)*size - 4), value = odd[random_below(sizeof odd / sizeof *odd)];
    switch (random_below(5)) {
    case 0: data[at] ^= (uint8_t)(1U << random_below(8)); break;
    case 1: data[at] = (uint8_t)random_below(256); break;
    case 2: memcpy(data + at, &value, sizeof value); break;
    case 3: *size = 1 + random_below((uint32_t)*size); break;
    default:
      value = random_below((uint32_t)*size);
      memcpy(data + at, &value, sizeof value);
    }
  }
}

int main(int argc, char **argv) {
  static uint8_t seed[1 << 20];
  for (int i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    size_t size = file ? fread(seed, 1, sizeof seed, file) : 0;
    if (file) fclose(file);
    if (size == 0 || !read_request(seed, size)) {
      fprintf(stderr, "%s is no request\n", argv[i]);
      return 1;
    }
    for (int round = 0; round < 300000; round++) {
      // A block of the exact size, so that the sanitizer sees the first byte beyond it.
      size_t left = size;
      uint8_t *copy = malloc(size);
      memcpy(copy, seed, size);
      mutate(copy, &left);
      uint8_t *exact = malloc(left);
      memcpy(exact, copy, left);
      free(copy);
      read_request(exact, left);
      free(exact);
    }
  }
  printf("%zu bytes read\n", touched);
  return 0;
}
