// The process 1 of `docker run --init`.
#include "launcher.h"
#include "sys.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const int fatal[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};

static pid_t start(char **argv, const sigset_t *mask) {
  pid_t child = fork();
  if (child != 0) return child;
  setpgid(0, 0);
  // Without this, the write to the terminal that hands it over would stop a background process.
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(0, getpgrp());
  signal(SIGTTOU, SIG_DFL);
  sigprocmask(SIG_SETMASK, mask, NULL);
  execvp(argv[0], argv);
  int error = errno;
  fprintf(stderr, "[FATAL tini (%d)] exec %s failed: %s\n", getpid(), argv[0], strerror(error));
  _exit(error == ENOENT || error == ENOTDIR ? 127 : error == EACCES || error == ENOEXEC ? 126 : 1);
}

int init_main(int argc, char **argv) {
  int first = 1;
  while (first < argc && strcmp(argv[first], "--") != 0 && argv[first][0] == '-') first++;
  if (first < argc && strcmp(argv[first], "--") == 0) first++;
  if (first >= argc) _exit(2);
  sigset_t all, before;
  sigfillset(&all);
  for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) sigdelset(&all, fatal[i]);
  sigprocmask(SIG_SETMASK, &all, &before);
  prctl(PR_SET_NAME, "docker-init", 0, 0, 0);
  pid_t child = start(argv + first, &before);
  if (child < 0) _exit(1);
  for (;;) {
    siginfo_t info;
    int signal = sigwaitinfo(&all, &info);
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      kill(child, signal);
      continue;
    }
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == child) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
}
