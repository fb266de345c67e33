// What daemons ask of a shim and are told by it; they come and go.
#include "shim.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void daemon_drop(struct daemon_connection *d) {
  for (struct daemon_connection **at = &shim.daemons; *at; at = &(*at)->next) {
    if (*at != d) continue;
    *at = d->next;
    break;
  }
  for (struct process *p = shim.processes; p; p = p->next)
    if (p->requester == d) p->requester = NULL;
  source_close(&d->source);
  object_free(&d->object);
}

static void tell(struct daemon_connection *d, uint32_t type, uint32_t request, const void *body, uint32_t size) {
  // A daemon that lets hundreds of answers lie is not there any more: it may come again and ask.
  if (send_message(d->source.fd, MSG_DONTWAIT, type, request, body, size) < 0) shutdown(d->source.fd, SHUT_RDWR);
}

static uint32_t put_u32(uint8_t *out, uint32_t at, uint32_t value) {
  memcpy(out + at, &value, sizeof value);
  return at + 4;
}

static uint32_t put_u64(uint8_t *out, uint32_t at, uint64_t value) {
  memcpy(out + at, &value, sizeof value);
  return at + 8;
}

static uint32_t put_id(uint8_t *out, uint32_t at, const char *id) {
  uint32_t size = (uint32_t)strlen(id);
  at = put_u32(out, at, size);
  memcpy(out + at, id, size);
  return at + size;
}

static void hello(struct daemon_connection *d) {
  uint8_t body[64 * 1024];
  uint32_t at = put_u32(body, 0, PROTOCOL_VERSION), running = 0;
  at = put_u32(body, at, (uint32_t)shim.init->pid);
  at = put_u32(body, at, (uint32_t)getpid());
  at = put_u64(body, at, shim.started_at_ns / 1000000);
  uint32_t count_at = at;
  at += 4;
  for (struct process *p = shim.processes; p; p = p->next) {
    if (p == shim.init || p->starting || p->finished || at > sizeof body / 2) continue;
    at = put_u32(body, at, (uint32_t)p->pid);
    at = put_id(body, at, p->id);
    running++;
  }
  put_u32(body, count_at, running);
  // What follows came later: a daemon reads it where it is there, so that shims of all ages can be taken over.
  at = put_u64(body, at, shim.started_at_ns);
  count_at = at;
  at += 4;
  uint32_t ended = 0;
  for (struct ended_exec *e = shim.ended; e; e = e->next) {
    at = put_u32(body, at, e->code);
    at = put_u32(body, at, e->signal);
    at = put_u64(body, at, e->exited_at_ns);
    at = put_id(body, at, e->id);
    ended++;
  }
  put_u32(body, count_at, ended);
  at = put_u64(body, at, log_rotations());
  at = put_u64(body, at, log_lost());
  tell(d, MESSAGE_HELLO, 0, body, at);
}

struct process *shim_find(const char *id, size_t size) {
  if (size == 0) return shim.init;
  for (struct process *p = shim.processes; p; p = p->next)
    if (strlen(p->id) == size && memcmp(p->id, id, size) == 0 && p != shim.init) return p;
  return NULL;
}

static int signal_process(const struct process *p, uint32_t signal) {
  if (p->exited || p->pidfd.fd < 0) return -ESRCH;
  return sys_result(syscall(SYS_pidfd_send_signal, p->pidfd.fd, (int)signal, NULL, 0));
}

static int resize_terminal(const struct process *p, uint32_t rows, uint32_t columns) {
  if (!p->tty || p->output.source.fd < 0) return -ENOTTY;
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  return sys_result(ioctl(p->output.source.fd, TIOCSWINSZ, &size));
}

static int attach_from_daemon(struct process *p, int fds[2]) {
  struct request request;
  int error = map_request(fds[0], &request);
  if (error) return error;
  if (request.kind != REQUEST_ATTACH || request.attachment_count != 1) error = -EBADMSG;
  else if (p->finished) error = -ESRCH;
  else error = attach_client(p, &request.attachments[0], take_fd(&fds[1]));
  unmap_request(&request);
  return error;
}

static int send_held(int socket, uint32_t what) {
  if (what == 0) return shim.root < 0 ? -ENOENT : send_fd(socket, "r", 1, shim.root);
  for (struct held_socket *held = shim.held; held; held = held->next)
    if (held->inside && held->ports->source.fd >= 0 && held->protocol == (int)what - 1)
      return send_fd(socket, "r", 1, held->ports->source.fd);
  return -ENOENT;
}

// More sockets to hold, for a container that runs.
static int hold_from_daemon(int fd) {
  struct request request;
  struct executor executor;
  uint32_t failed;
  if (!shim.init || shim.init->exited) return -ESRCH;
  struct held_socket *before = shim.held;
  int error = map_request(fd, &request);
  if (error) return error;
  executor_init(&executor);
  executor.hold = hold_socket;
  executor.child = shim.init->pid;
  error = request.kind == REQUEST_RUN ? run_section(&executor, &request.prepare, &failed) : -EBADMSG;
  executor_close(&executor);
  unmap_request(&request);
  if (error) release_since(before);
  else relay_start();
  return error;
}

static void handle(struct daemon_connection *d, const struct message *head, const uint8_t *body, int *fds) {
  if (head->type == MESSAGE_EXEC) {
    exec_start(d, head->request, fds, head->fds);
    return;
  }
  struct cursor in = {.at = body, .end = body + head->size};
  uint32_t a = take_u32(&in), b = take_u32(&in);
  struct bytes id = take_bytes(&in);
  struct process *p = in.bad ? NULL : shim_find((const char *)id.data, id.size);
  int error = -EBADMSG;
  if (!in.bad && !p) error = -ESRCH;
  else if (p && head->type == MESSAGE_SIGNAL) error = signal_process(p, a);
  else if (p && head->type == MESSAGE_RESIZE) error = resize_terminal(p, a, b);
  else if (p && head->type == MESSAGE_ATTACH && head->fds == 2) error = attach_from_daemon(p, fds);
  else if (p && head->type == MESSAGE_GETFD && head->fds == 1)
    error = send_held(fds[0], a);
  else if (p && head->type == MESSAGE_HOLD && head->fds == 1) error = hold_from_daemon(fds[0]);
  else if (p && head->type == MESSAGE_RELEASE) error = release_ports((int)(a & 0xff), b, a >> 8);
  for (uint32_t i = 0; i < head->fds; i++) close_fd(&fds[i]);
  uint32_t answer[2] = {error < 0 ? (uint32_t)-error : 0, 0};
  tell(d, MESSAGE_REPLY, head->request, answer, sizeof answer);
}

static void daemon_ready(struct source *source, uint32_t events) {
  (void)events;
  struct daemon_connection *d = CONTAINER_OF(source, struct daemon_connection, source);
  struct message head;
  uint8_t body[MAX_BODY];
  int fds[MAX_FDS];
  int got = receive_message(source->fd, MSG_DONTWAIT, &head, body, fds);
  if (got == -EAGAIN) return;
  if (got <= 0) {
    daemon_drop(d);
    return;
  }
  handle(d, &head, body, fds);
}

void daemon_add(int fd) {
  struct daemon_connection *d = calloc(1, sizeof *d);
  if (!d) {
    close(fd);
    return;
  }
  source_init(&d->source, fd, daemon_ready);
  d->next = shim.daemons;
  shim.daemons = d;
  source_watch(&d->source, EPOLLIN);
  hello(d);
}

void daemon_accept(struct source *source, uint32_t events) {
  (void)events;
  int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) daemon_add(fd);
}

void daemon_announce(const struct process *p) {
  uint8_t body[256];
  uint32_t at = put_u32(body, 0, p->code);
  at = put_u32(body, at, p->signal);
  at = put_u64(body, at, p->exited_at_ns / 1000000);
  at = put_id(body, at, p == shim.init ? "" : p->id);
  at = put_u64(body, at, p->exited_at_ns);
  for (struct daemon_connection *d = shim.daemons; d; d = d->next) tell(d, MESSAGE_EXITED, 0, body, at);
}

void daemon_log_news(void) {
  uint8_t body[16];
  uint32_t at = put_u64(body, put_u64(body, 0, log_rotations()), log_lost());
  for (struct daemon_connection *d = shim.daemons; d; d = d->next) tell(d, MESSAGE_LOG_NEWS, 0, body, at);
}

void shim_detached(struct process *p) {
  uint8_t body[256] = {0};
  uint32_t at = put_id(body, 8, p == shim.init ? "" : p->id);
  for (struct daemon_connection *d = shim.daemons; d; d = d->next) tell(d, MESSAGE_DETACHED, 0, body, at);
}
