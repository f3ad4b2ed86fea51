// echo_uv: the floor under every echo here, libuv's C callbacks and nothing else.
//
// Reading stays started, all connections read into one buffer, and the answer
// goes out by uv_try_write; a request is made only for what the socket did not
// take. Prints its port, then serves until it is killed; echo_uv unix: at
// /tmp/weft-bench-NUMBER.sock, whose number it prints.
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

typedef struct {
  uv_write_t request;
  char bytes[];
} pending_write;

static char shared[64 * 1024];  // a read is answered before the next one starts

static void must(int status, const char* what) {
  if (status >= 0) return;
  fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
  exit(1);
}

static void on_close(uv_handle_t* handle) {
  free(handle);
}

static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buf) {
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(shared, sizeof shared);
}

static void on_written(uv_write_t* request, int status) {
  (void)status;
  free(request->data);
}

static void write_rest(uv_stream_t* stream, const char* bytes, size_t size) {
  pending_write* pending = malloc(sizeof *pending + size);
  memcpy(pending->bytes, bytes, size);
  pending->request.data = pending;
  const uv_buf_t buf = uv_buf_init(pending->bytes, (unsigned)size);
  must(uv_write(&pending->request, stream, &buf, 1, on_written), "write");
}

static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buf) {
  if (size < 0) {
    uv_close((uv_handle_t*)stream, on_close);
    return;
  }
  if (size == 0) return;
  const uv_buf_t answer = uv_buf_init(buf->base, (unsigned)size);
  int sent = uv_try_write(stream, &answer, 1);
  if (sent == size) return;
  if (sent < 0 && sent != UV_EAGAIN) {
    uv_close((uv_handle_t*)stream, on_close);
    return;
  }
  if (sent < 0) sent = 0;
  write_rest(stream, buf->base + sent, (size_t)(size - sent));
}

static void on_pipe_connection(uv_stream_t* listener, int status) {
  must(status, "connection");
  uv_pipe_t* peer = malloc(sizeof *peer);
  must(uv_pipe_init(listener->loop, peer, 0), "init");
  must(uv_accept(listener, (uv_stream_t*)peer), "accept");
  must(uv_read_start((uv_stream_t*)peer, on_alloc, on_read), "read");
}

static int serve_unix(uv_loop_t* loop) {
  uv_pipe_t listener;
  char path[64];
  snprintf(path, sizeof path, "/tmp/weft-bench-%d.sock", (int)uv_os_getpid());
  must(uv_pipe_init(loop, &listener, 0), "init");
  must(uv_pipe_bind(&listener, path), "bind");
  must(uv_listen((uv_stream_t*)&listener, 4096, on_pipe_connection), "listen");
  printf("%d\n", (int)uv_os_getpid());
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}

static void on_connection(uv_stream_t* listener, int status) {
  must(status, "connection");
  uv_tcp_t* peer = malloc(sizeof *peer);
  must(uv_tcp_init(listener->loop, peer), "init");
  must(uv_accept(listener, (uv_stream_t*)peer), "accept");
  must(uv_tcp_nodelay(peer, 1), "nodelay");
  must(uv_read_start((uv_stream_t*)peer, on_alloc, on_read), "read");
}

int main(int argc, char** argv) {
  uv_loop_t* loop = uv_default_loop();
  if (argc == 2 && strcmp(argv[1], "unix") == 0) return serve_unix(loop);
  uv_tcp_t listener;
  struct sockaddr_in address;
  int length = sizeof address;

  must(uv_ip4_addr("127.0.0.1", 0, &address), "address");
  must(uv_tcp_init(loop, &listener), "init");
  must(uv_tcp_bind(&listener, (const struct sockaddr*)&address, 0), "bind");
  must(uv_listen((uv_stream_t*)&listener, 4096, on_connection), "listen");
  must(uv_tcp_getsockname(&listener, (struct sockaddr*)&address, &length), "port");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
