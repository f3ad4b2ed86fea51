// Listener: who waits for connections, of TCP or of pipes.
//
// Accepting exists twice, for fibers and for callbacks; a server without fibers sets
// on_connection's handler instead, as in Node. What holds for the owners of streams
// (stream.h) holds for those of listeners.
#pragma once

#include <cstdint>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>
#include <weft/io/stream.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/drop_handle.h>
#include <weft/runtime/result.h>

namespace weft {

namespace detail {
class Listener;
}  // namespace detail

namespace io {

struct ListenerStatistics {
  std::uint64_t accepted = 0;
  std::uint64_t accept_errors = 0;  // each followed by a pause
};

// What does not depend on the kind of connection.
class Listener {
 public:
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  // Called when accepting fails, as with EMFILE; the listener goes on, after the same
  // pause. Without a handler the first of such failures in a row is printed.
  void on_error(UniqueFunction<void(Error error)> handler);
  void on_close(UniqueFunction<void()> handler);

  void close();
  bool is_closing() const noexcept;
  // Context: fiber
  void wait_closed();

  // Whether the listener keeps the loop alive; at first it does.
  void ref();
  void unref();
  AsyncId async_id() const;
  ListenerStatistics statistics() const;
  // The descriptor, which stays the listener's: for options that weft does not have.
  // Errors: bad_file_descriptor (the listener is closed).
  int fd() const;

 protected:
  using Block = weft::detail::HandlePtr<weft::detail::Listener>;
  explicit Listener(Block block) noexcept;
  weft::detail::Listener& block(const char* what) const;

 private:
  friend struct weft::detail::StreamAccess;

  Block block_;
};

// A listener whose connections are of type `S`.
template <typename S>
class ListenerOf : public Listener {
 public:
  // Waits for a connection.
  //
  // Suspends: the form without `done`, unless one waits already.
  // Errors:   operation_canceled (closed meanwhile), bad_file_descriptor (closed);
  //           what accept(2) says, EMFILE above all: the next accept then waits for
  //           a pause, 5 ms at first and up to a second, and who waits is not lost.
  //           UsageError for a second accept at a time, or together with
  //           on_connection().
  // Cancel:   nothing is lost: the next accept gets what arrives.
  // Source:   accept(2). libuv's, which Node uses, drops all who wait at EMFILE.
  S accept();
  void accept(Callback<S> done);

  // Calls the handler with each connection; nobody else may accept then.
  void on_connection(UniqueFunction<void(S connection)> handler);

 protected:
  using Listener::Listener;
};

}  // namespace io
}  // namespace weft
