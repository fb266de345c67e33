// Steps about eBPF.
#include "steps.h"

#include <linux/bpf.h>
#include <sys/resource.h>

int step_device_program(const struct executor *e, const struct step *s) {
  CLOSED_AT_EXIT int directory = open_named(e, s->at, s->path, O_RDONLY | O_DIRECTORY, 0);
  if (directory < 0) return directory;
  static const char license[] = "Apache-2.0";
  union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                         .insn_cnt = s->b.size / (uint32_t)sizeof(struct bpf_insn),
                         .insns = (uint64_t)(uintptr_t)s->b.data,
                         .license = (uint64_t)(uintptr_t)license};
  CLOSED_AT_EXIT int program = sys_call(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
  if (program == -EPERM) {
    // Before 5.11 a program counts as locked memory, of which there is little by default.
    struct rlimit before, none = {RLIM_INFINITY, RLIM_INFINITY};
    if (sys_call(SYS_prlimit64, 0, RLIMIT_MEMLOCK, &none, &before)) return program;
    program = sys_call(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    sys_call(SYS_prlimit64, 0, RLIMIT_MEMLOCK, &before);
  }
  if (program < 0) return program;
  union bpf_attr attach = {.target_fd = (uint32_t)directory,
                           .attach_bpf_fd = (uint32_t)program,
                           .attach_type = BPF_CGROUP_DEVICE,
                           .attach_flags = BPF_F_ALLOW_MULTI};
  return sys_call(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach);
}
