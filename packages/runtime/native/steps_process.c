// Steps about the process itself.
#include "steps.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

int step_rlimit(const struct step *s) {
  int resource = (int)s->n[0];
  struct rlimit limit = {.rlim_cur = (rlim_t)s->n[1], .rlim_max = (rlim_t)s->n[2]};
  if (setrlimit((__rlimit_resource_t)resource, &limit) == 0) return 0;
  if (!s->n[3] || (errno != EPERM && errno != EINVAL)) return -errno;
  struct rlimit now;
  if (getrlimit((__rlimit_resource_t)resource, &now) < 0) return -errno;
  if (limit.rlim_max > now.rlim_max) limit.rlim_max = now.rlim_max;
  if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
  return sys_result(setrlimit((__rlimit_resource_t)resource, &limit));
}

int step_bounding_set(const struct step *s) {
  for (unsigned capability = 0; capability < 64; capability++) {
    int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (held < 0) break;
    if (held && !(s->n[0] >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return -errno;
  }
  return 0;
}

int step_user(const struct step *s) {
  uid_t uid = (uid_t)s->n[0];
  gid_t gid = (gid_t)s->n[1];
  // The streams belong to the user, who may want to open /dev/stdout.
  for (int fd = 0; fd < 3; fd++) {
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && status.st_uid != uid &&
        fchown(fd, uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM)
      return -errno;
  }
  size_t groups = s->b.size / sizeof(gid_t);
  if (syscall(SYS_setgroups, groups, s->b.data) < 0 && (groups > 0 || errno != EPERM)) return -errno;
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return -errno;
  if (syscall(SYS_setresgid, gid, gid, gid) < 0) return -errno;
  if (syscall(SYS_setresuid, uid, uid, uid) < 0) return -errno;
  // The kernel forgets it when credentials change.
  return sys_result(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

int step_capabilities(const struct step *s) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  for (int i = 0; i < 2; i++)
    data[i] = (struct __user_cap_data_struct){.effective = (uint32_t)(s->n[0] >> (32 * i)),
                                              .permitted = (uint32_t)(s->n[1] >> (32 * i)),
                                              .inheritable = (uint32_t)(s->n[2] >> (32 * i))};
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL) return -errno;
  if (syscall(SYS_capset, &head, data) < 0) return -errno;
  for (unsigned capability = 0; capability < 64; capability++)
    if (s->n[3] >> capability & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
      return -errno;
  return sys_result(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0));
}

int step_seccomp(struct executor *e, const struct step *s) {
  struct sock_fprog program = {.len = (unsigned short)(s->b.size / sizeof(struct sock_filter)),
                               .filter = (struct sock_filter *)(uintptr_t)s->b.data};
  if (s->b.size / sizeof(struct sock_filter) > BPF_MAXINSNS) return -EINVAL;
  prepare_exec();
  e->exec_prepared = true;
  return sys_result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)s->n[0], &program)) < 0 ? -errno : 0;
}

int step_chdir(const struct step *s) {
  if (!s->s[0]) return -EINVAL;
  // No magic link leads there: none of the executor's own descriptors is a way out (CVE-2024-21626).
  struct sys_open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = SYS_RESOLVE_NO_MAGICLINKS};
  CLOSED_AT_EXIT int directory = sys_result(syscall(SYS_openat2, AT_FDCWD, s->s[0], &how, sizeof how));
  if (directory < 0) return directory;
  if (fchdir(directory) < 0) return -errno;
  // The kernel answers "(unreachable)/..." for a directory outside the root, reached through a leaked descriptor.
  char path[4096];
  if (syscall(SYS_getcwd, path, sizeof path) < 0) return errno == ERANGE ? 0 : -errno;
  return path[0] == '/' ? 0 : -ENOENT;
}

int step_barrier(struct executor *e, const struct step *s) {
  if (e->sync < 0) return -EINVAL;
  struct sync_message message = {.type = SYNC_BARRIER, .value = (uint32_t)s->n[0]};
  if (send(e->sync, &message, sizeof message, MSG_NOSIGNAL) < 0) return -errno;
  struct pollfd wait = {.fd = e->sync, .events = POLLIN};
  int ready;
  do ready = poll(&wait, 1, (int)s->n[1]);
  while (ready < 0 && errno == EINTR);
  if (ready < 0) return -errno;
  if (ready == 0) return -ETIMEDOUT;
  uint32_t token = 0;
  ssize_t got = recv(e->sync, &token, sizeof token, 0);
  return got == sizeof token && token == message.value ? 0 : -ECANCELED;
}

int step_console(struct executor *e, const struct step *s) {
  if (e->sync < 0) return -EINVAL;
  CLOSED_AT_EXIT int controller = open_named(e, s->at, s->path, O_RDWR | O_NOCTTY, 0);
  if (controller < 0) return controller;
  int unlock = 0;
  if (ioctl(controller, TIOCSPTLCK, &unlock) < 0) return -errno;
  CLOSED_AT_EXIT int terminal = ioctl(controller, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return -errno;
  if (fchown(terminal, (uid_t)s->n[2], (gid_t)-1) < 0) return -errno;
  if (s->n[0] || s->n[1]) {
    struct winsize size = {.ws_row = (unsigned short)s->n[0], .ws_col = (unsigned short)s->n[1]};
    if (ioctl(terminal, TIOCSWINSZ, &size) < 0) return -errno;
  }
  struct sync_message message = {.type = SYNC_CONSOLE};
  int error = send_fd(e->sync, &message, sizeof message, controller);
  if (error) return error;
  if (ioctl(terminal, TIOCSCTTY, 0) < 0) return -errno;
  for (int fd = 0; fd < 3; fd++)
    if (dup2(terminal, fd) < 0) return -errno;
  e->tty = true;
  return 0;
}
