#include "steps.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

void executor_init(struct executor *e) {
  *e = (struct executor){.sync = -1};
  for (int i = 0; i < SLOT_COUNT; i++) e->slots[i] = -1;
  for (int i = 0; i < NETLINK_KEPT; i++) e->netlink[i].fd = -1;
}

void executor_close(struct executor *e) {
  netlink_forget(e);
  for (int i = 0; i < SLOT_COUNT; i++) close_fd(&e->slots[i]);
}

int slot_fd(const struct executor *e, uint64_t slot) {
  if (slot >= SLOT_COUNT || e->slots[slot] < 0) return -EBADF;
  return e->slots[slot];
}

int slot_put(struct executor *e, uint64_t slot, int fd) {
  if (slot >= SLOT_COUNT) {
    close(fd);
    return -EINVAL;
  }
  close_fd(&e->slots[slot]);
  e->slots[slot] = fd;
  return 0;
}

static int keyring(const char *name) {
#ifdef SYS_keyctl
  enum { JOIN_SESSION = 1, SET_PERMISSIONS = 5, DESCRIBE = 6 };
  const unsigned user_may_search = 0x80000;
  int key = sys_call(SYS_keyctl, JOIN_SESSION, name);
  // Keys are one more fence, which not every kernel has.
  if (key < 0) return key == -ENOSYS ? 0 : key;
  // "type;uid;gid;permissions;description". Another process of the container finds the keyring by name only if it may search it.
  char text[256];
  int size = sys_call(SYS_keyctl, DESCRIBE, key, text, sizeof text - 1);
  if (size < 0) return size;
  text[size < (int)sizeof text ? size : (int)sizeof text - 1] = 0;
  const char *field = text;
  for (int i = 0; i < 3 && field; i++) field = strchr(field, ';') ? strchr(field, ';') + 1 : NULL;
  if (!field) return -EINVAL;
  unsigned permissions = user_may_search;
  for (unsigned nibble = 0, place = 28; nibble < 8 && *field && *field != ';'; nibble++, field++, place -= 4)
    permissions |= (unsigned)(*field <= '9' ? *field - '0' : (*field | 32) - 'a' + 10) << place;
  return sys_call(SYS_keyctl, SET_PERMISSIONS, key, permissions);
#else
  (void)name;
  return 0;
#endif
}

static int set_name(long call, const char *name) { return name ? sys_call(call, name, strlen(name)) : -EINVAL; }

static int run_step(struct executor *e, const struct step *s, uint32_t index) {
  switch (s->op) {
  case OP_OPEN: return step_open(e, s);
  case OP_CLOSE: return step_close(e, s);
  case OP_MKDIR_ALL: return step_mkdir_all(e, s);
  case OP_MKDIR: return step_mkdir(e, s);
  case OP_TOUCH: return step_touch(e, s);
  case OP_SYMLINK: return step_symlink(e, s);
  case OP_MKNOD: return step_mknod(e, s);
  case OP_CHOWN: return step_chown(e, s);
  case OP_CHMOD: return step_chmod(e, s);
  case OP_UNLINK:
  case OP_RMDIR: return step_unlink(e, s);
  case OP_WRITE_FILE: return step_write_file(e, s);
  case OP_CREATE_FILE: return step_create_file(e, s);
  case OP_MOUNT: return step_mount(e, s);
  case OP_FS_MOUNT: return step_fs_mount(e, s);
  case OP_OPEN_TREE: return step_open_tree(e, s);
  case OP_MOUNT_SETATTR: return step_mount_setattr(e, s);
  case OP_MOVE_MOUNT: return step_move_mount(e, s);
  case OP_UMOUNT: return step_umount(e, s);
  case OP_PIVOT_ROOT: return step_pivot_root(e, s);
  case OP_UNSHARE:
    if (s->n[0] & CLONE_NEWNET) netlink_forget(e);
    return sys_call(SYS_unshare, s->n[0]);
  case OP_SETNS: {
    int fd = slot_fd(e, s->n[0]);
    if (fd < 0) return fd;
    netlink_forget(e);
    int error = sys_call(SYS_setns, fd, s->n[1]);
    if (!error && s->n[1] & CLONE_NEWPID) e->unborn = true;
    return error;
  }
  case OP_SETSID: return sys_call(SYS_setsid);
  case OP_CONSOLE: return step_console(e, s);
  case OP_HOSTNAME: return set_name(SYS_sethostname, s->s[0]);
  case OP_DOMAINNAME: return set_name(SYS_setdomainname, s->s[0]);
  case OP_RLIMIT: return step_rlimit(s);
  case OP_UMASK:
    e->umask_set = true;
    sys_call(SYS_umask, s->n[0]);
    return 0;
  case OP_SESSION_KEYRING: return keyring(s->s[0]);
  case OP_PERSONALITY: return sys_call(SYS_personality, s->n[0]);
  case OP_BOUNDING_SET: return step_bounding_set(s);
  case OP_USER: return step_user(s);
  case OP_CAPABILITIES: return step_capabilities(s);
  case OP_NO_NEW_PRIVILEGES: return sys_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
  case OP_SECCOMP: return step_seccomp(e, s);
  case OP_CHDIR: return step_chdir(s);
  case OP_EXEC: return step_exec(e, s);
  case OP_BARRIER: return step_barrier(e, s);
  case OP_NETLINK: return step_netlink(e, s, index);
  case OP_HOST_SOCKET: return step_host_socket(e, s);
  case OP_BE_BORN: return step_be_born(e, s);
  case OP_DEVICE_PROGRAM: return step_device_program(e, s);
  case OP_COUNT: break;
  }
  return -EINVAL;
}

uint64_t step_clock(void) {
  struct timespec now = {0};
  sys_call(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int run_section(struct executor *e, const struct section *section, uint32_t *failed) {
  struct cursor in = section->steps;
  for (uint32_t i = 0; i < section->count; i++) {
    struct step step;
    *failed = i;
    int error = take_step(&in, &step);
    if (error) return error;
    e->detail = DETAIL_NONE;
    if (e->began) e->began[i] = step_clock();
    error = run_step(e, &step, i);
    if (error < 0 && !step_ignores(&step, -error)) return error;
  }
  return 0;
}
