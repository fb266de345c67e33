// One container's shim: starts it, keeps its processes, and answers daemons that come and go.
#include "launcher.h"
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <poll.h>

#define LINGER_MS (60 * 60 * 1000)
#define TRIM_MS 500
// How often it is asked for the end of a process that its tracer has not let go of.
#define TRACED_MS 100

struct shim shim = {.run_dir = -1, .root = -1, .null = -1};

// --- the run directory ---

static int listen_in_run_dir(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  // Through the descriptor, since the directory's own path may be longer than a socket address.
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/shim.sock", shim.run_dir);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  mode_t mask = umask(0177);
  int error = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0 ? -errno : 0;
  umask(mask);
  if (error) close(fd);
  return error ? error : fd;
}

// The exit status is there for whoever looks later, before anybody is told.
static void write_exit(const struct process *p) {
  char text[128];
  int size = snprintf(text, sizeof text, "%u %u %llu %llu\n", p->code, p->signal,
                      (unsigned long long)(p->exited_at_ns / 1000000), (unsigned long long)p->exited_at_ns);
  CLOSED_AT_EXIT int fd = openat(shim.run_dir, ".exit.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, text, (size_t)size) != size) return;
  renameat(shim.run_dir, ".exit.new", shim.run_dir, "exit");
}

// --- what daemons hear of the log ---

static struct {
  uint64_t rotations, lost, at_ms;
} told;

static bool log_has_news(void) { return told.rotations != log_rotations() || told.lost != log_lost(); }

static void tell_log_news(void) {
  if (!log_has_news()) return;
  told.rotations = log_rotations();
  told.lost = log_lost();
  told.at_ms = monotonic_ms();
  daemon_log_news();
}

// --- how processes end ---

static void process_finish(struct process *p) {
  p->finished = true;
  p->deadline_ms = p->retry_ms = 0;
  stdin_close(p);
  if (p == shim.init) {
    tell_log_news();
    write_exit(p);
    unlinkat(shim.run_dir, "shim.sock", 0);
    source_close(&shim.listener);
    relay_stop();
    shim.linger_ms = monotonic_ms();
  } else {
    exec_ended(p);
  }
  attach_end_all(p);
  daemon_announce(p);
  // The last reference to the root: its end waits for the upper file system's dirty pages, and nobody else should.
  if (p == shim.init) close_fd(&shim.root);
}

// All output is read; what a slow disk has not taken yet is waited for, with everything else going on.
static void process_drained(struct process *p) {
  if (p == shim.init && !log_end()) {
    p->log_ending = true;
    p->deadline_ms = monotonic_ms() + LOG_END_MS;
    return;
  }
  process_finish(p);
}

void log_written(void) {
  if (shim.init->log_ending && !shim.init->finished) process_finish(shim.init);
}

void shim_exited(struct process *p) {
  if (p->finished || p->log_ending) return;
  if (stdio_drain(p)) process_drained(p);
  else if (!p->deadline_ms) p->deadline_ms = monotonic_ms() + DRAIN_MS;
}

static void pidfd_ready(struct source *source, uint32_t events) {
  (void)events;
  struct process *p = CONTAINER_OF(source, struct process, pidfd);
  if (!process_reap(p)) {
    // It has ended, but a tracer that does not wait for it keeps that from its parent, and the descriptor would be ready all the time.
    source_watch(source, 0);
    p->reap_ms = monotonic_ms() + TRACED_MS;
    return;
  }
  source_close(&p->pidfd);
  p->retry_ms = 0;
  shim_exited(p);
}

void shim_started(struct process *p) {
  p->private_pids = shim.clone_flags & CLONE_NEWPID && p == shim.init;
  stdio_start(p);
  p->pidfd.ready = pidfd_ready;
  source_watch(&p->pidfd, EPOLLIN);
}

// --- the loop ---

static uint64_t next_deadline(void) {
  uint64_t next = relay_deadline();
  if (log_has_news() && told.at_ms + LOG_NEWS_MS < next) next = told.at_ms + LOG_NEWS_MS;
  for (struct process *p = shim.processes; p; p = p->next) {
    if (p->deadline_ms && p->deadline_ms < next) next = p->deadline_ms;
    if (p->retry_ms && p->retry_ms < next) next = p->retry_ms;
    if (p->reap_ms && p->reap_ms < next) next = p->reap_ms;
  }
  if (shim.linger_ms && shim.linger_ms + LINGER_MS < next) next = shim.linger_ms + LINGER_MS;
  return next;
}

static void tick(uint64_t now) {
  for (struct process **at = &shim.processes; *at;) {
    struct process *p = *at;
    if (p->retry_ms && now >= p->retry_ms) stdio_retry(p);
    if (p->reap_ms && now >= p->reap_ms) {
      p->reap_ms = 0;
      source_watch(&p->pidfd, EPOLLIN);
    }
    if (p->deadline_ms && now >= p->deadline_ms) {
      if (p->starting) {
        exec_timed_out(p);
        at = &shim.processes;
        continue;
      }
      if (p->log_ending) {
        process_finish(p);
      } else {
        stdio_abandon(p);
        process_drained(p);
      }
    }
    if (p != shim.init && p->finished && !p->attachers && p->output.source.fd < 0 && p->errors.source.fd < 0) {
      *at = p->next;
      process_discard(p);
      continue;
    }
    at = &p->next;
  }
  if (now >= told.at_ms + LOG_NEWS_MS) tell_log_news();
  relay_tick(now);
}

static bool finished(uint64_t now) {
  if (!shim.init->finished) return false;
  bool idle = !shim.init->attachers;
  for (struct process *p = shim.processes; p; p = p->next) {
    if (!p->starting && !p->finished && now < shim.linger_ms + DRAIN_MS) idle = false;
    if (p->attachers) idle = false;
  }
  return idle || now >= shim.linger_ms + LINGER_MS;
}

static void serve(void) __attribute__((noreturn));
static void serve(void) {
  for (;;) {
    uint64_t now = monotonic_ms(), next = next_deadline();
    if (shim.init->finished && next > now + TRIM_MS) next = now + TRIM_MS;
    int timeout = next == UINT64_MAX ? -1 : next <= now ? 0 : next - now > 1 << 30 ? 1 << 30 : (int)(next - now);
    if (shim.trim && (timeout < 0 || timeout > TRIM_MS)) timeout = TRIM_MS;
    uint64_t before = now;
    loop_round(timeout);
    now = monotonic_ms();
    tick(now);
    if (finished(now)) _exit(0);
    if (shim.trim && now - before >= TRIM_MS) {
      log_trim();
      for (struct process *p = shim.processes; p; p = p->next) attach_trim(p);
      shim.trim = false;
    }
  }
}

// --- the launch ---

static void fail(int connection, struct failure failure) __attribute__((noreturn));
static void fail(int connection, struct failure failure) {
  if (shim.run_dir >= 0) unlinkat(shim.run_dir, "shim.sock", 0);
  send_message(connection, MSG_DONTWAIT, MESSAGE_FAILED, 0, &failure, sizeof failure);
  _exit(1);
}

static int set_up(const struct request *request) {
  shim.null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (shim.null < 0) return -errno;
  for (int fd = 0; fd < 3; fd++)
    if (dup2(shim.null, fd) < 0) return -errno;
  if (mkdir(request->run_dir, 0700) < 0 && errno != EEXIST) return -errno;
  shim.run_dir = open(request->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (shim.run_dir < 0) return -errno;
  unlinkat(shim.run_dir, "exit", 0);
  unlinkat(shim.run_dir, "shim.sock", 0);
  int error = loop_init();
  if (error) return error;
  int listener = listen_in_run_dir();
  if (listener < 0) return listener;
  source_init(&shim.listener, listener, daemon_accept);
  if (!request->log_path) return 0;
  const struct log_options log = {.path = request->log_path,
                                  .max_size = request->log_max_size,
                                  .max_files = request->log_max_files,
                                  .compress = request->log_flags & LOG_COMPRESS,
                                  .buffered = request->log_flags & LOG_BUFFERED,
                                  .raw = request->log_flags & LOG_RAW,
                                  .buffer = request->log_buffer,
                                  .attributes = request->log_attributes};
  return log_open(&log, request->id);
}

// Waits until the child has become its program.
static int await_start(struct process *p, uint32_t timeout_ms, struct failure *failure) {
  uint64_t end = monotonic_ms() + timeout_ms;
  for (;;) {
    int state = process_sync(p, failure);
    if (state) return state;
    uint64_t now = monotonic_ms();
    struct pollfd wait = {.fd = p->sync.fd, .events = POLLIN};
    int ready = now < end ? poll(&wait, 1, (int)(end - now)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready > 0) continue;
    *failure = (struct failure){.where = WHERE_CHILD, .index = UINT32_MAX, .error = ETIMEDOUT};
    return -1;
  }
}

void shim_main(int connection, int *fds, uint32_t count) {
  static struct request request;
  static struct executor executor;
  struct failure failure = {.where = WHERE_SETUP, .index = UINT32_MAX};
  setsid();
  prctl(PR_SET_NAME, "gantry-shim", 0, 0, 0);
  for (size_t i = 0; i < sizeof shim_ignores / sizeof *shim_ignores; i++) signal(shim_ignores[i], SIG_IGN);
  if (chdir("/") < 0) failure.error = (uint32_t)errno;
  int error = count > 0 ? map_request(fds[0], &request) : -EBADMSG;
  if (!error && (request.kind != REQUEST_LAUNCH || !request.run_dir ||
                 count != 1 + request.slot_count + request.attachment_count))
    error = -EBADMSG;
  if (!error) error = set_up(&request);
  struct child_ends ends;
  struct process *init = NULL;
  char title[32];
  snprintf(title, sizeof title, "gantry-shim %.12s", error ? "" : request.id);
  set_title(title);
  if (!error) error = process_new(&request, &init, &ends);
  if (error) {
    failure.error = (uint32_t)-error;
    fail(connection, failure);
  }
  struct launch_trace trace = trace_begin(&request);
  if (!trace.at) close_fd(&fds[0]);
  shim.clone_flags = request.clone_flags;
  executor_init(&executor);
  executor.hold = hold_socket;
  executor.slots[INIT_SLOT] = open("/proc/self/exe", O_PATH | O_CLOEXEC);
  for (uint32_t i = 0; i < request.slot_count; i++) executor.slots[i] = fds[1 + i];
  failure.where = WHERE_PREPARE;
  executor.began = trace.prepare;
  error = run_section(&executor, &request.prepare, &failure.index);
  if (!error) {
    failure = (struct failure){.where = WHERE_CLONE, .index = UINT32_MAX};
    if (trace.clone) *trace.clone = step_clock();
    // The child writes its own: it shares this memory until it has become its program.
    executor.began = trace.child;
    error = process_clone(init, &ends, &request, &executor);
  }
  if (!error) {
    failure.where = WHERE_PARENT;
    executor.child = init->pid;
    executor.began = trace.parent;
    error = run_section(&executor, &request.parent, &failure.index);
    if (trace.parent_end) *trace.parent_end = step_clock();
  }
  if (error) failure.error = (uint32_t)-error;
  else if (await_start(init, request.timeout_ms, &failure) < 0) error = -1;
  if (error) {
    process_kill(init);
    fail(connection, failure);
  }
  shim.started_at_ns = realtime_ns();
  executor.began = NULL;
  trace_end(&trace, fds[0], request.map_size);
  close_fd(&fds[0]);
  if (request.root_slot >= 0 && executor.slots[request.root_slot] >= 0)
    shim.root = take_fd(&executor.slots[request.root_slot]);
  source_close(&init->sync);
  init->starting = false;
  init->logged = log_active();
  shim.init = shim.processes = init;
  const int *clients = fds + 1 + request.slot_count;
  for (uint32_t i = 0; i < request.attachment_count; i++) attach_client(init, &request.attachments[i], clients[i]);
  unmap_request(&request);
  source_watch(&shim.listener, EPOLLIN);
  daemon_add(connection);
  shim_started(init);
  relay_start();
  // The daemon has heard by now: to close a socket of netfilter may take the kernel as long as the whole start.
  executor_close(&executor);
  serve();
}
