// Steps about the process itself.
#include "steps.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>

int step_rlimit(const struct step *s) {
  int resource = (int)s->n[0];
  struct rlimit limit = {.rlim_cur = (rlim_t)s->n[1], .rlim_max = (rlim_t)s->n[2]};
  int error = sys_call(SYS_prlimit64, 0, resource, &limit);
  if (!s->n[3] || (error != -EPERM && error != -EINVAL)) return error;
  struct rlimit now;
  error = sys_call(SYS_prlimit64, 0, resource, NULL, &now);
  if (error) return error;
  if (limit.rlim_max > now.rlim_max) limit.rlim_max = now.rlim_max;
  if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
  return sys_call(SYS_prlimit64, 0, resource, &limit);
}

int step_bounding_set(const struct step *s) {
  for (unsigned capability = 0; capability < 64; capability++) {
    if (s->n[0] >> capability & 1) continue;
    int error = sys_call(SYS_prctl, PR_CAPBSET_DROP, capability);
    // Beyond the last one that this kernel has.
    if (error == -EINVAL) return 0;
    // Without the right to drop, what is not held is no matter.
    if (error && sys_call(SYS_prctl, PR_CAPBSET_READ, capability) != 0) return error;
  }
  return 0;
}

int step_user(const struct step *s) {
  uid_t uid = (uid_t)s->n[0];
  gid_t gid = (gid_t)s->n[1];
  // The streams belong to the user, who may want to open /dev/stdout.
  for (int fd = 0; fd < 3; fd++) {
    struct stat status;
    if (sys_call(SYS_fstat, fd, &status) != 0 || !S_ISFIFO(status.st_mode) || status.st_uid == uid) continue;
    int error = sys_call(SYS_fchown, fd, uid, -1);
    if (error && error != -EINVAL && error != -EPERM) return error;
  }
  size_t groups = s->b.size / sizeof(gid_t);
  int error = sys_call(SYS_setgroups, groups, s->b.data);
  if (error == -EPERM && groups == 0) error = 0;
  if (!error) error = sys_call(SYS_prctl, PR_SET_KEEPCAPS, 1);
  if (!error) error = sys_call(SYS_setresgid, gid, gid, gid);
  if (!error) error = sys_call(SYS_setresuid, uid, uid, uid);
  // The kernel forgets it when credentials change.
  return error ? error : sys_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
}

int step_capabilities(const struct step *s) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  for (int i = 0; i < 2; i++)
    data[i] = (struct __user_cap_data_struct){.effective = (uint32_t)(s->n[0] >> (32 * i)),
                                              .permitted = (uint32_t)(s->n[1] >> (32 * i)),
                                              .inheritable = (uint32_t)(s->n[2] >> (32 * i))};
  int error = sys_call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  if (error == -EINVAL) error = 0;
  if (!error) error = sys_call(SYS_capset, &head, data);
  for (unsigned capability = 0; !error && capability < 64; capability++)
    if (s->n[3] >> capability & 1) error = sys_call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability);
  return error ? error : sys_call(SYS_prctl, PR_SET_KEEPCAPS, 0);
}

int step_seccomp(struct executor *e, const struct step *s) {
  struct sock_fprog program = {.len = (unsigned short)(s->b.size / sizeof(struct sock_filter)),
                               .filter = (struct sock_filter *)(uintptr_t)s->b.data};
  if (s->b.size / sizeof(struct sock_filter) > BPF_MAXINSNS) return -EINVAL;
  prepare_exec();
  e->exec_prepared = true;
  int result = sys_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, s->n[0], &program);
  return result < 0 ? result : 0;
}

int step_chdir(const struct step *s) {
  if (!s->s[0]) return -EINVAL;
  // No magic link leads there: none of the executor's own descriptors is a way out (CVE-2024-21626).
  struct sys_open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = SYS_RESOLVE_NO_MAGICLINKS};
  CLOSED_AT_EXIT int directory = sys_call(SYS_openat2, AT_FDCWD, s->s[0], &how, sizeof how);
  if (directory < 0) return directory;
  int error = sys_call(SYS_fchdir, directory);
  if (error) return error;
  // The kernel answers "(unreachable)/..." for a directory outside the root, reached through a leaked descriptor.
  char path[4096];
  error = sys_call(SYS_getcwd, path, sizeof path);
  if (error < 0) return error == -ERANGE ? 0 : error;
  return path[0] == '/' ? 0 : -ENOENT;
}

int step_barrier(struct executor *e, const struct step *s) {
  if (e->sync < 0) return -EINVAL;
  struct sync_message message = {.type = SYNC_BARRIER, .value = (uint32_t)s->n[0]};
  int sent = sys_call(SYS_sendto, e->sync, &message, sizeof message, MSG_NOSIGNAL);
  if (sent < 0) return sent;
  struct pollfd wait = {.fd = e->sync, .events = POLLIN};
  // The kernel leaves what remains of it in the structure, for a wait that a signal interrupts.
  struct timespec left = {.tv_sec = (time_t)(s->n[1] / 1000), .tv_nsec = (long)(s->n[1] % 1000 * 1000000)};
  int ready;
  do ready = sys_call(SYS_ppoll, &wait, 1, &left);
  while (ready == -EINTR);
  if (ready < 0) return ready;
  if (ready == 0) return -ETIMEDOUT;
  uint32_t token = 0;
  int got = sys_call(SYS_recvfrom, e->sync, &token, sizeof token);
  return got == sizeof token && token == message.value ? 0 : -ECANCELED;
}

int step_console(struct executor *e, const struct step *s) {
  if (e->sync < 0) return -EINVAL;
  CLOSED_AT_EXIT int controller = open_named(e, s->at, s->path, O_RDWR | O_NOCTTY, 0);
  if (controller < 0) return controller;
  int unlock = 0;
  int error = sys_call(SYS_ioctl, controller, TIOCSPTLCK, &unlock);
  if (error) return error;
  CLOSED_AT_EXIT int terminal = sys_call(SYS_ioctl, controller, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return terminal;
  error = sys_call(SYS_fchown, terminal, s->n[2], -1);
  if (!error && (s->n[0] || s->n[1])) {
    struct winsize size = {.ws_row = (unsigned short)s->n[0], .ws_col = (unsigned short)s->n[1]};
    error = sys_call(SYS_ioctl, terminal, TIOCSWINSZ, &size);
  }
  struct sync_message message = {.type = SYNC_CONSOLE};
  if (!error) error = send_fd(e->sync, &message, sizeof message, controller);
  if (!error && !e->unborn) error = sys_call(SYS_ioctl, terminal, TIOCSCTTY, 0);
  for (int fd = 0; fd < 3 && error >= 0; fd++) error = sys_call(SYS_dup3, terminal, fd, 0);
  if (error < 0) return error;
  e->tty = true;
  return 0;
}
