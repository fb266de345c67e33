// Steps about files and directories.
#include "steps.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static int open_in(int root, const char *path, uint64_t flags, unsigned mode) {
  struct sys_open_how how = {.flags = flags | O_CLOEXEC,
                             .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
                             .resolve = SYS_RESOLVE_IN_ROOT | SYS_RESOLVE_NO_MAGICLINKS};
  int fd;
  // EAGAIN: a rename or mount elsewhere raced with the walk.
  for (int i = 0; i < 64; i++) {
    fd = sys_call(SYS_openat2, root, path, &how, sizeof how);
    if (fd != -EAGAIN) break;
  }
  return fd;
}

int open_named(const struct executor *e, int at, const char *path, int flags, unsigned mode) {
  if (at < 0) return sys_call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
  int root = slot_fd(e, (uint64_t)at);
  if (root < 0) return root;
  // The slot itself, which may be a file.
  if (!path[0] && (flags & O_PATH) && !(flags & O_DIRECTORY)) return sys_call(SYS_fcntl, root, F_DUPFD_CLOEXEC, 3);
  return open_in(root, path[0] ? path : ".", (uint64_t)(unsigned)flags, mode);
}

void fd_path(char out[FD_PATH_SIZE], int fd) {
  static const char start[] = "/proc/self/fd/";
  char digits[12];
  int count = 0;
  do digits[count++] = (char)('0' + fd % 10);
  while ((fd /= 10) > 0);
  memcpy(out, start, sizeof start);
  size_t at = sizeof start - 1;
  while (count > 0) out[at++] = digits[--count];
  out[at] = 0;
}

// Splits a step's path and gives the directory part: opened, or the slot itself, which stays open.
static int open_parent(const struct executor *e, const struct step *s, char name[NAME_MAX + 1], int *opened) {
  char directory[PATH_MAX];
  size_t length = strlen(s->path);
  while (length > 1 && s->path[length - 1] == '/') length--;
  size_t start = length;
  while (start > 0 && s->path[start - 1] != '/') start--;
  size_t size = length - start;
  if (length >= sizeof directory || size > NAME_MAX) return -ENAMETOOLONG;
  memcpy(name, s->path + start, size);
  name[size] = 0;
  if (size == 0 || !strcmp(name, ".") || !strcmp(name, "..") || name[0] == '/') return -EINVAL;
  if (start == 0 || (start == 1 && s->path[0] == '/' && s->at >= 0)) return s->at < 0 ? AT_FDCWD : slot_fd(e, (uint64_t)s->at);
  memcpy(directory, s->path, start);
  directory[start] = 0;
  return *opened = open_named(e, s->at, directory, O_PATH | O_DIRECTORY, 0);
}

// Nearly always the last name alone is missing: two calls instead of a walk.
static int make_last(const struct executor *e, int at, const char *path, unsigned mode) {
  struct step step = {.at = at, .path = path};
  char name[NAME_MAX + 1];
  CLOSED_AT_EXIT int opened = -1;
  int parent = open_parent(e, &step, name, &opened);
  return parent < 0 && parent != AT_FDCWD ? parent : sys_call(SYS_mkdirat, parent, name, mode);
}

static int make_all(const struct executor *e, int at, const char *path, size_t length, unsigned mode) {
  char prefix[PATH_MAX];
  if (length >= sizeof prefix) return -ENAMETOOLONG;
  memcpy(prefix, path, length);
  prefix[length] = 0;
  CLOSED_AT_EXIT int found = open_named(e, at, prefix, O_PATH | O_DIRECTORY, 0);
  if (found >= 0) return 0;
  if (found != -ENOENT) return found;
  if (make_last(e, at, prefix, mode) == 0) return 0;
  CLOSED_AT_EXIT int parent = open_named(e, at, at < 0 && path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY, 0);
  if (parent < 0) return parent;
  for (size_t i = 0; i < length;) {
    while (i < length && path[i] == '/') i++;
    size_t start = i;
    while (i < length && path[i] != '/') i++;
    if (i == start) break;
    char name[NAME_MAX + 1];
    if (i - start > NAME_MAX) return -ENAMETOOLONG;
    memcpy(name, path + start, i - start);
    name[i - start] = 0;
    int error = strcmp(name, ".") && strcmp(name, "..") ? sys_call(SYS_mkdirat, parent, name, mode) : 0;
    if (error && error != -EEXIST && error != -EROFS && error != -EPERM && error != -EACCES) return error;
    // Opened again from the top, so that a symbolic link on the way stays below the root.
    memcpy(prefix, path, i);
    prefix[i] = 0;
    int next = open_named(e, at, prefix, O_PATH | O_DIRECTORY, 0);
    // What refused to make it says more than that it is missing.
    if (next < 0) return next == -ENOENT && error ? error : next;
    close_fd(&parent);
    parent = next;
  }
  return 0;
}

int step_mkdir_all(struct executor *e, const struct step *s) {
  return make_all(e, s->at, s->path, strlen(s->path), (unsigned)s->n[0]);
}

int step_open(struct executor *e, const struct step *s) {
  int fd = open_named(e, s->at, s->path, (int)s->n[1], (unsigned)s->n[2]);
  return fd < 0 ? fd : slot_put(e, s->n[0], fd);
}

int step_close(struct executor *e, const struct step *s) {
  int fd = slot_fd(e, s->n[0]);
  if (fd < 0) return fd;
  close_fd(&e->slots[s->n[0]]);
  return 0;
}

int step_mkdir(struct executor *e, const struct step *s) {
  char name[NAME_MAX + 1];
  CLOSED_AT_EXIT int opened = -1;
  int parent = open_parent(e, s, name, &opened);
  return parent < 0 && parent != AT_FDCWD ? parent : sys_call(SYS_mkdirat, parent, name, s->n[0]);
}

int step_touch(struct executor *e, const struct step *s) {
  CLOSED_AT_EXIT int found = open_named(e, s->at, s->path, O_PATH, 0);
  if (found >= 0) return 0;
  if (found != -ENOENT) return found;
  size_t length = strlen(s->path);
  while (length > 0 && s->path[length - 1] != '/') length--;
  int error = length > 0 ? make_all(e, s->at, s->path, length, 0755) : 0;
  if (error) return error;
  char name[NAME_MAX + 1];
  CLOSED_AT_EXIT int opened = -1;
  int parent = open_parent(e, s, name, &opened);
  if (parent < 0 && parent != AT_FDCWD) return parent;
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
  CLOSED_AT_EXIT int fd = sys_call(SYS_openat, parent, name, flags, s->n[0]);
  return fd < 0 ? fd : 0;
}

int step_symlink(struct executor *e, const struct step *s) {
  char name[NAME_MAX + 1];
  CLOSED_AT_EXIT int opened = -1;
  int parent = open_parent(e, s, name, &opened);
  if (parent < 0 && parent != AT_FDCWD) return parent;
  return s->s[0] ? sys_call(SYS_symlinkat, s->s[0], parent, name) : -EINVAL;
}

int step_mknod(struct executor *e, const struct step *s) {
  char name[NAME_MAX + 1];
  CLOSED_AT_EXIT int opened = -1;
  int parent = open_parent(e, s, name, &opened);
  if (parent < 0 && parent != AT_FDCWD) return parent;
  int error = sys_call(SYS_mknodat, parent, name, s->n[0], makedev((unsigned)s->n[1], (unsigned)s->n[2]));
  if (error < 0) return error;
  if (s->n[3] == 0 && s->n[4] == 0) return 0;
  return sys_call(SYS_fchownat, parent, name, s->n[3], s->n[4], AT_SYMLINK_NOFOLLOW);
}

int step_chown(struct executor *e, const struct step *s) {
  CLOSED_AT_EXIT int fd = open_named(e, s->at, s->path, O_PATH, 0);
  return fd < 0 ? fd : sys_call(SYS_fchownat, fd, "", s->n[0], s->n[1], AT_EMPTY_PATH);
}

int step_chmod(struct executor *e, const struct step *s) {
  CLOSED_AT_EXIT int fd = open_named(e, s->at, s->path, O_PATH, 0);
  if (fd < 0) return fd;
  char path[FD_PATH_SIZE];
  fd_path(path, fd);
  return sys_call(SYS_fchmodat, AT_FDCWD, path, s->n[0]);
}

int step_unlink(struct executor *e, const struct step *s) {
  char name[NAME_MAX + 1];
  CLOSED_AT_EXIT int opened = -1;
  int parent = open_parent(e, s, name, &opened);
  if (parent < 0 && parent != AT_FDCWD) return parent;
  return sys_call(SYS_unlinkat, parent, name, s->op == OP_RMDIR ? AT_REMOVEDIR : 0);
}

int step_write_file(struct executor *e, const struct step *s) {
  CLOSED_AT_EXIT int fd = open_named(e, s->at, s->path, O_WRONLY | O_NOCTTY, 0);
  if (fd < 0) return fd;
  if (s->n[0] != UINT64_MAX) {
    struct statfs status;
    int error = sys_call(SYS_fstatfs, fd, &status);
    if (error) return error;
    if ((uint32_t)status.f_type != (uint32_t)s->n[0]) return -EXDEV;
  }
  int written;
  do written = sys_call(SYS_write, fd, s->b.data, s->b.size);
  while (written == -EINTR);
  if (written < 0) return written;
  return (uint32_t)written == s->b.size ? 0 : -EIO;
}

int step_create_file(struct executor *e, const struct step *s) {
  char name[NAME_MAX + 1];
  CLOSED_AT_EXIT int opened = -1;
  int parent = open_parent(e, s, name, &opened);
  if (parent < 0 && parent != AT_FDCWD) return parent;
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
  CLOSED_AT_EXIT int fd = sys_call(SYS_openat, parent, name, flags, s->n[0]);
  if (fd == -EEXIST) {
    int error = sys_call(SYS_unlinkat, parent, name, 0);
    if (error && error != -ENOENT) return error;
    fd = sys_call(SYS_openat, parent, name, flags, s->n[0]);
  }
  if (fd < 0) return fd;
  for (uint32_t done = 0; done < s->b.size;) {
    int written = sys_call(SYS_write, fd, s->b.data + done, s->b.size - done);
    if (written < 0 && written != -EINTR) return written;
    if (written > 0) done += (uint32_t)written;
  }
  return 0;
}
