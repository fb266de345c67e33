// The last step of a child: find the program as Go's exec.LookPath does, and become it.
#include "steps.h"

#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

// 0, or the errno of what stands against executing `path`; `detail` says whether it is there at all.
static int executable(const char *path, uint32_t *detail) {
  struct stat status;
  *detail = DETAIL_STAT;
  if (stat(path, &status) < 0) return -errno;
  *detail = DETAIL_NOT_EXECUTABLE;
  if (S_ISDIR(status.st_mode)) return -EISDIR;
  if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0) return 0;
  if (errno != ENOSYS && errno != EPERM) return -errno;
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
    int size = snprintf(found, PATH_MAX, "%.*s/%s", length ? (int)length : 1, length ? at : ".", name);
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
  int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  if (fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)) dup2(fd, 0);
  close(fd);
}

void prepare_exec(void) {
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &standard, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  // Each of ours is close-on-exec from its birth; this is for one that a library or a later change forgets.
  if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC_FLAG) == 0) return;
  for (int fd = 3; fd < 1024; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int step_exec(struct executor *e, const struct step *s) {
  struct list argv = s->l[0], env = s->l[1];
  if (argv.count == 0) return -EINVAL;
  size_t count = (size_t)argv.count + env.count + 2;
  const char **table = mmap(NULL, count * sizeof *table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (table == MAP_FAILED) return -errno;
  const char **environment = table + argv.count + 1, *search = NULL;
  for (size_t i = 0; argv.count > 0; i++) table[i] = list_next(&argv);
  for (size_t i = 0; env.count > 0; i++) {
    environment[i] = list_next(&env);
    if (!strncmp(environment[i], "PATH=", 5)) search = environment[i] + 5;
  }
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
  if (!e->umask_set) umask(022);
  if (!e->exec_prepared) prepare_exec();
  // Not checked: a seccomp filter of the user's may refuse it.
  prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  // From here on the process counts as started, as with runc: a failing execve is told on its own standard error.
  if (e->sync >= 0) {
    struct sync_message message = {.type = SYNC_EXECUTING};
    if (write(e->sync, &message, sizeof message) < 0) return -errno;
  }
  if (binary >= 0) syscall(SYS_execveat, binary, "", table, environment, AT_EMPTY_PATH);
  else execve(program, (char *const *)(uintptr_t)table, (char *const *)(uintptr_t)environment);
  const char *text = strerrordesc_np(errno);
  char line[PATH_MAX + 128];
  int size = snprintf(line, sizeof line, "exec %s: %c%s\n", binary >= 0 ? table[0] : program,
                      text && text[0] >= 'A' && text[0] <= 'Z' ? text[0] + 32 : text ? text[0] : '?', text ? text + 1 : "");
  if (size > 0 && write(2, line, (size_t)size) < 0) _exit(254);
  _exit(255);
}
