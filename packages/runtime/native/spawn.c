// A process of the container, from clone to exec.
#include "shim.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void ends_close(struct child_ends *ends) {
  close_fd(&ends->in);
  close_fd(&ends->out);
  close_fd(&ends->err);
  close_fd(&ends->sync);
}

static int make_pipe(int *read_end, int *write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  *read_end = ends[0];
  *write_end = ends[1];
  return 0;
}

int process_new(const struct request *request, struct process **out, struct child_ends *ends) {
  *ends = (struct child_ends){-1, -1, -1, -1};
  struct process *p = calloc(1, sizeof *p);
  if (!p) return -ENOMEM;
  source_init(&p->pidfd, -1, NULL);
  source_init(&p->sync, -1, NULL);
  source_init(&p->output.source, -1, NULL);
  source_init(&p->errors.source, -1, NULL);
  source_init(&p->input.source, -1, NULL);
  strcpy(p->id, request->id);
  p->tty = request->stdio & STDIO_TTY;
  p->open_stdin = request->stdio & STDIO_OPEN_STDIN;
  p->stdin_once = request->stdio & STDIO_STDIN_ONCE;
  p->starting = true;
  int error = 0, pair[2];
  if (!p->tty) {
    error = make_pipe(&p->output.source.fd, &ends->out);
    if (!error) error = make_pipe(&p->errors.source.fd, &ends->err);
    if (!error && request->stdio & STDIO_OPEN_STDIN) {
      error = make_pipe(&ends->in, &p->input.source.fd);
      if (!error) fcntl(p->input.source.fd, F_SETFL, O_NONBLOCK | O_WRONLY);
    }
  }
  if (!error && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) error = -errno;
  if (error) {
    ends_close(ends);
    process_discard(p);
    return error;
  }
  p->sync.fd = pair[0];
  ends->sync = pair[1];
  *out = p;
  return 0;
}

// The child is gone from this memory: it has become its program, or has ended.
static void stack_free(struct process *p) {
  if (!p->stack) return;
  munmap(p->stack, p->stack_size);
  p->stack = NULL;
  // Where fs.suid_dumpable says so, a child that changed its user has made the memory that it shared readable.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void process_discard(struct process *p) {
  stack_free(p);
  source_close(&p->pidfd);
  source_close(&p->sync);
  source_close(&p->output.source);
  source_close(&p->errors.source);
  stdin_close(p);
  object_free(&p->object);
}

static void child_fail(int sync, uint32_t where, uint32_t index, int error, uint32_t detail)
    __attribute__((noreturn));
static void child_fail(int sync, uint32_t where, uint32_t index, int error, uint32_t detail) {
  struct sync_message message = {
      .type = SYNC_FAILED, .failure = {.where = where, .index = index, .error = (uint32_t)-error, .detail = detail}};
  // write, which no seccomp filter refuses
  sys_exit(sys_call(SYS_write, sync, &message, sizeof message) < 0 ? 125 : 126);
}

// What a child is given; it lives until the child is gone from this memory.
struct birth {
  int shim_sync;
  struct child_ends ends;
  const struct request *request;
  struct executor executor;
};

static void child_main(struct birth *birth) __attribute__((noreturn, used));
static void child_main(struct birth *birth) {
  const struct child_ends *ends = &birth->ends;
  const struct request *request = birth->request;
  struct executor *e = &birth->executor;
  int sync = ends->sync;
  uint32_t index = 0;
  char byte;
  int error = sys_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  sys_call(SYS_close, birth->shim_sync);
  // The shim may have died before the lines above.
  if (sys_call(SYS_recvfrom, sync, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) sys_exit(125);
  const int streams[3] = {ends->in, ends->out, ends->err};
  for (int fd = 0; fd < 3 && error >= 0; fd++)
    error = sys_call(SYS_dup3, streams[fd] >= 0 ? streams[fd] : shim.null, fd, 0);
  if (error < 0) child_fail(sync, WHERE_SETUP, 0, error, 0);
  sys_call(SYS_umask, 0);
  e->sync = sync;
  e->null_stdin = ends->in < 0;
  e->hold = NULL;
  if (request->kind == REQUEST_EXEC) {
    error = run_section(e, &request->prepare, &index);
    if (error) child_fail(sync, WHERE_PREPARE, index, error, e->detail);
    int all = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID;
    if (shim.clone_flags & CLONE_NEWUSER) all |= CLONE_NEWUSER;
    netlink_forget(e);
    error = sys_call(SYS_setns, shim.init->pidfd.fd, all);
    if (error) child_fail(sync, WHERE_SETUP, 0, error, 0);
    static const uint64_t none[2];
    error = be_born_inside(e, none);
    if (error) child_fail(sync, WHERE_CLONE, 0, error, 0);
  }
  error = run_section(e, &request->child, &index);
  child_fail(sync, WHERE_CHILD, index, error ? error : -ENOEXEC, e->detail);
}

#ifdef SANITIZE
// The sanitizers keep books about each stack of a process, and know nothing of this one.
#define CHILD_SHARES 0
#else
#define CHILD_SHARES CLONE_VM
#endif

// Clones a child that runs child_main(birth) on the stack of `args`, or, without one, on a copy of this one.
static int clone_child(struct sys_clone_args *args, struct birth *birth) {
  if (!args->stack) {
    int pid = sys_call(SYS_clone3, args, sizeof *args);
    if (pid == 0) child_main(birth);
    return pid;
  }
  long pid;
#if defined(__x86_64__)
  __asm__ volatile("syscall\n\t"
                   "test %%rax, %%rax\n\t"
                   "jnz 1f\n\t"
                   "xor %%ebp, %%ebp\n\t"
                   "mov %[birth], %%rdi\n\t"
                   "call child_main\n\t"
                   "1:"
                   : "=a"(pid)
                   : "0"(SYS_clone3), "D"(args), "S"(sizeof *args), [birth] "r"(birth)
                   : "rcx", "r11", "memory");
#else
  register long x8 __asm__("x8") = SYS_clone3;
  register long x0 __asm__("x0") = (long)args;
  register long x1 __asm__("x1") = sizeof *args;
  __asm__ volatile("svc #0\n\t"
                   "cbnz x0, 1f\n\t"
                   "mov x29, xzr\n\t"
                   "mov x0, %[birth]\n\t"
                   "bl child_main\n\t"
                   "1:"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), [birth] "r"(birth)
                   : "x30", "memory");
  pid = x0;
#endif
  return (int)pid;
}

// Memory for a child until it becomes its program: `birth` at the lower end, its stack above. Pages that nobody touches cost nothing.
static struct birth *stack_new(struct process *p, const struct request *request) {
  p->stack_size = (CHILD_STACK_SIZE + 2 * request->map_size + 0xffff) & ~(size_t)0xffff;
  void *memory = mmap(NULL, p->stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  p->stack = memory == MAP_FAILED ? NULL : memory;
  return memory == MAP_FAILED ? NULL : memory;
}

int process_clone(struct process *p, struct child_ends *ends, const struct request *request, const struct executor *e) {
  CLOSED_AT_EXIT int cgroup = -1;
  int pidfd = -1;
  struct birth *birth = stack_new(p, request);
  if (!birth) {
    ends_close(ends);
    return -ENOMEM;
  }
  *birth = (struct birth){.shim_sync = p->sync.fd, .ends = *ends, .request = request, .executor = *e};
  struct sys_clone_args args = {
      .flags = GANTRY_CLONE_PIDFD | CHILD_SHARES, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
  if (CHILD_SHARES) {
    args.stack = (uint64_t)(uintptr_t)(birth + 1);
    args.stack_size = p->stack_size - sizeof *birth;
  }
  if (request->kind == REQUEST_LAUNCH) args.flags |= request->clone_flags;
  if (request->cgroup_path) {
    cgroup = open(request->cgroup_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (cgroup < 0) {
      ends_close(ends);
      return -errno;
    }
    args.flags |= GANTRY_CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)cgroup;
  }
  int pid = clone_child(&args, birth);
  ends_close(ends);
  if (pid < 0) return pid;
  p->pid = pid;
  p->pidfd.fd = pidfd;
  return 0;
}

static int take_console(struct process *p, int console) {
  if (!p->tty || console < 0) {
    if (console >= 0) close(console);
    return -EPROTO;
  }
  p->output.source.fd = console;
  if (!p->open_stdin) return 0;
  int in = fcntl(console, F_DUPFD_CLOEXEC, 3);
  if (in < 0) return -errno;
  fcntl(in, F_SETFL, O_NONBLOCK | O_RDWR);
  p->input.source.fd = in;
  return 0;
}

// The process that joined the namespaces for another has ended.
static int take_born(struct process *p, int pidfd, pid_t pid) {
  if (pidfd < 0) return -EPROTO;
  process_kill(p);
  close(p->pidfd.fd);
  p->pidfd.fd = pidfd;
  p->pid = pid;
  stack_free(p);
  return send(p->sync.fd, &p->pid, sizeof p->pid, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int process_sync(struct process *p, struct failure *failure) {
  struct sync_message message = {0};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = {&message, sizeof message};
  struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t size;
  do size = recvmsg(p->sync.fd, &head, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return 0;
  *failure = (struct failure){.where = WHERE_CHILD, .index = UINT32_MAX, .error = EPROTO};
  if (size < 0 && errno != ECONNRESET) return -1;
  if (size <= 0) {
    // The socket closed at exec, or because the child died before.
    failure->error = ECHILD;
    if (!p->executing) return -1;
    stack_free(p);
    return 1;
  }
  int fd = -1;
  struct cmsghdr *c = CMSG_FIRSTHDR(&head);
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
  switch (message.type) {
  case SYNC_BORN: return take_born(p, fd, (pid_t)message.value) < 0 ? -1 : 0;
  case SYNC_CONSOLE: return take_console(p, fd) < 0 ? -1 : 0;
  case SYNC_EXECUTING: p->executing = true; return 0;
  case SYNC_BARRIER: return send(p->sync.fd, &message.value, sizeof message.value, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
  case SYNC_FAILED: *failure = message.failure; return -1;
  default: return -1;
  }
}

void process_kill(struct process *p) {
  if (p->pidfd.fd < 0) return;
  syscall(SYS_pidfd_send_signal, p->pidfd.fd, SIGKILL, NULL, 0);
  siginfo_t info;
  while (waitid((idtype_t)WAIT_PIDFD, (id_t)p->pidfd.fd, &info, WEXITED) < 0 && errno == EINTR) {}
}

bool process_reap(struct process *p) {
  siginfo_t info = {0};
  int error = sys_result(waitid((idtype_t)WAIT_PIDFD, (id_t)p->pidfd.fd, &info, WEXITED | WNOHANG));
  if (error != -ECHILD && (error || info.si_pid == 0)) return false;
  p->exited = true;
  p->exited_at_ns = realtime_ns();
  p->signal = info.si_code == CLD_EXITED ? 0 : (uint32_t)info.si_status;
  p->code = info.si_code == CLD_EXITED ? (uint32_t)info.si_status : 128 + p->signal;
  return true;
}
