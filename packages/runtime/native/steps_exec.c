// The last step of a child: find the program as Go's exec.LookPath does, and become it.
#include "steps.h"

#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

// 0, or the errno of what stands against executing `path`; `detail` says whether it is there at all.
static int executable(const char *path, uint32_t *detail) {
  struct stat status;
  *detail = DETAIL_STAT;
  int error = sys_call(SYS_newfstatat, AT_FDCWD, path, &status);
  if (error) return error;
  *detail = DETAIL_NOT_EXECUTABLE;
  if (S_ISDIR(status.st_mode)) return -EISDIR;
  error = sys_call(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS);
  if (error != -ENOSYS && error != -EPERM) return error;
  return status.st_mode & 0111 ? 0 : -EACCES;
}

static int look_up(const char *name, const char *search, char found[PATH_MAX], uint32_t *detail) {
  if (strchr(name, '/')) {
    if (strlen(name) >= PATH_MAX) return -ENAMETOOLONG;
    strcpy(found, name);
    return executable(name, detail);
  }
  for (const char *at = search; at && *name;) {
    const char *end = strchr(at, ':');
    size_t length = end ? (size_t)(end - at) : strlen(at);
    size_t directory = length ? length : 1, size = directory + 1 + strlen(name);
    if (size < PATH_MAX && search[0] != 0) {
      memcpy(found, length ? at : ".", directory);
      found[directory] = '/';
      strcpy(found + directory + 1, name);
    }
    if (size < PATH_MAX && (search[0] != 0) && executable(found, detail) == 0) {
      if (found[0] == '/') return 0;
      *detail = DETAIL_RELATIVE;
      return -ENOENT;
    }
    at = end ? end + 1 : NULL;
  }
  *detail = DETAIL_NOT_IN_PATH;
  return -ENOENT;
}

// The host's /dev/null must not stay open in the container, which could change its mode through it.
static void reopen_null(void) {
  struct stat status;
  CLOSED_AT_EXIT int fd = sys_call(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  if (sys_call(SYS_fstat, fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3))
    sys_call(SYS_dup3, fd, 0, 0);
}

void prepare_exec(void) {
  // As the kernel has it; all zero for the default action.
  struct {
    void *handler;
    unsigned long flags, restorer, mask;
  } standard = {0};
  for (size_t i = 0; i < sizeof shim_ignores / sizeof *shim_ignores; i++)
    sys_call(SYS_rt_sigaction, shim_ignores[i], &standard, NULL, sizeof standard.mask);
  unsigned long none = 0;
  sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
  // Each of ours is close-on-exec from its birth; this is for one that a library or a later change forgets.
  if (sys_call(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC_FLAG) == 0) return;
  for (int fd = 3; fd < 1024; fd++) sys_call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}

int step_exec(struct executor *e, const struct step *s) {
  struct list argv = s->l[0], env = s->l[1];
  if (argv.count == 0) return -EINVAL;
  // On the child's own stack, which has room for as many pointers as a plan can hold strings.
  const char **table = __builtin_alloca(((size_t)argv.count + env.count + 2) * sizeof *table);
  const char **environment = table + argv.count + 1, *search = NULL;
  size_t count = 0;
  while (argv.count > 0) table[count++] = list_next(&argv);
  table[count] = NULL;
  for (count = 0; env.count > 0; count++) {
    environment[count] = list_next(&env);
    if (!strncmp(environment[count], "PATH=", 5)) search = environment[count] + 5;
  }
  environment[count] = NULL;
  char program[PATH_MAX] = "";
  int binary = -1;
  if (s->n[0] != UINT64_MAX) {
    binary = slot_fd(e, s->n[0]);
    if (binary < 0) return binary;
  } else {
    int error = look_up(table[0], search, program, &e->detail);
    if (error) return error;
  }
  if (e->null_stdin && !e->tty) reopen_null();
  if (!e->umask_set) sys_call(SYS_umask, 022);
  if (!e->exec_prepared) prepare_exec();
  // Not checked: a seccomp filter of the user's may refuse it.
  sys_call(SYS_prctl, PR_SET_PDEATHSIG, 0);
  // From here on the process counts as started, as with runc: a failing execve is told on its own standard error.
  if (e->sync >= 0) {
    struct sync_message message = {.type = SYNC_EXECUTING};
    int told = sys_call(SYS_write, e->sync, &message, sizeof message);
    if (told < 0) return told;
  }
  int error = binary >= 0 ? sys_call(SYS_execveat, binary, "", table, environment, AT_EMPTY_PATH)
                          : sys_call(SYS_execve, program, table, environment);
  const char *text = strerrordesc_np(-error);
  char line[PATH_MAX + 128];
  int size = snprintf(line, sizeof line, "exec %s: %c%s\n", binary >= 0 ? table[0] : program,
                      text && text[0] >= 'A' && text[0] <= 'Z' ? text[0] + 32 : text ? text[0] : '?', text ? text + 1 : "");
  if (size > 0) sys_call(SYS_write, 2, line, size);
  for (;;) sys_call(SYS_exit_group, 255);
}
