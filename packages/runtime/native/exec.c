// Another process in the container: started while the event loop runs on, so that nothing here may block.
#include "shim.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

// What a starting exec needs until its attachers exist.
struct starting {
  struct request request;
  int clients[MAX_ATTACHMENTS];
  struct process *process;
  struct starting *next;
};
static struct starting *starting_list;

static void starting_free(struct process *process, bool attach) {
  for (struct starting **at = &starting_list; *at; at = &(*at)->next) {
    struct starting *s = *at;
    if (s->process != process) continue;
    *at = s->next;
    for (uint32_t i = 0; i < s->request.attachment_count; i++) {
      if (attach) attach_client(process, &s->request.attachments[i], s->clients[i]);
      else close(s->clients[i]);
    }
    unmap_request(&s->request);
    free(s);
    return;
  }
}

static void refuse(struct daemon_connection *daemon, uint32_t request_id, const struct failure *failure) {
  if (daemon) send_message(daemon->source.fd, MSG_DONTWAIT, MESSAGE_FAILED, request_id, failure, sizeof *failure);
}

static void exec_failed(struct process *p, const struct failure *failure) {
  process_kill(p);
  starting_free(p, false);
  refuse(p->requester, p->request, failure);
  for (struct process **at = &shim.processes; *at; at = &(*at)->next) {
    if (*at != p) continue;
    *at = p->next;
    break;
  }
  process_discard(p);
}

void exec_timed_out(struct process *p) {
  struct failure failure = {.where = WHERE_CHILD, .index = UINT32_MAX, .error = ETIMEDOUT};
  exec_failed(p, &failure);
}

static void sync_ready(struct source *source, uint32_t events) {
  (void)events;
  struct process *p = CONTAINER_OF(source, struct process, sync);
  struct failure failure;
  int state = process_sync(p, &failure);
  if (state == 0) return;
  if (state < 0) {
    exec_failed(p, &failure);
    return;
  }
  source_close(&p->sync);
  p->starting = false;
  p->deadline_ms = 0;
  uint32_t answer[2] = {0, (uint32_t)p->pid};
  if (p->requester)
    send_message(p->requester->source.fd, MSG_DONTWAIT, MESSAGE_REPLY, p->request, answer, sizeof answer);
  p->requester = NULL;
  starting_free(p, true);
  shim_started(p);
}

void exec_ended(const struct process *p) {
  size_t size = strlen(p->id) + 1;
  struct ended_exec *ended = malloc(sizeof *ended + size);
  if (!ended) return;
  *ended = (struct ended_exec){.next = shim.ended, .code = p->code, .signal = p->signal, .exited_at_ns = p->exited_at_ns};
  memcpy(ended->id, p->id, size);
  shim.ended = ended;
  for (int kept = 1; ended->next; ended = ended->next) {
    if (++kept <= ENDED_EXECS) continue;
    free(ended->next);
    ended->next = NULL;
    break;
  }
}

int exec_start(struct daemon_connection *daemon, uint32_t request_id, int *fds, uint32_t count) {
  struct failure failure = {.where = WHERE_SETUP, .index = UINT32_MAX};
  struct starting *s = calloc(1, sizeof *s);
  struct process *p = NULL;
  struct child_ends ends;
  struct executor executor;
  executor_init(&executor);
  int error = s ? count > 0 ? map_request(fds[0], &s->request) : -EBADMSG : -ENOMEM;
  if (!error && (s->request.kind != REQUEST_EXEC || count != 1 + s->request.slot_count + s->request.attachment_count))
    error = -EBADMSG;
  if (!error && (!shim.init || shim.init->exited)) error = -ESRCH;
  if (!error && shim_find(s->request.id, strlen(s->request.id))) error = -EEXIST;
  if (!error) error = process_new(&s->request, &p, &ends);
  if (!error) {
    for (uint32_t i = 0; i < s->request.slot_count; i++) executor.slots[i] = fds[1 + i];
    failure.where = WHERE_CLONE;
    error = process_clone(p, &ends, &s->request, &executor);
  }
  if (error) {
    failure.error = (uint32_t)-error;
    if (p) process_discard(p);
    if (s) unmap_request(&s->request);
    free(s);
    refuse(daemon, request_id, &failure);
    for (uint32_t i = 0; i < count; i++) close(fds[i]);
    return error;
  }
  uint32_t first_client = 1 + s->request.slot_count;
  for (uint32_t i = 0; i < first_client; i++) close(fds[i]);
  for (uint32_t i = 0; i < s->request.attachment_count; i++) s->clients[i] = fds[first_client + i];
  s->process = p;
  s->next = starting_list;
  starting_list = s;
  p->requester = daemon;
  p->request = request_id;
  p->deadline_ms = monotonic_ms() + s->request.timeout_ms;
  p->next = shim.processes;
  shim.processes = p;
  p->sync.ready = sync_ready;
  source_watch(&p->sync, EPOLLIN);
  return 0;
}
