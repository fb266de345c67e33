// The shim's own data: one container, its processes, and who talks to it.
#pragma once
#include "log.h"
#include "loop.h"
#include "steps.h"

#define READ_SIZE 65536
// How much an attached client may lag behind, in its socket, before the container's writes wait for it.
#define ATTACH_BOUND (512 * 1024)
// What a child uses of its stack, beside the pointers to its program's arguments.
#define CHILD_STACK_SIZE (256 * 1024)
// How long the output of an ended process is waited for when somebody else still holds its pipes.
#define DRAIN_MS 2000
// The end of a log that lags behind is waited for so long, as dockerd does.
#define LOG_END_MS 10000
// Daemons hear of a log's news at most so often.
#define LOG_NEWS_MS 1000
// Of so many execs it is kept how they ended: about 8 kB.
#define ENDED_EXECS 64

struct process;

struct stream {
  struct source source;
  struct process *process;
  // 1 standard output, 2 standard error
  uint8_t number;
  bool ended, grown;
};

// What waits to be written to the process's standard input.
struct sink {
  struct source source;
  uint8_t *data;
  size_t start, size, capacity;
  bool end_after;
};

struct attacher {
  struct object object;
  struct attacher *next;
  struct source source;
  struct process *process;
  uint32_t flags, key_count, key_at;
  uint8_t keys[32];
  uint8_t *data;
  size_t start, size, capacity;
  bool input_done, ending, gone;
};

struct daemon_connection {
  struct object object;
  struct daemon_connection *next;
  struct source source;
};

struct process {
  struct object object;
  struct process *next;
  char id[129];
  pid_t pid;
  struct source pidfd;
  struct stream output, errors;
  struct sink input;
  struct attacher *attachers;
  bool tty, open_stdin, stdin_once, logged, private_pids;
  bool exited, log_ending, finished;
  uint32_t code, signal;
  uint64_t exited_at_ns, deadline_ms, retry_ms, reap_ms;
  // While it starts.
  struct source sync;
  uint8_t *stack;
  size_t stack_size;
  bool starting, executing;
  uint32_t request;
  struct daemon_connection *requester;
};

struct held_port {
  struct source source;
  struct held_socket *held;
};

// Sockets of neighbouring ports on one address.
struct held_socket {
  struct object object;
  struct held_socket *next;
  // 0 tcp, 1 udp, 2 sctp
  int protocol;
  // In the container's namespace: kept for daemons to take.
  bool inside;
  const char *relay_address;
  uint16_t port, relay_port;
  char relay_text[48];
  uint32_t count;
  struct held_port ports[];
};

// How an exec ended, for a daemon that was not there.
struct ended_exec {
  struct ended_exec *next;
  uint32_t code, signal;
  uint64_t exited_at_ns;
  char id[];
};

struct shim {
  int run_dir, root, null;
  uint64_t clone_flags, started_at_ns, linger_ms;
  struct source listener;
  struct daemon_connection *daemons;
  // The container's first process; `processes` lists it and every exec.
  struct process *init, *processes;
  // The newest first.
  struct ended_exec *ended;
  struct held_socket *held;
  bool trim;
};
extern struct shim shim;

// spawn.c
struct child_ends {
  int in, out, err, sync;
};
int process_new(const struct request *request, struct process **out, struct child_ends *ends);
void process_discard(struct process *process);
int process_clone(struct process *process, struct child_ends *ends, const struct request *request,
                  const struct executor *executor);
// Reads one message of a starting child. 1 started, 0 more to come, negative failed (with the failure).
int process_sync(struct process *process, struct failure *failure);
void process_kill(struct process *process);
bool process_reap(struct process *process);

// trace.c
struct launch_trace {
  // All of them, and where those of each section begin; NULL when nobody asked.
  uint64_t *at, *prepare, *clone, *parent, *parent_end, *child;
  uint32_t count;
};
struct launch_trace trace_begin(const struct request *request);
// Writes them at `offset` of the plan's file.
void trace_end(struct launch_trace *trace, int fd, size_t offset);

// stdio.c
void stdio_start(struct process *process);
void stdio_resume(struct process *process);
// Reads what is left after the process ended. True when nothing more can come.
bool stdio_drain(struct process *process);
void stdio_abandon(struct process *process);
void stdio_retry(struct process *process);
bool stdin_accepts(const struct process *process);
void stdin_write(struct process *process, const uint8_t *data, size_t size);
void stdin_end(struct process *process);
void stdin_close(struct process *process);
// Keeps `size` more bytes in a queue made of anonymous pages; drops the queue's pages when it empties.
int queue_add(uint8_t **data, size_t *start, size_t *size, size_t *capacity, const uint8_t *more, size_t more_size);
void queue_free(uint8_t **data, size_t *start, size_t *size, size_t *capacity);

// attach.c
int attach_client(struct process *process, const struct attach_request *request, int fd);
void attach_output(struct process *process, uint8_t stream, const uint8_t *data, size_t size);
bool attach_blocked(const struct process *process);
void attach_input_ready(struct process *process);
void attach_end_all(struct process *process);
void attach_trim(struct process *process);

// exec.c
int exec_start(struct daemon_connection *daemon, uint32_t request_id, int *fds, uint32_t count);

void exec_timed_out(struct process *process);
// Keeps how it ended, and forgets the oldest of many.
void exec_ended(const struct process *process);

// relay.c
int hold_socket(void *context, int fd, const struct step *step, uint32_t offset);
// Lets go of what was held since `before` was the first.
void release_since(struct held_socket *before);
// Lets go of host sockets on these ports, whatever the address, with the connections they relay. -ENOENT: there were none.
int release_ports(int protocol, uint32_t port, uint32_t count);
void relay_start(void);
void relay_stop(void);
uint64_t relay_deadline(void);
void relay_tick(uint64_t now);

// daemon.c
void daemon_add(int fd);
void daemon_accept(struct source *listener, uint32_t events);
void daemon_announce(const struct process *process);
void daemon_log_news(void);
struct process *shim_find(const char *id, size_t size);
void shim_detached(struct process *process);

// shim.c
void shim_main(int connection, int *fds, uint32_t count) __attribute__((noreturn));
void shim_exited(struct process *process);
void shim_started(struct process *process);
