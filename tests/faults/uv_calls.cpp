// libuv's functions, as this program defines them: what weft calls may fail and do
// nothing; what libuv calls of itself is not counted.
#include <weft/tests/faults/hidden.h>

// Where the program's code begins and ends, says the linker.
extern "C" const char code_begin asm("__executable_start");
extern "C" const char code_end asm("etext");

namespace weft::test {
namespace {

bool is_ours(const void* caller) noexcept {
  return caller >= static_cast<const void*>(&code_begin) &&
         caller < static_cast<const void*>(&code_end);
}

}  // namespace
}  // namespace weft::test

using namespace weft::test;

// Types and lists of parameters stand without parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define WEFT_UV_CALL(name, parameters, arguments)                           \
  extern "C" int fault_##name parameters asm(#name);                        \
  int fault_##name parameters {                                             \
    if (is_ours(__builtin_return_address(0))) {                             \
      if (const int error = injected(row(#name)); error != 0) return error; \
    }                                                                       \
    return hidden<#name, int parameters>() arguments;                       \
  }

// As above; what it opens is libuv's own.
#define WEFT_UV_SETUP(name, calls, parameters, arguments)                   \
  extern "C" int fault_##name parameters asm(#name);                        \
  int fault_##name parameters {                                             \
    if (is_ours(__builtin_return_address(0))) {                             \
      if (const int error = injected(row(#name)); error != 0) return error; \
    }                                                                       \
    const UvSetup setup(UvSetup::Calls::calls);                             \
    return hidden<#name, int parameters>() arguments;                       \
  }

// NOLINTEND(bugprone-macro-parentheses)

WEFT_UV_SETUP(uv_async_init, kSucceed, (uv_loop_t * loop, uv_async_t* handle, uv_async_cb wake),
              (loop, handle, wake))
WEFT_UV_SETUP(uv_loop_init, kSucceed, (uv_loop_t * loop), (loop))
WEFT_UV_SETUP(uv_signal_init, kSucceed, (uv_loop_t * loop, uv_signal_t* handle), (loop, handle))

WEFT_UV_SETUP(uv_fs_event_start, kMayFail,
              (uv_fs_event_t * handle, uv_fs_event_cb call, const char* path, unsigned flags),
              (handle, call, path, flags))

// Makes the handle also where it fails: what it calls itself may. The pipe that tells of
// the child's exec is its own.
extern "C" int fault_uv_spawn(uv_loop_t*, uv_process_t*,
                              const uv_process_options_t*) asm("uv_spawn");
int fault_uv_spawn(uv_loop_t* loop, uv_process_t* handle, const uv_process_options_t* options) {
  const UvSetup setup(UvSetup::Calls::kMayFail);
  using Function = int(uv_loop_t*, uv_process_t*, const uv_process_options_t*);
  return hidden<"uv_spawn", Function>()(loop, handle, options);
}

WEFT_UV_CALL(uv_getaddrinfo,
             (uv_loop_t * loop, uv_getaddrinfo_t* request, uv_getaddrinfo_cb done, const char* host,
              const char* service, const addrinfo* hints),
             (loop, request, done, host, service, hints))
WEFT_UV_CALL(uv_pipe_open, (uv_pipe_t * handle, int fd), (handle, fd))
WEFT_UV_CALL(uv_poll_init, (uv_loop_t * loop, uv_poll_t* handle, int fd), (loop, handle, fd))
WEFT_UV_CALL(uv_process_kill, (uv_process_t * handle, int signal), (handle, signal))
WEFT_UV_CALL(uv_read_start, (uv_stream_t * stream, uv_alloc_cb room, uv_read_cb done),
             (stream, room, done))
WEFT_UV_CALL(uv_shutdown, (uv_shutdown_t * request, uv_stream_t* stream, uv_shutdown_cb done),
             (request, stream, done))
WEFT_UV_CALL(uv_signal_start, (uv_signal_t * handle, uv_signal_cb call, int signal),
             (handle, call, signal))
WEFT_UV_CALL(uv_tcp_connect,
             (uv_connect_t * request, uv_tcp_t* handle, const sockaddr* to, uv_connect_cb done),
             (request, handle, to, done))
WEFT_UV_CALL(uv_tcp_getpeername, (const uv_tcp_t* handle, sockaddr* name, int* length),
             (handle, name, length))
WEFT_UV_CALL(uv_tcp_getsockname, (const uv_tcp_t* handle, sockaddr* name, int* length),
             (handle, name, length))
WEFT_UV_CALL(uv_tcp_keepalive, (uv_tcp_t * handle, int on, unsigned seconds), (handle, on, seconds))
WEFT_UV_CALL(uv_tcp_nodelay, (uv_tcp_t * handle, int on), (handle, on))
WEFT_UV_CALL(uv_tcp_open, (uv_tcp_t * handle, int fd), (handle, fd))
WEFT_UV_CALL(uv_try_write, (uv_stream_t * stream, const uv_buf_t* pieces, unsigned count),
             (stream, pieces, count))
WEFT_UV_CALL(uv_tty_get_winsize, (uv_tty_t * handle, int* columns, int* rows),
             (handle, columns, rows))
WEFT_UV_CALL(uv_write2,
             (uv_write_t * request, uv_stream_t* stream, const uv_buf_t* pieces, unsigned count,
              uv_stream_t* sent, uv_write_cb done),
             (request, stream, pieces, count, sent, done))
