// The bytes that TypeScript (runtime/src/plan/encode.ts) writes: requests with their plans, and messages.
#pragma once
#include "sys.h"

#define SLOT_COUNT 128
// Filled by the executor with Gantry's own sealed binary, for --init.
#define INIT_SLOT 127
#define MAX_FDS 250
#define MAX_ATTACHMENTS 64
#define PROTOCOL_VERSION 1

struct cursor {
  const uint8_t *at, *end;
  bool bad;
};

struct bytes {
  const uint8_t *data;
  uint32_t size;
};

// A counted list of strings, each NUL-terminated in place.
struct list {
  const uint8_t *data;
  uint32_t size, count;
};

uint32_t take_u32(struct cursor *in);
uint64_t take_u64(struct cursor *in);
struct bytes take_bytes(struct cursor *in);
// NULL for an absent string.
const char *take_string(struct cursor *in);
struct list take_list(struct cursor *in);
// The next string of a checked list; NULL at its end.
const char *list_next(struct list *list);

enum op {
  OP_OPEN = 1,
  OP_CLOSE,
  OP_MKDIR_ALL,
  OP_MKDIR,
  OP_TOUCH,
  OP_SYMLINK,
  OP_MKNOD,
  OP_CHOWN,
  OP_CHMOD,
  OP_UNLINK,
  OP_RMDIR,
  OP_WRITE_FILE,
  OP_MOUNT,
  OP_FS_MOUNT,
  OP_OPEN_TREE,
  OP_MOUNT_SETATTR,
  OP_MOVE_MOUNT,
  OP_UMOUNT,
  OP_PIVOT_ROOT,
  OP_UNSHARE,
  OP_SETNS,
  OP_SETSID,
  OP_CONSOLE,
  OP_HOSTNAME,
  OP_DOMAINNAME,
  OP_RLIMIT,
  OP_UMASK,
  OP_SESSION_KEYRING,
  OP_PERSONALITY,
  OP_BOUNDING_SET,
  OP_USER,
  OP_CAPABILITIES,
  OP_NO_NEW_PRIVILEGES,
  OP_SECCOMP,
  OP_CHDIR,
  OP_EXEC,
  OP_BARRIER,
  OP_NETLINK,
  OP_HOST_SOCKET,
  OP_DEVICE_PROGRAM,
  OP_CREATE_FILE,
  OP_BE_BORN,
  OP_COUNT,
};

// One decoded step; which fields count depends on the op (the table in wire.c).
struct step {
  enum op op;
  int at;
  const char *path;
  const char *s[3];
  uint64_t n[8];
  struct bytes b;
  struct list l[2];
  struct list ignore;
};

struct section {
  uint32_t count;
  struct cursor steps;
};

// Reads the next step. Returns 0, or -EBADMSG when the bytes are not a step.
int take_step(struct cursor *in, struct step *out);
bool step_ignores(const struct step *step, int error);

enum request_kind { REQUEST_LAUNCH = 1, REQUEST_EXEC, REQUEST_RUN, REQUEST_ATTACH };
enum stdio_flags { STDIO_TTY = 1, STDIO_OPEN_STDIN = 2, STDIO_STDIN_ONCE = 4 };
// In the same word: somebody wants to know when each step began.
#define REQUEST_TRACED 8
enum log_flags { LOG_COMPRESS = 1, LOG_BUFFERED = 2, LOG_RAW = 4 };
enum attach_flags { ATTACH_STDIN = 1, ATTACH_STDOUT = 2, ATTACH_STDERR = 4, ATTACH_MULTIPLEXED = 8 };

struct attach_request {
  uint32_t flags;
  struct bytes keys, head;
};

struct request {
  enum request_kind kind;
  const char *id, *run_dir, *cgroup_path, *log_path, *log_attributes;
  uint64_t clone_flags, log_max_size, log_buffer;
  uint32_t timeout_ms, stdio, log_max_files, log_flags, slot_count, attachment_count;
  int root_slot;
  struct section prepare, parent, child;
  struct attach_request attachments[MAX_ATTACHMENTS];
  // The mapping that all pointers above lead into.
  uint8_t *map;
  size_t map_size;
};

int parse_request(const uint8_t *data, size_t size, struct request *out);
// Maps a memfd privately (steps may patch their own copy) and parses it. unmap_request undoes it.
int map_request(int fd, struct request *out);
void unmap_request(struct request *request);

enum message_type {
  // daemon to launcher
  MESSAGE_LAUNCH = 1,
  MESSAGE_RUN,
  // daemon to shim
  MESSAGE_SIGNAL = 16,
  MESSAGE_RESIZE,
  MESSAGE_ATTACH,
  MESSAGE_EXEC,
  MESSAGE_GETFD,
  MESSAGE_HOLD,
  MESSAGE_RELEASE,
  // answers
  MESSAGE_HELLO = 32,
  MESSAGE_FAILED,
  MESSAGE_REPLY,
  MESSAGE_EXITED,
  MESSAGE_RUN_DONE,
  MESSAGE_DETACHED,
  MESSAGE_LOG_NEWS,
};

struct message {
  uint32_t type, size, request, fds;
};

#define MAX_BODY 1024

// Receives one message and its descriptors (close-on-exec). Returns 1, 0 at the end of the stream, or a negative errno
// (-EAGAIN when `flags` has MSG_DONTWAIT). Descriptors are all closed on failure.
int receive_message(int fd, int flags, struct message *head, uint8_t body[MAX_BODY], int fds[MAX_FDS]);
// Sends one message in one piece; -EAGAIN when the receiver does not read.
int send_message(int fd, int flags, uint32_t type, uint32_t request, const void *body, uint32_t size);
// Sends a message that is descriptors alone.
int send_fds(int socket, uint32_t type, uint32_t request, const int *fds, uint32_t count);
int send_fd(int socket, const void *body, uint32_t size, int fd);
