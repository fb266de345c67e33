// Steps about mounts.
#include "steps.h"

#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#define MOVE_EMPTY_PATHS 0x44U /* MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH */
#define TREE_CLONE 1U
#define TREE_CLOEXEC ((unsigned)O_CLOEXEC)
#define TREE_RECURSIVE 0x8000U
enum { CONFIG_SET_FLAG = 0, CONFIG_SET_STRING = 1, CONFIG_CREATE = 6 };

// A name for a step's path that mount(2) and umount2(2) take: the path itself, or the descriptor below a slot.
static int target_path(const struct executor *e, const struct step *s, int *fd, char buffer[FD_PATH_SIZE],
                       const char **out) {
  *fd = -1;
  *out = s->path;
  if (s->at < 0) return 0;
  *fd = open_named(e, s->at, s->path, O_PATH, 0);
  if (*fd < 0) return *fd;
  fd_path(buffer, *fd);
  *out = buffer;
  return 0;
}

int step_mount(struct executor *e, const struct step *s) {
  CLOSED_AT_EXIT int fd = -1;
  char buffer[FD_PATH_SIZE];
  const char *target;
  int error = target_path(e, s, &fd, buffer, &target);
  if (error) return error;
  return sys_call(SYS_mount, s->s[0], target, s->s[1], s->n[0], s->s[2]);
}

int step_umount(struct executor *e, const struct step *s) {
  CLOSED_AT_EXIT int fd = -1;
  char buffer[FD_PATH_SIZE];
  const char *target;
  int error = target_path(e, s, &fd, buffer, &target);
  if (error) return error;
  int flags = (int)s->n[0];
  if (s->at < 0) return sys_call(SYS_umount2, target, flags);
  // The descriptor itself would keep the mount busy: only a lazy umount can go through it.
  return sys_call(SYS_umount2, target, (flags & ~UMOUNT_NOFOLLOW) | MNT_DETACH);
}

int step_fs_mount(struct executor *e, const struct step *s) {
  if (!s->s[0]) return -EINVAL;
  CLOSED_AT_EXIT int fs = sys_call(SYS_fsopen, s->s[0], 1 /* FSOPEN_CLOEXEC */);
  if (fs < 0) return fs;
  struct list keys = s->l[0], values = s->l[1];
  for (const char *key; (key = list_next(&keys));) {
    // A value is "=text"; an empty string stands for a flag.
    const char *value = list_next(&values);
    if (!value) return -EINVAL;
    int error = value[0] == '=' ? sys_call(SYS_fsconfig, fs, CONFIG_SET_STRING, key, value + 1)
                                : sys_call(SYS_fsconfig, fs, CONFIG_SET_FLAG, key);
    if (error) return error;
  }
  int error = sys_call(SYS_fsconfig, fs, CONFIG_CREATE);
  if (error) return error;
  int mounted = sys_call(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, s->n[1]);
  return mounted < 0 ? mounted : slot_put(e, s->n[0], mounted);
}

int step_open_tree(struct executor *e, const struct step *s) {
  CLOSED_AT_EXIT int fd = open_named(e, s->at, s->path, O_PATH, 0);
  if (fd < 0) return fd;
  unsigned flags = TREE_CLONE | TREE_CLOEXEC | AT_EMPTY_PATH | (s->n[1] ? TREE_RECURSIVE : 0);
  int tree = sys_call(SYS_open_tree, fd, "", flags);
  return tree < 0 ? tree : slot_put(e, s->n[0], tree);
}

// Before 5.12: mount(2) changes one attached mount at a time, so that `recursive` counts for propagation only.
static int remount(int fd, const struct step *s) {
  struct statfs status;
  char path[FD_PATH_SIZE];
  fd_path(path, fd);
  unsigned long propagation = (unsigned long)s->n[3];
  int error = propagation ? sys_call(SYS_mount, NULL, path, NULL, propagation | (s->n[4] ? MS_REC : 0)) : 0;
  if (error || (!s->n[1] && !s->n[2])) return error;
  error = sys_call(SYS_fstatfs, fd, &status);
  if (error) return error;
  // The four lowest flags have one value in MOUNT_ATTR_*, MS_* and ST_*.
  unsigned long flags = (status.f_flags & 0xf & ~(unsigned long)s->n[2]) | (s->n[1] & 0xf);
  if (s->n[1] & MOUNT_ATTR_NOATIME || (status.f_flags & ST_NOATIME && !(s->n[2] & MOUNT_ATTR_NOATIME))) flags |= MS_NOATIME;
  if (s->n[1] & MOUNT_ATTR_STRICTATIME) flags |= MS_STRICTATIME;
  if (s->n[1] & MOUNT_ATTR_NODIRATIME || status.f_flags & ST_NODIRATIME) flags |= MS_NODIRATIME;
  return sys_call(SYS_mount, NULL, path, NULL, MS_REMOUNT | MS_BIND | flags);
}

int step_mount_setattr(struct executor *e, const struct step *s) {
  int fd = slot_fd(e, s->n[0]);
  if (fd < 0) return fd;
  struct sys_mount_attr attr = {.attr_set = s->n[1], .attr_clr = s->n[2], .propagation = s->n[3]};
  unsigned flags = AT_EMPTY_PATH | (s->n[4] ? TREE_RECURSIVE : 0);
  int error = sys_call(SYS_mount_setattr, fd, "", flags, &attr, sizeof attr);
  return error == -ENOSYS ? remount(fd, s) : error;
}

int step_move_mount(struct executor *e, const struct step *s) {
  int from = slot_fd(e, s->n[0]);
  if (from < 0) return from;
  CLOSED_AT_EXIT int to = open_named(e, s->at, s->path, O_PATH, 0);
  if (to < 0) return to;
  int error = sys_call(SYS_move_mount, from, "", to, "", MOVE_EMPTY_PATHS);
  struct stat source, target;
  // mount(2) has a name for a directory over a file and a file over a directory; so has everybody who reads the error.
  if (error == -EINVAL && sys_call(SYS_fstat, from, &source) == 0 && sys_call(SYS_fstat, to, &target) == 0 &&
      S_ISDIR(source.st_mode) != S_ISDIR(target.st_mode))
    return -ENOTDIR;
  return error;
}

int step_pivot_root(struct executor *e, const struct step *s) {
  int root = slot_fd(e, s->n[0]);
  if (root < 0) return root;
  CLOSED_AT_EXIT int old = sys_call(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int error = old < 0 ? old : sys_call(SYS_fchdir, root);
  if (!error) error = sys_call(SYS_pivot_root, ".", ".");
  // The old root lies over the new one now. Nothing unmounted here may reach the host's mounts.
  if (!error) error = sys_call(SYS_fchdir, old);
  if (!error) error = sys_call(SYS_mount, NULL, ".", NULL, MS_SLAVE | MS_REC);
  if (!error) error = sys_call(SYS_umount2, ".", MNT_DETACH);
  return error ? error : sys_call(SYS_chdir, "/");
}
