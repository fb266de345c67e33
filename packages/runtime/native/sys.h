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
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
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

// A system call as the kernel answers it: a result, or a negative errno. It touches no thread-local memory, which a child
// that shares the shim's memory would share, too: whatever a child runs between clone and exec calls the kernel by this.
#if defined(__x86_64__)
static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "Gantry runs on x86-64 and arm64"
#endif
#define SYS_ARGUMENT(x) ((long)(x))
#define sys_call_(n, a, b, c, d, e, f, ...)                                                                            \
  sys_int(sys_call6((n), SYS_ARGUMENT(a), SYS_ARGUMENT(b), SYS_ARGUMENT(c), SYS_ARGUMENT(d), SYS_ARGUMENT(e),          \
                    SYS_ARGUMENT(f)))
static inline int sys_int(long result) { return (int)result; }
// sys_call(SYS_x, up to six arguments): the result fits an int for every call that is made by this.
#define sys_call(...) sys_call_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

static inline void sys_exit(int status) __attribute__((noreturn));
static inline void sys_exit(int status) {
  for (;;) sys_call(SYS_exit_group, status);
}

// For the calls of the C library, which keep the errno apart.
static inline int sys_result(long result) { return result < 0 ? -errno : (int)result; }

static inline void close_fd(int *fd) {
  if (*fd >= 0) sys_call(SYS_close, *fd);
  *fd = -1;
}
#define CLOSED_AT_EXIT __attribute__((cleanup(close_fd)))

static inline int take_fd(int *fd) {
  int taken = *fd;
  *fd = -1;
  return taken;
}
