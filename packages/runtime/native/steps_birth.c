// How a process gets into a pid namespace that others live in.
#include "steps.h"

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

// Closes all but the standard streams, the sync socket and the slots whose bits are set.
static void leave_descriptors(struct executor *e, const uint64_t kept[2]) {
  netlink_forget(e);
  for (int i = 0; i < SLOT_COUNT; i++)
    if (!(kept[i / 64] >> (i % 64) & 1)) close_fd(&e->slots[i]);
  for (unsigned from = 3; from < UINT32_MAX;) {
    unsigned next = e->sync >= 0 && (unsigned)e->sync >= from ? (unsigned)e->sync : UINT32_MAX;
    for (int i = 0; i < SLOT_COUNT; i++)
      if (e->slots[i] >= 0 && (unsigned)e->slots[i] >= from && (unsigned)e->slots[i] < next) next = (unsigned)e->slots[i];
    if (next > from && sys_call(SYS_close_range, from, next - 1, 0) < 0)
      for (unsigned fd = from; fd < next && fd < 1024; fd++) sys_call(SYS_close, fd);
    if (next == UINT32_MAX) return;
    from = next + 1;
  }
}

// Whoever has joined the namespaces is still outside of the container's pid namespace, where no process of the container can trace
// it, or see the host's root, descriptors and the shim's memory through it (a capability that overrides not being dumpable is all that
// takes, CVE-2016-9962). Having left them behind, it ends, and only its child goes on: born inside, and a child of the shim, too.
int be_born_inside(struct executor *e, const uint64_t kept[2]) {
  int pidfd = -1, sync = e->sync;
  leave_descriptors(e, kept);
  struct sys_clone_args args = {.flags = GANTRY_CLONE_PIDFD | CLONE_PARENT, .pidfd = (uint64_t)(uintptr_t)&pidfd};
  int pid = sys_call(SYS_clone3, &args, sizeof args);
  if (pid < 0) return pid;
  if (pid > 0) {
    struct sync_message message = {.type = SYNC_BORN, .value = (uint32_t)pid};
    sys_exit(send_fd(sync, &message, sizeof message, pidfd) < 0 ? 125 : 0);
  }
  uint32_t known = 0;
  int error = sys_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (error < 0) return error;
  // Nobody waits for a child that the shim has not heard of.
  if (sys_call(SYS_recvfrom, sync, &known, sizeof known, 0, NULL, NULL) != sizeof known) sys_exit(125);
  return 0;
}

int step_be_born(struct executor *e, const struct step *s) {
  if (e->sync < 0) return -EINVAL;
  int error = be_born_inside(e, s->n);
  if (error) return error;
  e->unborn = false;
  // The terminal was left for this process: it would have hung up with its predecessor's session.
  error = sys_call(SYS_setsid);
  if (error >= 0 && e->tty) error = sys_call(SYS_ioctl, 0, TIOCSCTTY, 0);
  return error < 0 ? error : 0;
}
