// A web server that keeps connections: answers every request with the same page, for tests of load. usage: http-hello PORT
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";

// Answers each whole head in what came; a head that is cut in two is answered by its end.
static int answer(int fd) {
  char data[16384];
  ssize_t size = read(fd, data, sizeof data);
  if (size <= 0) return -1;
  for (ssize_t at = 3; at < size; at++)
    if (!memcmp(data + at - 3, "\r\n\r\n", 4) && write(fd, page, sizeof page - 1) < 0) return -1;
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1, poll = epoll_create1(0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1024) < 0) return 1;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(poll, events, 64, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd != listener) {
        if (answer(fd) < 0) close(fd);
        continue;
      }
      int client = accept(listener, NULL, NULL);
      if (client < 0) continue;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      event.data.fd = client;
      epoll_ctl(poll, EPOLL_CTL_ADD, client, &event);
    }
  }
}
