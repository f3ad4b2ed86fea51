// FsEvent: tells what happens to a file, or to the names in a directory.
//
//   auto watch = io::FsEvent::watch("/etc/app");
//   for (;;) {
//     const io::FsChange change = watch.next();
//     if (change.overflowed || change.name == "app.conf") reload();
//   }
//
// What happens while nobody takes it is kept, one change for each name, up to
// FsEventOptions::pending_max names; beyond it all of it becomes one change that says
// `overflowed`: look at everything anew. The kernel has a queue of its own below this one,
// 16384 events on most systems, and libuv does not tell when that one overflows.
//
// One watch is for one directory, not for those below it. A file is watched by what it is,
// not by its name: a program that saves by renaming a new file over it leaves this one
// behind. Watch the directory to see that, or use FsPoll.
// Source: Node `fs.watch`; uv_fs_event_t, inotify(7).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/drop_handle.h>
#include <weft/runtime/source_location.h>

namespace weft {

namespace detail {
class FsWatch;
}  // namespace detail

namespace io {

struct FsChange {
  std::string name = {};    // in the directory; of a file that is watched itself, its own
  bool renamed = false;     // the name came or went: created, removed, moved; Node's 'rename'
  bool changed = false;     // the content or what is known of it; Node's 'change'
  bool overflowed = false;  // more happened than was kept; `name` is empty

  friend bool operator==(const FsChange&, const FsChange&) = default;
};

struct FsEventOptions {
  // Below the directory as well. Not on Linux: an error there.
  bool recursive = false;
  // Names that are kept while nobody takes them.
  std::size_t pending_max = 1024;
};

class FsEvent {
 public:
  // Watches `path`, which must exist.
  //
  // Context: loop thread
  // Errors:  no_such_file_or_directory, permission_denied; no_space_on_device (the
  //          system's limit of watches, fs.inotify.max_user_watches);
  //          operation_not_supported for `recursive` where the system has none. The
  //          text names the path. UsageError for a null character in it.
  static FsEvent watch(std::string_view path, FsEventOptions options = {},
                       const SourceLocation& at = SourceLocation::current());

  FsEvent(FsEvent&&) noexcept;
  FsEvent& operator=(FsEvent&&) noexcept;
  ~FsEvent();

  // Waits for a change.
  //
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, unless something has happened since the last.
  // Order:    of the first event of each name.
  // Errors:   operation_canceled (closed meanwhile); bad_file_descriptor (closed).
  //           UsageError for a second wait at a time, or together with on_change().
  // Cancel:   nothing is lost: the next wait gets what happens.
  FsChange next();
  void next(Callback<FsChange> done);

  // Calls the handler with each change, also with those that nobody took. Nothing is
  // merged then.
  // Errors: UsageError while a wait is pending.
  void on_change(UniqueFunction<void(FsChange change)> handler);
  // Called when watching fails; on Linux it does not once it has begun.
  void on_error(UniqueFunction<void(Error error)> handler);
  // Called once the watch is closed; handlers are dropped after it.
  void on_close(UniqueFunction<void()> handler);

  // Starts closing: a pending wait ends with operation_canceled.
  void close();
  bool is_closing() const noexcept;
  // Context: fiber
  void wait_closed();

  // Whether the watch keeps the loop alive; at first it does.
  void ref();
  void unref();
  AsyncId async_id() const;

 private:
  using Block = weft::detail::HandlePtr<weft::detail::FsWatch>;
  explicit FsEvent(Block block) noexcept;
  weft::detail::FsWatch& block(const char* what) const;

  Block block_;
};

}  // namespace io
}  // namespace weft
