// Host sockets that the shim holds, and the relay for connections that no firewall rule redirects (::1, hairpins).
#include "shim.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define PIPE_SIZE 65536
#define MAX_RELAYS 1024
#define FLOW_IDLE_MS 90000
#define CONNECT_MS 30000

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

struct half {
  struct source source;
  struct relay *relay;
  // Read from this side, not yet written to the other.
  uint8_t *data;
  size_t start, size;
  bool ended, shut;
};

// A TCP connection and the one behind it, or a UDP client's flow.
struct relay {
  struct object object;
  struct relay *next;
  struct half client, server;
  bool connecting, udp;
  uint64_t deadline_ms;
  struct held_port *port;
  union address from;
  socklen_t from_size;
};

static struct relay *relays;
static uint32_t relay_count;

static struct held_socket *held_new(const struct step *step) {
  uint32_t count = step->n[4] ? (uint32_t)step->n[4] : 1;
  struct held_socket *held = calloc(1, sizeof *held + count * sizeof *held->ports);
  if (!held) return NULL;
  held->count = count;
  for (uint32_t i = 0; i < count; i++) {
    source_init(&held->ports[i].source, -1, NULL);
    held->ports[i].held = held;
  }
  held->protocol = (int)step->n[0];
  held->inside = step->n[3] != 0;
  held->port = (uint16_t)step->n[1];
  if (step->s[1]) {
    strcpy(held->relay_text, step->s[1]);
    held->relay_address = held->relay_text;
    held->relay_port = (uint16_t)step->n[2];
  }
  held->next = shim.held;
  return shim.held = held;
}

int hold_socket(void *context, int fd, const struct step *step, uint32_t offset) {
  (void)context;
  int error = step->s[1] && strlen(step->s[1]) >= sizeof shim.held->relay_text ? -EINVAL : 0;
  // The sockets of one step come one after the other.
  struct held_socket *held = error ? NULL : offset == 0 ? held_new(step) : shim.held;
  if (!held) {
    close(fd);
    return error ? error : -ENOMEM;
  }
  held->ports[offset].source.fd = fd;
  return 0;
}

static int target_address(const struct held_port *port, union address *out, socklen_t *size) {
  const struct held_socket *held = port->held;
  uint16_t number = htons((uint16_t)(held->relay_port + (port - held->ports)));
  *out = (union address){0};
  if (inet_pton(AF_INET, held->relay_address, &out->v4.sin_addr) == 1) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = number;
    *size = sizeof out->v4;
    return 0;
  }
  if (inet_pton(AF_INET6, held->relay_address, &out->v6.sin6_addr) != 1) return -EINVAL;
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = number;
  *size = sizeof out->v6;
  return 0;
}

static void half_close(struct half *half) {
  source_close(&half->source);
  if (half->data) munmap(half->data, PIPE_SIZE);
  half->data = NULL;
}

static void relay_close(struct relay *relay) {
  for (struct relay **at = &relays; *at; at = &(*at)->next) {
    if (*at != relay) continue;
    *at = relay->next;
    relay_count--;
    break;
  }
  half_close(&relay->client);
  half_close(&relay->server);
  object_free(&relay->object);
}

static struct relay *relay_new(struct held_port *port, int client, void (*ready)(struct source *, uint32_t)) {
  union address to;
  socklen_t size;
  struct relay *relay = relay_count < MAX_RELAYS ? calloc(1, sizeof *relay) : NULL;
  int type = port->held->protocol == 1 ? SOCK_DGRAM : SOCK_STREAM;
  int server = relay && target_address(port, &to, &size) == 0
                   ? socket(to.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
                   : -1;
  if (server < 0 || (connect(server, &to.any, size) < 0 && errno != EINPROGRESS)) {
    close_fd(&server);
    close_fd(&client);
    free(relay);
    return NULL;
  }
  source_init(&relay->client.source, client, ready);
  source_init(&relay->server.source, server, ready);
  relay->client.relay = relay->server.relay = relay;
  relay->port = port;
  relay->next = relays;
  relays = relay;
  relay_count++;
  return relay;
}

// --- TCP ---

static struct half *other(struct half *half) {
  return half == &half->relay->client ? &half->relay->server : &half->relay->client;
}

static void watch(struct half *half) {
  uint32_t events = 0;
  if (!half->ended && half->size == 0) events |= EPOLLIN;
  if (other(half)->size > 0) events |= EPOLLOUT;
  source_watch(&half->source, events);
}

// Moves what `from` sends to the other side. False when the connection is over.
static bool move(struct half *from) {
  struct half *to = other(from);
  if (!from->data) {
    void *data = mmap(NULL, PIPE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return false;
    from->data = data;
  }
  for (int i = 0; i < 16; i++) {
    if (from->size == 0 && !from->ended) {
      ssize_t got = recv(from->source.fd, from->data, PIPE_SIZE, MSG_DONTWAIT);
      if (got < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (got < 0) break;
      if (got == 0) from->ended = true;
      from->start = 0;
      from->size = (size_t)got;
    }
    if (from->size == 0) break;
    ssize_t sent = send(to->source.fd, from->data + from->start, from->size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent < 0) break;
    from->start += (size_t)sent;
    from->size -= (size_t)sent;
  }
  if (from->ended && from->size == 0 && !from->shut) {
    from->shut = true;
    shutdown(to->source.fd, SHUT_WR);
  }
  return true;
}

static void tcp_ready(struct source *source, uint32_t events) {
  struct half *half = CONTAINER_OF(source, struct half, source);
  struct relay *relay = half->relay;
  if (relay->connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(relay->server.source.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error || half != &relay->server) {
      relay_close(relay);
      return;
    }
    relay->connecting = false;
    relay->deadline_ms = 0;
  }
  bool open = !(events & EPOLLERR) && move(&relay->client) && move(&relay->server);
  if (!open || (relay->client.shut && relay->server.shut)) {
    relay_close(relay);
    return;
  }
  watch(&relay->client);
  watch(&relay->server);
}

static void tcp_accept(struct source *source, uint32_t events) {
  (void)events;
  struct held_port *port = CONTAINER_OF(source, struct held_port, source);
  int client = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), yes = 1;
  if (client < 0) return;
  struct relay *relay = relay_new(port, client, tcp_ready);
  if (!relay) return;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt(relay->server.source.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  relay->connecting = true;
  relay->deadline_ms = monotonic_ms() + CONNECT_MS;
  source_watch(&relay->server.source, EPOLLOUT);
}

// --- UDP ---

static _Alignas(4096) uint8_t datagram[PIPE_SIZE];

static void flow_ready(struct source *source, uint32_t events) {
  (void)events;
  struct half *half = CONTAINER_OF(source, struct half, source);
  struct relay *relay = half->relay;
  shim.trim = true;
  for (int i = 0; i < 32; i++) {
    ssize_t size = recv(source->fd, datagram, sizeof datagram, MSG_DONTWAIT);
    if (size < 0) return;
    relay->deadline_ms = monotonic_ms() + FLOW_IDLE_MS;
    sendto(relay->port->source.fd, datagram, (size_t)size, MSG_DONTWAIT, &relay->from.any, relay->from_size);
  }
}

static struct relay *flow_of(struct held_port *port, const union address *from, socklen_t size) {
  for (struct relay *relay = relays; relay; relay = relay->next)
    if (relay->udp && relay->port == port && relay->from_size == size && !memcmp(&relay->from, from, size)) return relay;
  struct relay *relay = relay_new(port, -1, flow_ready);
  if (!relay) return NULL;
  relay->udp = true;
  relay->from = *from;
  relay->from_size = size;
  source_watch(&relay->server.source, EPOLLIN);
  return relay;
}

static void udp_ready(struct source *source, uint32_t events) {
  (void)events;
  struct held_port *port = CONTAINER_OF(source, struct held_port, source);
  shim.trim = true;
  for (int i = 0; i < 32; i++) {
    union address from = {0};
    socklen_t from_size = sizeof from;
    ssize_t size = recvfrom(source->fd, datagram, sizeof datagram, MSG_DONTWAIT, &from.any, &from_size);
    if (size < 0) return;
    struct relay *flow = flow_of(port, &from, from_size);
    if (!flow) continue;
    flow->deadline_ms = monotonic_ms() + FLOW_IDLE_MS;
    send(flow->server.source.fd, datagram, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

// --- all of them ---

void relay_start(void) {
  for (struct held_socket *held = shim.held; held; held = held->next) {
    if (!held->relay_address || held->protocol > 1) continue;
    for (struct held_port *port = held->ports; port < held->ports + held->count; port++) {
      port->source.ready = held->protocol == 1 ? udp_ready : tcp_accept;
      source_watch(&port->source, EPOLLIN);
    }
  }
}

static void release(struct held_port *port) {
  for (struct relay *relay = relays, *next; relay; relay = next) {
    next = relay->next;
    if (relay->port == port) relay_close(relay);
  }
  source_close(&port->source);
}

void release_since(struct held_socket *before) {
  while (shim.held && shim.held != before) {
    struct held_socket *held = shim.held;
    for (uint32_t i = 0; i < held->count; i++) release(&held->ports[i]);
    shim.held = held->next;
    object_free(&held->object);
  }
}

int release_ports(int protocol, uint32_t first, uint32_t count) {
  int found = -ENOENT;
  for (struct held_socket **at = &shim.held, *held; (held = *at);) {
    bool open = held->inside;
    for (uint32_t i = 0; i < held->count && !held->inside && held->protocol == protocol; i++) {
      if (held->ports[i].source.fd >= 0 && held->port + i >= first && held->port + i < first + count) {
        release(&held->ports[i]);
        found = 0;
      }
    }
    for (uint32_t i = 0; i < held->count; i++) open = open || held->ports[i].source.fd >= 0;
    if (open) {
      at = &held->next;
      continue;
    }
    *at = held->next;
    object_free(&held->object);
  }
  return found;
}

void relay_stop(void) {
  while (relays) relay_close(relays);
  for (struct held_socket *held = shim.held; held; held = held->next)
    for (uint32_t i = 0; i < held->count; i++) source_close(&held->ports[i].source);
}

uint64_t relay_deadline(void) {
  uint64_t next = UINT64_MAX;
  for (struct relay *relay = relays; relay; relay = relay->next)
    if (relay->deadline_ms && relay->deadline_ms < next) next = relay->deadline_ms;
  return next;
}

void relay_tick(uint64_t now) {
  for (struct relay *relay = relays, *next; relay; relay = next) {
    next = relay->next;
    if (relay->deadline_ms && now >= relay->deadline_ms) relay_close(relay);
  }
}
