#include "wire.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define REQUEST_MAGIC 0x31544e47U
#define ABSENT 0xffffffffU

static const uint8_t *take(struct cursor *in, size_t size) {
  if (in->bad || (size_t)(in->end - in->at) < size) {
    in->bad = true;
    return NULL;
  }
  const uint8_t *start = in->at;
  in->at += size;
  return start;
}

uint32_t take_u32(struct cursor *in) {
  uint32_t value = 0;
  const uint8_t *data = take(in, sizeof value);
  if (data) memcpy(&value, data, sizeof value);
  return value;
}

uint64_t take_u64(struct cursor *in) {
  uint64_t value = 0;
  const uint8_t *data = take(in, sizeof value);
  if (data) memcpy(&value, data, sizeof value);
  return value;
}

struct bytes take_bytes(struct cursor *in) {
  uint32_t size = take_u32(in);
  const uint8_t *data = take(in, size);
  return (struct bytes){.data = data, .size = data ? size : 0};
}

const char *take_string(struct cursor *in) {
  uint32_t size = take_u32(in);
  if (size == ABSENT) return NULL;
  const uint8_t *data = take(in, (size_t)size + 1);
  if (!data || data[size] != 0 || memchr(data, 0, size)) {
    in->bad = true;
    return NULL;
  }
  return (const char *)data;
}

struct list take_list(struct cursor *in) {
  struct list list = {.count = take_u32(in)};
  list.data = in->at;
  for (uint32_t i = 0; i < list.count && !in->bad; i++)
    if (!take_string(in)) in->bad = true;
  list.size = in->bad ? 0 : (uint32_t)(in->at - list.data);
  if (in->bad) list.count = 0;
  return list;
}

const char *list_next(struct list *list) {
  if (list->count == 0) return NULL;
  struct cursor in = {.at = list->data, .end = list->data + list->size};
  const char *item = take_string(&in);
  list->count--;
  list->size -= (uint32_t)(in.at - list->data);
  list->data = in.at;
  return item;
}

// The fields of each op in their order: p at and path, s string, n number, b bytes, l list, i ignored errnos.
static const char *const layouts[OP_COUNT] = {
    [OP_OPEN] = "pnnni",           // slot flags mode
    [OP_CLOSE] = "n",              // slot
    [OP_MKDIR_ALL] = "pn",         // mode
    [OP_MKDIR] = "pni",            // mode
    [OP_TOUCH] = "pn",             // mode
    [OP_SYMLINK] = "psi",          // target
    [OP_MKNOD] = "pnnnnni",        // mode major minor uid gid
    [OP_CHOWN] = "pnn",            // uid gid
    [OP_CHMOD] = "pn",             // mode
    [OP_UNLINK] = "pi",
    [OP_RMDIR] = "pi",
    [OP_WRITE_FILE] = "pbni",      // data magic
    [OP_MOUNT] = "pssnsi",         // source type flags data
    [OP_FS_MOUNT] = "nsnll",       // slot type attributes keys values
    [OP_OPEN_TREE] = "pnn",        // slot recursive
    [OP_MOUNT_SETATTR] = "nnnnn",  // slot set clear propagation recursive
    [OP_MOVE_MOUNT] = "pn",        // slot
    [OP_UMOUNT] = "pni",           // flags
    [OP_PIVOT_ROOT] = "n",         // slot
    [OP_UNSHARE] = "n",            // flags
    [OP_SETNS] = "nn",             // slot flags
    [OP_SETSID] = "",
    [OP_CONSOLE] = "pnnn",         // ptmx; rows columns uid
    [OP_HOSTNAME] = "s",
    [OP_DOMAINNAME] = "s",
    [OP_RLIMIT] = "nnnn",          // resource soft hard clamp
    [OP_UMASK] = "n",
    [OP_SESSION_KEYRING] = "s",
    [OP_PERSONALITY] = "n",
    [OP_BOUNDING_SET] = "n",
    [OP_USER] = "nnb",             // uid gid groups
    [OP_CAPABILITIES] = "nnnn",    // effective permitted inheritable ambient
    [OP_NO_NEW_PRIVILEGES] = "",
    [OP_SECCOMP] = "nb",           // flags filter
    [OP_CHDIR] = "s",
    [OP_EXEC] = "nll",             // slot or ~0; argv env
    [OP_BARRIER] = "nn",           // id timeout
    [OP_NETLINK] = "nbnnnni",      // protocol message pidAt fdAt fdSlot reply (~0: absent)
    [OP_HOST_SOCKET] = "nsnsnnnn", // protocol address port relayAddress relayPort inside count bothFamilies
    [OP_DEVICE_PROGRAM] = "pb",    // program
    [OP_CREATE_FILE] = "pbn",      // data mode
    [OP_BE_BORN] = "nn",           // slots 0 to 63, 64 to 127: a bit each
};

int take_step(struct cursor *in, struct step *out) {
  *out = (struct step){.op = take_u32(in), .at = -1};
  if (in->bad || out->op == 0 || out->op >= OP_COUNT) return -EBADMSG;
  unsigned numbers = 0, strings = 0, lists = 0;
  for (const char *field = layouts[out->op]; *field; field++) {
    switch (*field) {
    case 'p':
      out->at = (int)take_u32(in);
      out->path = take_string(in);
      if (!out->path || out->at < -1 || out->at >= SLOT_COUNT) in->bad = true;
      break;
    case 's': out->s[strings++] = take_string(in); break;
    case 'n': out->n[numbers++] = take_u64(in); break;
    case 'b': out->b = take_bytes(in); break;
    case 'l': out->l[lists++] = take_list(in); break;
    default:
      out->ignore.count = take_u32(in);
      out->ignore.data = take(in, (size_t)out->ignore.count * 4);
      if (!out->ignore.data) out->ignore.count = 0;
      break;
    }
    if (in->bad) return -EBADMSG;
  }
  return 0;
}

bool step_ignores(const struct step *step, int error) {
  for (uint32_t i = 0; i < step->ignore.count; i++) {
    uint32_t value;
    memcpy(&value, step->ignore.data + (size_t)i * 4, sizeof value);
    if ((int)value == error) return true;
  }
  return false;
}

static struct section take_section(struct cursor *in) {
  struct section section = {.count = take_u32(in)};
  struct bytes data = take_bytes(in);
  section.steps = (struct cursor){.at = data.data, .end = data.data ? data.data + data.size : NULL};
  return section;
}

int parse_request(const uint8_t *data, size_t size, struct request *out) {
  struct cursor in = {.at = data, .end = data + size};
  *out = (struct request){0};
  if (take_u32(&in) != REQUEST_MAGIC || take_u32(&in) != PROTOCOL_VERSION) return -EBADMSG;
  out->kind = take_u32(&in);
  out->id = take_string(&in);
  out->run_dir = take_string(&in);
  out->clone_flags = take_u64(&in);
  out->cgroup_path = take_string(&in);
  out->timeout_ms = take_u32(&in);
  out->stdio = take_u32(&in);
  out->log_path = take_string(&in);
  out->log_max_size = take_u64(&in);
  out->log_max_files = take_u32(&in);
  out->log_flags = take_u32(&in);
  out->log_buffer = take_u64(&in);
  out->log_attributes = take_string(&in);
  out->root_slot = (int)take_u32(&in);
  out->slot_count = take_u32(&in);
  out->prepare = take_section(&in);
  out->parent = take_section(&in);
  out->child = take_section(&in);
  out->attachment_count = take_u32(&in);
  if (in.bad || !out->id || strlen(out->id) > 128 || out->attachment_count > MAX_ATTACHMENTS ||
      out->slot_count >= INIT_SLOT || out->root_slot < -1 || out->root_slot >= SLOT_COUNT)
    return -EBADMSG;
  for (uint32_t i = 0; i < out->attachment_count; i++) {
    struct attach_request *attachment = &out->attachments[i];
    attachment->flags = take_u32(&in);
    attachment->keys = take_bytes(&in);
    attachment->head = take_bytes(&in);
  }
  return in.bad || in.at != in.end ? -EBADMSG : 0;
}

int map_request(int fd, struct request *out) {
  struct stat status;
  if (fstat(fd, &status) < 0) return -errno;
  if (status.st_size <= 0 || status.st_size > 64 << 20) return -EBADMSG;
  size_t size = (size_t)status.st_size;
  uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (map == MAP_FAILED) return -errno;
  int error = parse_request(map, size, out);
  if (error) {
    munmap(map, size);
    return error;
  }
  out->map = map;
  out->map_size = size;
  return 0;
}

void unmap_request(struct request *request) {
  if (request->map) munmap(request->map, request->map_size);
  request->map = NULL;
}

static void take_descriptors(struct msghdr *message, int fds[MAX_FDS], uint32_t *count) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      if (*count < MAX_FDS) fds[(*count)++] = fd;
      else close(fd);
    }
  }
}

int receive_message(int fd, int flags, struct message *head, uint8_t body[MAX_BODY], int fds[MAX_FDS]) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int) * 253)];
  } control;
  struct iovec part = {head, sizeof *head};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got;
  do got = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return -errno;
  if (got == 0) return 0;
  uint32_t count = 0;
  take_descriptors(&message, fds, &count);
  // A message is sent by one sendmsg, so that the rest of it is here already.
  if (got == sizeof *head && head->size <= MAX_BODY && head->fds == count && !(message.msg_flags & MSG_CTRUNC)) {
    if (head->size == 0) return 1;
    do got = recv(fd, body, head->size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)head->size) return 1;
  }
  for (uint32_t i = 0; i < count; i++) close(fds[i]);
  return -EBADMSG;
}

int send_message(int fd, int flags, uint32_t type, uint32_t request, const void *body, uint32_t size) {
  struct message head = {.type = type, .size = size, .request = request};
  struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)body, size}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
  ssize_t sent;
  do sent = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return -errno;
  return (size_t)sent == sizeof head + size ? 0 : -EPIPE;
}

int send_fd(int socket, const void *body, uint32_t size, int fd) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec part = {(void *)(uintptr_t)body, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &fd, sizeof fd);
  int sent = sys_call(SYS_sendmsg, socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? sent : 0;
}

int send_fds(int socket, uint32_t type, uint32_t request, const int *fds, uint32_t count) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int) * 253)];
  } control;
  struct message head = {.type = type, .request = request, .fds = count};
  struct iovec part = {&head, sizeof head};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * count)};
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
  }
  int sent = sys_call(SYS_sendmsg, socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == sizeof head ? 0 : sent < 0 ? sent : -EPIPE;
}
