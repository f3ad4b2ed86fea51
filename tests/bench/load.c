// load: drives an echo server and says how many requests it answered.
//
//   load PORT --connections 50 --seconds 0.4 [--pid SERVER]
//   load PORT --connections 50 --messages 10000
//   load PORT --connections 50 --seconds 0.4 --udp
//
// Every connection plays ping-pong with 64-byte messages: send, wait for the
// whole echo, compare it, send the next. All connections have had one echo
// before the measurement begins, and all are silent when it ends, so accepting
// and closing are outside of it. With --pid the CPU time that the server's
// threads used in between is printed too: on one core it repeats to a percent
// or two where wall time does not. With --udp a connection is a socket of UDP, and a
// message a datagram; one that is lost ends the run.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { kMessageBytes = 64, kConnectAtOnce = 100, kEvents = 1024 };

typedef struct {
  int fd;
  int received;                                      // bytes of the echo that have arrived
  uint64_t stamp[kMessageBytes / sizeof(uint64_t)];  // the message in flight
} connection;

typedef struct {
  int port;
  int connections;
  int pid;  // 0: nobody's CPU time is asked for
  bool is_udp;
  bool is_unix;
  double seconds;
  long messages;  // 0: until the seconds are over
} options;

static int poller;
static uint64_t sequence;

static void must(bool ok, const char* what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Returns nanoseconds on the CPU, summed over the threads of `pid`.
static double cpu_ns(int pid) {
  char path[300];
  double sum = 0;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR* tasks = opendir(path);
  must(tasks != NULL, path);
  for (struct dirent* entry = readdir(tasks); entry; entry = readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
    FILE* file = fopen(path, "r");
    if (!file) continue;  // the thread has just ended
    double ns = 0;
    must(fscanf(file, "%lf", &ns) == 1, path);
    fclose(file);
    sum += ns;
  }
  closedir(tasks);
  return sum;
}

static void send_next(connection* peer) {
  for (size_t i = 0; i < kMessageBytes / sizeof(uint64_t); ++i) {
    peer->stamp[i] = ++sequence * 0x9e3779b97f4a7c15u;
  }
  peer->received = 0;
  must(write(peer->fd, peer->stamp, kMessageBytes) == kMessageBytes, "write");
}

// Reads what is there; returns whether the echo is complete.
static bool receive(connection* peer) {
  char bytes[kMessageBytes + 1];
  const ssize_t size = read(peer->fd, bytes, sizeof bytes - (size_t)peer->received);
  must(size > 0, "read");
  if (memcmp(bytes, (const char*)peer->stamp + peer->received, (size_t)size) != 0 ||
      peer->received + size > kMessageBytes) {
    fprintf(stderr, "the echo differs from what was sent\n");
    exit(1);
  }
  peer->received += (int)size;
  return peer->received == kMessageBytes;
}

// A Unix socket's server prints a number as well, of the path it listens at.
static void connect_unix(connection* peer, int number) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/tmp/weft-bench-%d.sock", number);
  peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(peer->fd >= 0, "socket");
  must(connect(peer->fd, (struct sockaddr*)&address, sizeof address) == 0, "connect");
}

static void connect_inet(connection* peer, int port, bool is_udp) {
  const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  peer->fd = socket(AF_INET, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  must(peer->fd >= 0, "socket");
  must(connect(peer->fd, (struct sockaddr*)&address, sizeof address) == 0, "connect");
  must(is_udp || setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "nodelay");
}

static void connect_one(connection* peer, const options* given) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
  given->is_unix ? connect_unix(peer, given->port)
                 : connect_inet(peer, given->port, given->is_udp);
  must(epoll_ctl(poller, EPOLL_CTL_ADD, peer->fd, &event) == 0, "epoll_ctl");
}

// Plays until `messages` were sent or the time is over, and until every echo is
// back. The first `count` peers take part. Returns the number of echoes.
static long play(connection* peers, int count, long messages, double seconds) {
  struct epoll_event events[kEvents];
  const double end = seconds > 0 ? now() + seconds : 0;
  bool more = true;
  long sent = 0;
  long done = 0;
  for (; sent < count && (messages == 0 || sent < messages); ++sent) send_next(&peers[sent]);
  while (done < sent) {
    const int ready = epoll_wait(poller, events, kEvents, 10000);
    must(ready > 0, "no echo for 10 s");
    more = end > 0 ? now() < end : sent < messages;
    for (int i = 0; i < ready; ++i) {
      connection* peer = events[i].data.ptr;
      if (!receive(peer)) continue;
      ++done;
      if (more && (end > 0 || sent < messages)) {
        send_next(peer);
        ++sent;
      }
    }
  }
  return done;
}

static options parse(int argc, char** argv) {
  static const struct option kNames[] = {{"connections", required_argument, NULL, 'c'},
                                         {"seconds", required_argument, NULL, 's'},
                                         {"messages", required_argument, NULL, 'm'},
                                         {"pid", required_argument, NULL, 'p'},
                                         {"udp", no_argument, NULL, 'u'},
                                         {"unix", no_argument, NULL, 'x'},
                                         {NULL, 0, NULL, 0}};
  options given = {.connections = 50, .seconds = 0.4};
  for (int name = 0; (name = getopt_long(argc, argv, "", kNames, NULL)) != -1;) {
    if (name == 'c') given.connections = atoi(optarg);
    if (name == 's') given.seconds = atof(optarg);
    if (name == 'm') given.messages = atol(optarg);
    if (name == 'p') given.pid = atoi(optarg);
    if (name == 'u') given.is_udp = true;
    if (name == 'x') given.is_unix = true;
    if (name == '?') exit(2);
  }
  if (optind + 1 != argc) {
    fprintf(stderr,
            "usage: load PORT [--connections N] [--seconds S | --messages M] [--pid P] "
            "[--udp | --unix]\n");
    exit(2);
  }
  given.port = atoi(argv[optind]);
  if (given.messages > 0) given.seconds = 0;
  return given;
}

int main(int argc, char** argv) {
  const options given = parse(argc, argv);
  struct rlimit files;
  must(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
  files.rlim_cur = files.rlim_max;
  must(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
  poller = epoll_create1(EPOLL_CLOEXEC);
  must(poller >= 0, "epoll_create1");
  connection* peers = calloc((size_t)given.connections, sizeof *peers);

  // In small groups, so that no listener's backlog is ever full.
  for (int from = 0; from < given.connections; from += kConnectAtOnce) {
    const int left = given.connections - from;
    const int group = left < kConnectAtOnce ? left : kConnectAtOnce;
    for (int i = 0; i < group; ++i) connect_one(&peers[from + i], &given);
    play(&peers[from], group, group, 0);
  }

  const double cpu_before = given.pid ? cpu_ns(given.pid) : 0;
  const double time_before = now();
  const long requests = play(peers, given.connections, given.messages, given.seconds);
  const double seconds = now() - time_before;
  printf("requests=%ld seconds=%.4f", requests, seconds);
  if (given.pid) {
    const double us = (cpu_ns(given.pid) - cpu_before) / 1000;
    printf(" server_us_per_request=%.4f", us / (double)requests);
  }
  printf("\n");
  return 0;
}
