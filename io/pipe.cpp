#include <weft/ctx/error.h>
#include <weft/io/detail/owner.h>
#include <weft/io/detail/pipe_listener.h>
#include <weft/io/detail/pipe_socket.h>
#include <weft/io/pipe.h>

namespace weft::io {

using weft::detail::await_leaf;
using weft::detail::Descriptor;
using weft::detail::Done;
using weft::detail::EventLoop;
using weft::detail::made_at;
using weft::detail::StreamAccess;
using weft::detail::StreamPtr;

// --- PipeStream ---

PipeStream PipeStream::connect(std::string_view path, PipeOptions options,
                               const SourceLocation& at) {
  return StreamAccess::make<PipeStream>(made_at(at, await_leaf<StreamPtr>(
                                                        "connect",
                                                        [&](Done<StreamPtr> done) {
                                                          return weft::detail::connect_pipe(
                                                              EventLoop::current("connect"), path,
                                                              options, done);
                                                        },
                                                        [] {})));
}

void PipeStream::connect(std::string_view path, PipeOptions options, Callback<PipeStream> done,
                         const SourceLocation& at) {
  Callback<StreamPtr> to_stream = [done = std::move(done), at](Result<StreamPtr> socket) mutable {
    if (!done) return;
    socket ? done(StreamAccess::make<PipeStream>(made_at(at, std::move(socket).value())))
           : done(socket.failure());
  };
  weft::detail::connect_pipe(EventLoop::current("connect"), path, options,
                             Done<StreamPtr>(to_stream));
}
void PipeStream::connect(std::string_view path, Callback<PipeStream> done,
                         const SourceLocation& at) {
  connect(path, PipeOptions{}, std::move(done), at);
}

std::pair<PipeStream, PipeStream> PipeStream::pair(PipeOptions options, const SourceLocation& at) {
  auto [first, second] = weft::detail::pipe_pair(EventLoop::current("pair"), options);
  return {StreamAccess::make<PipeStream>(made_at(at, std::move(first))),
          StreamAccess::make<PipeStream>(made_at(at, std::move(second)))};
}

PipeStream PipeStream::open(int fd, PipeOptions options, const SourceLocation& at) {
  Descriptor taken(fd);
  try {
    return StreamAccess::make<PipeStream>(
        made_at(at, weft::detail::open_pipe(EventLoop::current("open"), taken,
                                            "fd " + std::to_string(fd), options)));
  } catch (...) {
    static_cast<void>(taken.release());
    throw;
  }
}

// --- PipeListener ---

PipeListener PipeListener::bind(std::string_view path, PipeListenOptions options,
                                const SourceLocation& at) {
  return StreamAccess::make<PipeListener>(
      made_at(at, weft::detail::listen_pipe(EventLoop::current("bind"), path, options)));
}

std::string PipeListener::path() const {
  return static_cast<weft::detail::PipeServer&>(block("path")).name();
}

}  // namespace weft::io
