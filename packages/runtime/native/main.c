// One binary, three roles: the launcher, the shims that it forks, and the init of `docker run --init`.
#include "launcher.h"
#include "sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define CONTROL_FD 3
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

// Runs on from a sealed copy in memory: a container that gets at our /proc/PID/exe can change nothing (CVE-2019-5736).
static int reexecute(char **argv, char **env) {
  CLOSED_AT_EXIT int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (self < 0 || fstat(self, &status) < 0) return -errno;
  if (fcntl(self, F_GET_SEALS) == ALL_SEALS) return 0;
  CLOSED_AT_EXIT int copy = memfd_create("gantry-native", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (copy < 0 && errno == EINVAL) copy = memfd_create("gantry-native", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (copy < 0) return -errno;
  for (off_t done = 0; done < status.st_size;)
    if (sendfile(copy, self, &done, (size_t)(status.st_size - done)) <= 0) return -EIO;
  if (fchmod(copy, 0555) < 0 || fcntl(copy, F_ADD_SEALS, ALL_SEALS) < 0) return -errno;
  syscall(SYS_execveat, copy, "", argv, env, AT_EMPTY_PATH);
  return -errno;
}

#ifdef SANITIZE
// The environment is empty, and a process that is not dumpable cannot look for leaks.
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0:abort_on_error=1"; }
#endif

static char *title_start;
static size_t title_size;

void set_title(const char *title) {
  size_t size = strlen(title);
  if (title_size == 0) return;
  memset(title_start, 0, title_size);
  memcpy(title_start, title, size < title_size ? size : title_size - 1);
}

static int named(const char *path, const char *name) {
  const char *slash = strrchr(path, '/');
  return strcmp(slash ? slash + 1 : path, name) == 0;
}

int main(int argc, char **argv, char **env) {
  if (argc > 0 && named(argv[0], "docker-init")) init_main(argc, argv);
  if (argc > 1 && strcmp(argv[1], "--init") == 0) init_main(argc, argv);
  if (argc < 2 || strcmp(argv[1], "launcher") != 0) {
    fprintf(stderr, "gantry-native is started by the gantry daemon\n");
    return 2;
  }
  int error = reexecute(argv, env);
  if (error) {
    fprintf(stderr, "gantry-native: no sealed copy of the program in memory: %s\n", strerror(-error));
    return 1;
  }
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return 1;
  prctl(PR_SET_NAME, "gantry-launcher", 0, 0, 0);
  // Node blocks and ignores some signals; nothing of that is meant for a container.
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
  // Whatever else the daemon was started with would stay open in every shim.
  syscall(SYS_close_range, CONTROL_FD + 1U, ~0U, 0U);
  title_start = argv[0];
  title_size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
  launcher_main(CONTROL_FD);
}
