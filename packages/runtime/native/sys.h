// System calls and constants that an older C library lacks, and the few idioms every file uses.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_fsopen
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif

#define WAIT_PIDFD 3 /* P_PIDFD */
#define GANTRY_CLONE_PIDFD 0x00001000ULL
#define GANTRY_CLONE_INTO_CGROUP 0x200000000ULL
#define CLOSE_RANGE_CLOEXEC_FLAG 4U

struct sys_open_how {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
#define SYS_RESOLVE_NO_MAGICLINKS 0x02ULL
#define SYS_RESOLVE_IN_ROOT 0x10ULL

struct sys_clone_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

struct sys_mount_attr {
  uint64_t attr_set, attr_clr, propagation, userns_fd;
};

static inline int sys_result(long result) { return result < 0 ? -errno : (int)result; }

static inline void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}
#define CLOSED_AT_EXIT __attribute__((cleanup(close_fd)))

static inline int take_fd(int *fd) {
  int taken = *fd;
  *fd = -1;
  return taken;
}
