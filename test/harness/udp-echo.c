/* A UDP server that sends each datagram back; busybox has none. usage: udp-echo PORT */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  unsigned short port = (unsigned short)atoi(argc > 1 ? argv[1] : "53");
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0) return 1;
  for (;;) {
    char data[2048];
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    ssize_t got = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&peer, &size);
    if (got >= 0) sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&peer, size);
  }
}
