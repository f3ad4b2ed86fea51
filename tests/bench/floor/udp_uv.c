// udp_uv: the floor under every UDP echo here, libuv's C callbacks and nothing else.
//
// Receiving stays started, into one buffer, and the answer goes out by uv_udp_try_send; a
// request is made only for what the kernel had no room for. Prints its port, then serves
// until it is killed.
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

typedef struct {
  uv_udp_send_t request;
  char bytes[];
} pending_send;

static char shared[64 * 1024];  // a datagram is answered before the next one is received

static void must(int status, const char* what) {
  if (status >= 0) return;
  fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
  exit(1);
}

static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buf) {
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(shared, sizeof shared);
}

static void on_sent(uv_udp_send_t* request, int status) {
  (void)status;
  free(request->data);
}

static void on_receive(uv_udp_t* socket, ssize_t size, const uv_buf_t* buf,
                       const struct sockaddr* peer, unsigned flags) {
  (void)flags;
  must((int)size, "receive");
  if (peer == NULL) return;
  uv_buf_t answer = uv_buf_init(buf->base, (unsigned)size);
  const int sent = uv_udp_try_send(socket, &answer, 1, peer);
  if (sent >= 0) return;
  if (sent != UV_EAGAIN) must(sent, "send");
  pending_send* pending = malloc(sizeof *pending + (size_t)size);
  memcpy(pending->bytes, buf->base, (size_t)size);
  pending->request.data = pending;
  answer.base = pending->bytes;
  must(uv_udp_send(&pending->request, socket, &answer, 1, peer, on_sent), "send");
}

int main(void) {
  uv_loop_t* loop = uv_default_loop();
  uv_udp_t socket;
  struct sockaddr_in address;
  int length = sizeof address;

  must(uv_ip4_addr("127.0.0.1", 0, &address), "address");
  must(uv_udp_init(loop, &socket), "init");
  must(uv_udp_bind(&socket, (const struct sockaddr*)&address, 0), "bind");
  must(uv_udp_recv_start(&socket, on_alloc, on_receive), "start");
  must(uv_udp_getsockname(&socket, (struct sockaddr*)&address, &length), "port");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
