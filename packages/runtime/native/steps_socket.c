// Steps about sockets: netlink exchanges and bound host sockets.
#include "steps.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_SECONDS 10
#define REPLY_SIZE 32768

void netlink_forget(struct executor *e) {
  for (int i = 0; i < NETLINK_KEPT; i++) close_fd(&e->netlink[i].fd);
}

static int netlink_socket(struct executor *e, int protocol, size_t size) {
  int slot = 0;
  for (int i = 0; i < NETLINK_KEPT; i++) {
    if (e->netlink[i].fd < 0) slot = i;
    else if (e->netlink[i].protocol == protocol) {
      slot = i;
      break;
    }
  }
  if (e->netlink[slot].fd >= 0 && e->netlink[slot].protocol != protocol) close_fd(&e->netlink[slot].fd);
  if (e->netlink[slot].fd < 0) {
    CLOSED_AT_EXIT int fd = sys_call(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) return fd;
    int yes = 1;
    struct timeval wait = {.tv_sec = ANSWER_SECONDS};
    sys_call(SYS_setsockopt, fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
    sys_call(SYS_setsockopt, fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof yes);
    int error = sys_call(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (error) return error;
    e->netlink[slot].protocol = protocol;
    e->netlink[slot].fd = take_fd(&fd);
  }
  if (size > 64 * 1024) {
    int space = (int)size + 65536;
    sys_call(SYS_setsockopt, e->netlink[slot].fd, SOL_SOCKET, SO_SNDBUFFORCE, &space, sizeof space);
    sys_call(SYS_setsockopt, e->netlink[slot].fd, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof space);
  }
  return e->netlink[slot].fd;
}

static int patch(const struct step *s, uint64_t offset, uint32_t value) {
  if (offset == UINT64_MAX) return 0;
  if (offset + sizeof value > s->b.size) return -EINVAL;
  // The request is mapped privately and writable: this changes our copy only.
  memcpy((uint8_t *)(uintptr_t)s->b.data + offset, &value, sizeof value);
  return 0;
}

// Counts the answers that end an exchange: acknowledgements, and ends of dumps.
static int expected_answers(const struct step *s, uint32_t *acks) {
  *acks = 0;
  for (size_t at = 0; at < s->b.size;) {
    struct nlmsghdr head;
    if (s->b.size - at < sizeof head) return -EBADMSG;
    memcpy(&head, s->b.data + at, sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > s->b.size - at) return -EBADMSG;
    if (head.nlmsg_flags & NLM_F_ACK || (head.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) ++*acks;
    at += NLMSG_ALIGN(head.nlmsg_len);
  }
  return 0;
}

static int exchange(struct executor *e, const struct step *s, uint32_t index, int fd) {
  uint32_t acks;
  int error = expected_answers(s, &acks);
  if (error) return error;
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  int sent = sys_call(SYS_sendto, fd, s->b.data, s->b.size, 0, &kernel, sizeof kernel);
  if (sent < 0) return sent;
  bool wanted = s->n[4] != UINT64_MAX && s->n[4] != 0;
  // The kernel has answered when send returns; with nothing to wait for, only an error (or a plain answer) can be here.
  bool once = acks == 0;
  _Alignas(struct nlmsghdr) uint8_t reply[REPLY_SIZE];
  while (acks > 0 || once) {
    int size = sys_call(SYS_recvfrom, fd, reply, sizeof reply, (once && !wanted ? MSG_DONTWAIT : 0) | MSG_TRUNC);
    if (size == -EINTR) continue;
    if (size == -EAGAIN) return once && !wanted ? 0 : -ETIMEDOUT;
    if (size < 0) return size;
    if ((size_t)size > sizeof reply) return -EMSGSIZE;
    once = false;
    size_t left = (size_t)size;
    for (struct nlmsghdr *head = (struct nlmsghdr *)reply; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
      if (head->nlmsg_type != NLMSG_ERROR && head->nlmsg_type != NLMSG_DONE) continue;
      int result = 0;
      if (head->nlmsg_len >= NLMSG_LENGTH(sizeof result)) memcpy(&result, NLMSG_DATA(head), sizeof result);
      if (result < 0) {
        if (!step_ignores(s, -result)) return result;
        error = result;
      }
      if (acks > 0) acks--;
    }
    if (wanted && e->answer) {
      int failed = e->answer(e->context, index, reply, (size_t)size);
      if (failed) return failed;
    }
  }
  return error;
}

int step_netlink(struct executor *e, const struct step *s, uint32_t index) {
  int fd = netlink_socket(e, (int)s->n[0], s->b.size);
  if (fd < 0) return fd;
  int error = patch(s, s->n[1], (uint32_t)e->child);
  if (!error && s->n[2] != UINT64_MAX) {
    int named = slot_fd(e, s->n[3]);
    error = named < 0 ? named : patch(s, s->n[2], (uint32_t)named);
  }
  if (!error) error = exchange(e, s, index, fd);
  // After an error, answers to the rest of the batch may still wait in the socket.
  if (error) netlink_forget(e);
  return error;
}

// A socket of the child's network namespace; this process is single-threaded and back in its own when it is made.
static int socket_inside(const struct executor *e, int family, int type, int protocol) {
  char path[48];
  snprintf(path, sizeof path, "/proc/%d/ns/net", (int)e->child);
  CLOSED_AT_EXIT int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  CLOSED_AT_EXIT int inside = own < 0 || e->child <= 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (inside < 0) return e->child <= 0 ? -EINVAL : -errno;
  if (setns(inside, CLONE_NEWNET) < 0) return -errno;
  int fd = socket(family, type, protocol), error = errno;
  // Nothing may be done in the wrong namespace from here on.
  if (setns(own, CLONE_NEWNET) < 0) _exit(125);
  return fd < 0 ? -error : fd;
}

// A range of many ports needs as many descriptors as it has ports.
static int socket_of(int family, int type, int protocol) {
  int fd = sys_result(socket(family, type, protocol));
  if (fd != -EMFILE) return fd;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == files.rlim_max) return fd;
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) return fd;
  return sys_result(socket(family, type, protocol));
}

static int host_socket(struct executor *e, const struct step *s, uint32_t offset) {
  // 0 tcp, 1 udp, 2 sctp
  int type = s->n[0] == 1 ? SOCK_DGRAM : SOCK_STREAM, protocol = s->n[0] == 2 ? IPPROTO_SCTP : 0, yes = 1;
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address = {0};
  socklen_t size;
  uint16_t port = htons((uint16_t)(s->n[1] + offset));
  if (inet_pton(AF_INET, s->s[0], &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = port;
    size = sizeof address.v4;
  } else if (inet_pton(AF_INET6, s->s[0], &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = port;
    size = sizeof address.v6;
  } else {
    return -EINVAL;
  }
  int flags = type | SOCK_CLOEXEC | SOCK_NONBLOCK;
  CLOSED_AT_EXIT int fd = s->n[3] ? socket_inside(e, address.any.sa_family, flags, protocol)
                                  : socket_of(address.any.sa_family, flags, protocol);
  if (fd < 0) return fd;
  // A loopback address is one only while the device is up; a request on a socket means the socket's namespace.
  struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  if (s->n[3] && ioctl(fd, SIOCSIFFLAGS, &loopback) < 0) return -errno;
  int only6 = s->n[5] == 0, least = 0;
  if (address.any.sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, &address.any, size) < 0) return -errno;
  if (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0) return -errno;
  // Nobody reads from it: what came before the rules did must not pile up.
  if (type == SOCK_DGRAM && !s->s[1] && !s->n[3]) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  return e->hold(e->context, take_fd(&fd), s, offset);
}

int step_host_socket(struct executor *e, const struct step *s) {
  if (!e->hold || !s->s[0]) return -EOPNOTSUPP;
  uint64_t count = s->n[4] ? s->n[4] : 1;
  if (s->n[1] + count > 65536) return -EINVAL;
  for (uint32_t offset = 0; offset < count; offset++) {
    int error = host_socket(e, s, offset);
    // A kernel without SCTP has nobody who could take the port.
    if (s->n[0] == 2 && (error == -EPROTONOSUPPORT || error == -ESOCKTNOSUPPORT)) return 0;
    if (error) return error;
  }
  return 0;
}
