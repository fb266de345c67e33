// Executes the steps of a plan, in order, until one fails. Allocates nothing, and calls the kernel by sys_call alone (but for
// step_host_socket, which no child runs): a child of the shim shares its memory until it has become its program.
#pragma once
#include "wire.h"

// Why an exec step failed, for the wording of the error.
enum exec_detail { DETAIL_NONE, DETAIL_NOT_IN_PATH, DETAIL_STAT, DETAIL_NOT_EXECUTABLE, DETAIL_RELATIVE };

enum where { WHERE_PREPARE = 1, WHERE_PARENT, WHERE_CHILD, WHERE_CLONE, WHERE_SETUP };

struct failure {
  uint32_t where, index, error, detail;
};

// What a child tells the shim over its sync socket (SOCK_SEQPACKET).
enum sync_type { SYNC_BARRIER = 1, SYNC_BORN, SYNC_CONSOLE, SYNC_EXECUTING, SYNC_FAILED };
struct sync_message {
  uint32_t type, value;
  struct failure failure;
};

#define NETLINK_KEPT 4

struct executor {
  int slots[SLOT_COUNT];
  // Socket to the shim; -1 outside a child.
  int sync;
  // Pid that netlink steps name.
  pid_t child;
  // `unborn`: it has joined a pid namespace that only its child will be in.
  bool null_stdin, umask_set, tty, exec_prepared, unborn;
  uint32_t detail;
  struct {
    int protocol, fd;
  } netlink[NETLINK_KEPT];
  uint32_t sequence;
  // Where run_section writes when each step begins, in nanoseconds of CLOCK_MONOTONIC; NULL when nobody asked.
  uint64_t *began;
  // Takes a bound host socket over, the one of the step's port and `offset`; NULL where nobody could hold one.
  int (*hold)(void *context, int fd, const struct step *step, uint32_t offset);
  // Takes one datagram of a netlink answer.
  int (*answer)(void *context, uint32_t index, const uint8_t *data, size_t size);
  void *context;
};

void executor_init(struct executor *executor);
void executor_close(struct executor *executor);
// Returns 0, or a negative errno with the failing step's index in `failed`.
int run_section(struct executor *executor, const struct section *section, uint32_t *failed);

// One function a step, by topic.
int step_open(struct executor *e, const struct step *s);
int step_close(struct executor *e, const struct step *s);
int step_mkdir_all(struct executor *e, const struct step *s);
int step_mkdir(struct executor *e, const struct step *s);
int step_touch(struct executor *e, const struct step *s);
int step_symlink(struct executor *e, const struct step *s);
int step_mknod(struct executor *e, const struct step *s);
int step_chown(struct executor *e, const struct step *s);
int step_chmod(struct executor *e, const struct step *s);
int step_unlink(struct executor *e, const struct step *s);
int step_write_file(struct executor *e, const struct step *s);
int step_create_file(struct executor *e, const struct step *s);

int step_mount(struct executor *e, const struct step *s);
int step_fs_mount(struct executor *e, const struct step *s);
int step_open_tree(struct executor *e, const struct step *s);
int step_mount_setattr(struct executor *e, const struct step *s);
int step_move_mount(struct executor *e, const struct step *s);
int step_umount(struct executor *e, const struct step *s);
int step_pivot_root(struct executor *e, const struct step *s);

int step_console(struct executor *e, const struct step *s);
int step_rlimit(const struct step *s);
int step_bounding_set(const struct step *s);
int step_user(const struct step *s);
int step_capabilities(const struct step *s);
int step_seccomp(struct executor *e, const struct step *s);
int step_chdir(const struct step *s);
int step_exec(struct executor *e, const struct step *s);
// Signals and descriptors as a new program expects them; before a filter could refuse these calls.
void prepare_exec(void);
// What a shim ignores and its children must not. The launcher starts with every other signal at its default.
static const int shim_ignores[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE,
                                   SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU};
int step_barrier(struct executor *e, const struct step *s);

int step_be_born(struct executor *e, const struct step *s);
// Ends the caller, and returns 0 in a child that is in the pid namespace it has joined, with no descriptor of the executor's but its
// sync socket and the slots whose bits are set in `kept`. A negative errno when there is no child.
int be_born_inside(struct executor *e, const uint64_t kept[2]);

int step_netlink(struct executor *e, const struct step *s, uint32_t index);
void netlink_forget(struct executor *e);
int step_host_socket(struct executor *e, const struct step *s);

int step_device_program(const struct executor *e, const struct step *s);

// The descriptor in a slot, or -EBADF.
int slot_fd(const struct executor *e, uint64_t slot);
// Puts `fd` into a slot; what was there is closed. Closes `fd` when it fails.
int slot_put(struct executor *e, uint64_t slot, int fd);
// Opens what a step names.
int open_named(const struct executor *e, int at, const char *path, int flags, unsigned mode);

// CLOCK_MONOTONIC in nanoseconds.
uint64_t step_clock(void);

#define FD_PATH_SIZE 32
// Writes "/proc/self/fd/N".
void fd_path(char out[FD_PATH_SIZE], int fd);
