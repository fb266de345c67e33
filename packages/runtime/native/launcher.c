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
// An answer that fits one piece of the stream; a longer one goes into the plan's memfd.
#define INLINE_ANSWER 49152
#define MAX_ANSWER (8 << 20)

static int control_fd, children_fd;
static struct {
  pid_t pid;
  uint32_t request;
} runs[MAX_RUNS];
static uint32_t running;

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

// A host plan, in a process of its own: whatever it waits for, nobody else does.
static void run_main(uint32_t request_id, int *fds, uint32_t count) __attribute__((noreturn));
static void run_main(uint32_t request_id, int *fds, uint32_t count) {
  struct failure failure = {.where = WHERE_PREPARE, .index = UINT32_MAX};
  struct request request;
  struct executor executor;
  struct answer answer = {0};
  prctl(PR_SET_NAME, "gantry-helper", 0, 0, 0);
  int error = count > 0 ? map_request(fds[0], &request) : -EBADMSG;
  if (!error && (request.kind != REQUEST_RUN || count != 1 + request.slot_count)) error = -EBADMSG;
  if (!error) {
    executor_init(&executor);
    executor.answer = keep_answer;
    executor.context = &answer;
    for (uint32_t i = 0; i < request.slot_count; i++) executor.slots[i] = fds[1 + i];
    error = run_section(&executor, &request.prepare, &failure.index);
  }
  failure.error = (uint32_t)-error;
  if (answer.size > INLINE_ANSWER && pwrite(fds[0], answer.data, answer.size, 0) != (ssize_t)answer.size) {
    failure.error = EIO;
    answer.size = 0;
  }
  answer_run(request_id, &failure, answer.data, answer.size);
  _exit(0);
}

// A child that the daemon hears of by itself: only one that died silently needs a word.
static void reap(void) {
  struct signalfd_siginfo info;
  while (read(children_fd, &info, sizeof info) > 0) {}
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    for (uint32_t i = 0; i < MAX_RUNS; i++) {
      if (runs[i].pid != pid) continue;
      runs[i].pid = 0;
      running--;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
      struct failure failure = {.where = WHERE_CLONE, .index = UINT32_MAX, .error = ECHILD};
      answer_run(runs[i].request, &failure, NULL, 0);
    }
  }
}

static void become_child(void) {
  close(children_fd);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void refuse_launch(int connection, int error) {
  struct failure failure = {.where = WHERE_CLONE, .index = UINT32_MAX, .error = (uint32_t)-error};
  send_message(connection, MSG_DONTWAIT, MESSAGE_FAILED, 0, &failure, sizeof failure);
}

static void launch(int *fds, uint32_t count) {
  if (count < 2) return;
  pid_t pid = fork();
  if (pid == 0) {
    become_child();
    close(control_fd);
    shim_main(fds[0], fds + 1, count - 1);
  }
  if (pid < 0) refuse_launch(fds[0], -errno);
}

static void run(uint32_t request, int *fds, uint32_t count) {
  uint32_t slot = 0;
  while (slot < MAX_RUNS && runs[slot].pid) slot++;
  pid_t pid = slot < MAX_RUNS ? fork() : -1;
  if (pid == 0) {
    become_child();
    run_main(request, fds, count);
  }
  if (pid < 0) {
    struct failure failure = {.where = WHERE_CLONE, .index = UINT32_MAX, .error = EAGAIN};
    answer_run(request, &failure, NULL, 0);
    return;
  }
  runs[slot].pid = pid;
  runs[slot].request = request;
  running++;
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
  bool ended = false;
  while (!ended || running > 0) {
    struct pollfd wait[2] = {{.fd = children_fd, .events = POLLIN}, {.fd = ended ? -1 : control_fd, .events = POLLIN}};
    if (poll(wait, 2, -1) < 0 && errno != EINTR) _exit(1);
    if (wait[0].revents) reap();
    if (wait[1].revents) ended = take_request();
  }
  _exit(0);
}
