// Builds a filter with libseccomp from lines on standard input and writes its BPF to standard output, for filter.test.ts.
//   default ACTION        SCMP_ACT_* as a number
//   arch NUMBER           SCMP_ARCH_*
//   rule ACTION NAME COUNT [INDEX OPERATOR A B]...
// Names that this libseccomp does not know go to standard error, one a line.
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  scmp_filter_ctx filter = NULL;
  char word[32];
  while (scanf("%31s", word) == 1) {
    uint32_t number;
    if (scanf("%" SCNu32, &number) != 1) return 2;
    if (!strcmp(word, "default")) {
      filter = seccomp_init(number);
      if (!filter) return 3;
    } else if (!strcmp(word, "arch")) {
      int error = seccomp_arch_add(filter, number);
      if (error && error != -17 /* EEXIST: the native one */) return 4;
    } else {
      char name[64];
      unsigned count;
      if (scanf("%63s %u", name, &count) != 2) return 5;
      struct scmp_arg_cmp args[6];
      for (unsigned i = 0; i < count; i++) {
        unsigned index, operator;
        uint64_t a, b;
        if (scanf("%u %u %" SCNu64 " %" SCNu64, &index, &operator, &a, &b) != 4) return 6;
        args[i] = (struct scmp_arg_cmp){.arg = index, .op = (enum scmp_compare)operator, .datum_a = a, .datum_b = b};
      }
      int resolved = seccomp_syscall_resolve_name(name);
      if (resolved == __NR_SCMP_ERROR) {
        fprintf(stderr, "%s\n", name);
        continue;
      }
      int error = seccomp_rule_add_array(filter, number, resolved, count, args);
      if (error) {
        fprintf(stderr, "%s failed with %d\n", name, error);
        return 7;
      }
    }
  }
  fflush(stdout);
  return seccomp_export_bpf(filter, 1) ? 8 : 0;
}
