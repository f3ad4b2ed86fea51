// echo_epoll: what the kernel alone costs, an echo server without any library.
//
// Level-triggered epoll, one read and one write per message. A short write ends
// the program: the load generator never has more than one message in flight.
// Prints its port, then serves until it is killed.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int poller;

static void must(int status, const char* what) {
  if (status >= 0) return;
  perror(what);
  exit(1);
}

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  must(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void accept_all(int listener) {
  const int on = 1;
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "nodelay");
    watch(fd);
  }
}

static void echo(int fd) {
  static char shared[64 * 1024];
  const ssize_t size = read(fd, shared, sizeof shared);
  if (size <= 0) {
    close(fd);
    return;
  }
  if (write(fd, shared, (size_t)size) != size) {
    fprintf(stderr, "short write\n");
    exit(1);
  }
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  struct epoll_event events[1024];

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  must(listener, "socket");
  must(bind(listener, (struct sockaddr*)&address, length), "bind");
  must(listen(listener, 4096), "listen");
  must(getsockname(listener, (struct sockaddr*)&address, &length), "port");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);

  poller = epoll_create1(EPOLL_CLOEXEC);
  must(poller, "epoll_create1");
  watch(listener);
  for (;;) {
    const int count = epoll_wait(poller, events, 1024, -1);
    must(count, "epoll_wait");
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      fd == listener ? accept_all(fd) : echo(fd);
    }
  }
}
