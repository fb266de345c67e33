#include "launcher.h"
#include "shim.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MAX_RUNS 256
// An answer that the stream takes in one piece, 32 KiB and a page: two pieces of one helper's may have another's between them. A
// longer answer goes into the plan's memfd.
#define INLINE_ANSWER 32000
#define MAX_ANSWER (8 << 20)

// Helpers that wait for the next plan; more end when they have nothing to do.
#define IDLE_HELPERS 2
// So long after the last request the next shim is forked in advance: when nobody waits for the processor.
#define SPARE_DELAY_MS 5

static int control_fd, children_fd;

// A process for host plans, one plan after the other: whatever it waits for, nobody else does.
struct helper {
  pid_t pid;
  // Plans go out by this, a byte comes back when the helper is idle again.
  int socket;
  bool busy;
  uint32_t request;
};
static struct helper helpers[MAX_RUNS];
static uint32_t running;

// The next shim, forked before it is needed: a container starts by a message to it.
static struct {
  pid_t pid;
  int socket;
} spare = {.socket = -1};

static void answer_run(uint32_t request, const struct failure *failure, const uint8_t *data, size_t size) {
  uint8_t body[sizeof *failure + 4 + INLINE_ANSWER];
  uint32_t total = (uint32_t)size;
  memcpy(body, failure, sizeof *failure);
  memcpy(body + sizeof *failure, &total, sizeof total);
  size_t inlined = size <= INLINE_ANSWER ? size : 0;
  if (inlined) memcpy(body + sizeof *failure + 4, data, inlined);
  send_message(control_fd, 0, MESSAGE_RUN_DONE, request, body, (uint32_t)(sizeof *failure + 4 + inlined));
}

struct answer {
  uint8_t *data;
  size_t size, capacity;
};

static int keep_answer(void *context, uint32_t index, const uint8_t *data, size_t size) {
  struct answer *answer = context;
  if (answer->size + size + 8 > MAX_ANSWER) return -EMSGSIZE;
  if (answer->size + size + 8 > answer->capacity) {
    size_t capacity = (answer->size + size + 8) * 2;
    uint8_t *grown = realloc(answer->data, capacity);
    if (!grown) return -ENOMEM;
    answer->data = grown;
    answer->capacity = capacity;
  }
  uint32_t head[2] = {index, (uint32_t)size};
  memcpy(answer->data + answer->size, head, sizeof head);
  memcpy(answer->data + answer->size + sizeof head, data, size);
  answer->size += sizeof head + size;
  return 0;
}

// What a plan leaves of the helper that ran it: some steps change the process itself, and a network can be left again.
enum trace { TRACE_NONE, TRACE_NETWORK, TRACE_LASTING };
static enum trace trace_of(const struct section *section) {
  struct cursor in = section->steps;
  enum trace trace = TRACE_NONE;
  for (uint32_t i = 0; i < section->count; i++) {
    struct step step;
    if (take_step(&in, &step)) return TRACE_LASTING;
    switch (step.op) {
    case OP_OPEN:
    case OP_CLOSE:
    case OP_MKDIR_ALL:
    case OP_MKDIR:
    case OP_TOUCH:
    case OP_SYMLINK:
    case OP_MKNOD:
    case OP_CHOWN:
    case OP_CHMOD:
    case OP_UNLINK:
    case OP_RMDIR:
    case OP_CREATE_FILE:
    case OP_MOUNT:
    case OP_FS_MOUNT:
    case OP_OPEN_TREE:
    case OP_MOUNT_SETATTR:
    case OP_MOVE_MOUNT:
    case OP_UMOUNT:
    case OP_NETLINK: break;
    case OP_WRITE_FILE:
      // Elsewhere a file may mean who writes it, as /proc/self/oom_score_adj.
      if (!step.path || strncmp(step.path, "/proc/sys/", 10) != 0) return TRACE_LASTING;
      break;
    case OP_SETNS:
      if (step.n[1] != CLONE_NEWNET) return TRACE_LASTING;
      trace = TRACE_NETWORK;
      break;
    default: return TRACE_LASTING;
    }
  }
  return trace;
}

// The network namespace of the host, for a helper that was in a container's.
static int home = -1;

// Runs one host plan and answers the daemon. Returns whether this process may run another.
static bool run_plan(uint32_t request_id, int *fds, uint32_t count) {
  static struct answer answer;
  struct failure failure = {.where = WHERE_PREPARE, .index = UINT32_MAX};
  struct request request = {0};
  struct executor executor;
  enum trace trace = TRACE_LASTING;
  answer.size = 0;
  executor_init(&executor);
  int error = count > 0 ? map_request(fds[0], &request) : -EBADMSG;
  if (!error && (request.kind != REQUEST_RUN || count != 1 + request.slot_count)) error = -EBADMSG;
  if (!error) {
    executor.answer = keep_answer;
    executor.context = &answer;
    for (uint32_t i = 0; i < request.slot_count; i++) executor.slots[i] = take_fd(&fds[1 + i]);
    trace = trace_of(&request.prepare);
    error = run_section(&executor, &request.prepare, &failure.index);
  }
  failure.error = (uint32_t)-error;
  if (answer.size > INLINE_ANSWER && pwrite(fds[0], answer.data, answer.size, 0) != (ssize_t)answer.size) {
    failure.error = EIO;
    answer.size = 0;
  }
  answer_run(request_id, &failure, answer.data, answer.size);
  if (trace == TRACE_LASTING) return false;
  // After the answer: to close a netlink socket or the last reference to a mount may take the kernel a while.
  executor_close(&executor);
  if (trace == TRACE_NETWORK && (home < 0 || setns(home, CLONE_NEWNET) < 0)) return false;
  unmap_request(&request);
  for (uint32_t i = 0; i < count; i++) close_fd(&fds[i]);
  if (answer.capacity > INLINE_ANSWER) {
    free(answer.data);
    answer = (struct answer){0};
  }
  return true;
}

static void helper_main(int socket, uint32_t request_id, int *fds, uint32_t count) __attribute__((noreturn));
static void helper_main(int socket, uint32_t request_id, int *fds, uint32_t count) {
  struct message head;
  uint8_t body[MAX_BODY];
  prctl(PR_SET_NAME, "gantry-helper", 0, 0, 0);
  home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  while (run_plan(request_id, fds, count)) {
    if (send(socket, "", 1, MSG_NOSIGNAL) != 1 || receive_message(socket, 0, &head, body, fds) <= 0) break;
    request_id = head.request;
    count = head.fds;
  }
  _exit(0);
}

static void helper_end(struct helper *helper) {
  if (helper->busy) running--;
  close_fd(&helper->socket);
  *helper = (struct helper){.socket = -1};
}

// A child that the daemon hears of by itself: only one that died silently needs a word.
static void reap(void) {
  struct signalfd_siginfo info;
  while (read(children_fd, &info, sizeof info) > 0) {}
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == spare.pid) {
      spare.pid = 0;
      close_fd(&spare.socket);
    }
    for (uint32_t i = 0; i < MAX_RUNS; i++) {
      struct helper *helper = &helpers[i];
      if (helper->pid != pid) continue;
      bool silent = helper->busy && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
      struct failure failure = {.where = WHERE_CLONE, .index = UINT32_MAX, .error = ECHILD};
      if (silent) answer_run(helper->request, &failure, NULL, 0);
      helper_end(helper);
    }
  }
}

static void become_child(void) {
  close(children_fd);
  for (uint32_t i = 0; i < MAX_RUNS; i++) close_fd(&helpers[i].socket);
  close_fd(&spare.socket);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void refuse_launch(int connection, int error) {
  struct failure failure = {.where = WHERE_CLONE, .index = UINT32_MAX, .error = (uint32_t)-error};
  send_message(connection, MSG_DONTWAIT, MESSAGE_FAILED, 0, &failure, sizeof failure);
}

static void spare_main(int socket) __attribute__((noreturn));
static void spare_main(int socket) {
  struct message head;
  uint8_t body[MAX_BODY];
  int fds[MAX_FDS];
  prctl(PR_SET_NAME, "gantry-spare", 0, 0, 0);
  set_title("gantry-spare");
  if (receive_message(socket, 0, &head, body, fds) <= 0) _exit(0);
  close(socket);
  shim_main(fds[0], fds + 1, head.fds - 1);
}

static void spare_fork(void) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return;
  pid_t pid = fork();
  if (pid == 0) {
    become_child();
    close(control_fd);
    close(pair[0]);
    spare_main(pair[1]);
  }
  close(pair[1]);
  if (pid < 0) close(pair[0]);
  else {
    spare.pid = pid;
    spare.socket = pair[0];
  }
}

static void launch(int *fds, uint32_t count) {
  if (count < 2) return;
  if (spare.socket >= 0) {
    int error = send_fds(spare.socket, MESSAGE_LAUNCH, 0, fds, count);
    spare.pid = 0;
    close_fd(&spare.socket);
    if (!error) return;
  }
  pid_t pid = fork();
  if (pid == 0) {
    become_child();
    close(control_fd);
    shim_main(fds[0], fds + 1, count - 1);
  }
  if (pid < 0) refuse_launch(fds[0], -errno);
}

static void run(uint32_t request, int *fds, uint32_t count) {
  struct helper *free_place = NULL;
  for (uint32_t i = 0; i < MAX_RUNS; i++) {
    struct helper *helper = &helpers[i];
    if (!helper->pid && !free_place) free_place = helper;
    if (!helper->pid || helper->busy || send_fds(helper->socket, MESSAGE_RUN, request, fds, count)) continue;
    helper->busy = true;
    helper->request = request;
    running++;
    return;
  }
  int pair[2] = {-1, -1};
  pid_t pid = free_place && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 ? fork() : -1;
  if (pid == 0) {
    become_child();
    close(pair[0]);
    helper_main(pair[1], request, fds, count);
  }
  close_fd(&pair[1]);
  if (pid < 0) {
    struct failure failure = {.where = WHERE_CLONE, .index = UINT32_MAX, .error = EAGAIN};
    close_fd(&pair[0]);
    answer_run(request, &failure, NULL, 0);
    return;
  }
  *free_place = (struct helper){.pid = pid, .socket = pair[0], .busy = true, .request = request};
  running++;
}

static void helper_idle(struct helper *helper) {
  char byte;
  uint32_t idle = 0;
  if (recv(helper->socket, &byte, 1, MSG_DONTWAIT) != 1) return;
  helper->busy = false;
  running--;
  for (uint32_t i = 0; i < MAX_RUNS; i++)
    if (helpers[i].pid && !helpers[i].busy) idle++;
  // Without a socket it is given nothing any more, and ends.
  if (idle > IDLE_HELPERS) helper_end(helper);
}

// True when the daemon has ended the stream.
static bool take_request(void) {
  struct message head;
  uint8_t body[MAX_BODY];
  int fds[MAX_FDS];
  int got = receive_message(control_fd, 0, &head, body, fds);
  if (got <= 0) return true;
  if (head.type == MESSAGE_LAUNCH) launch(fds, head.fds);
  else if (head.type == MESSAGE_RUN) run(head.request, fds, head.fds);
  for (uint32_t i = 0; i < head.fds; i++) close(fds[i]);
  return false;
}

int launcher_main(int control) {
  control_fd = control;
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_SETMASK, &children, NULL);
  children_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  for (uint32_t i = 0; i < MAX_RUNS; i++) helpers[i].socket = -1;
  bool ended = false;
  while (!ended || running > 0) {
    static struct pollfd wait[2 + MAX_RUNS];
    static struct helper *waited[MAX_RUNS];
    wait[0] = (struct pollfd){.fd = children_fd, .events = POLLIN};
    wait[1] = (struct pollfd){.fd = ended ? -1 : control_fd, .events = POLLIN};
    uint32_t count = 0;
    for (uint32_t i = 0; i < MAX_RUNS && count < running; i++) {
      if (!helpers[i].busy) continue;
      waited[count] = &helpers[i];
      wait[2 + count++] = (struct pollfd){.fd = helpers[i].socket, .events = POLLIN};
    }
    int ready = poll(wait, 2 + count, ended || spare.pid ? -1 : SPARE_DELAY_MS);
    if (ready < 0 && errno != EINTR) _exit(1);
    if (ready == 0) spare_fork();
    if (ready <= 0) continue;
    for (uint32_t i = 0; i < count; i++)
      if (wait[2 + i].revents & POLLIN) helper_idle(waited[i]);
    if (wait[0].revents) reap();
    if (wait[1].revents) ended = take_request();
  }
  _exit(0);
}
