// FsPoll: looks at a file again and again, and tells when it is another.
//
//   auto poll = io::FsPoll::watch("/mnt/share/app.conf", {.interval = 1s});
//   for (;;) if (poll.next().current.is_file()) reload();
//
// For where FsEvent sees nothing: network file systems, /proc, a name whose file is
// replaced or does not exist yet. What happens between two looks is one change, or none
// when it ends as it began. Time is the loop's: a virtual clock drives it.
// Source: Node `fs.watchFile`; uv_fs_poll_t, which has a clock of its own.
#pragma once

#include <chrono>
#include <memory>
#include <string_view>
#include <system_error>

#include <weft/ctx/async_id.h>
#include <weft/ctx/unique_function.h>
#include <weft/io/file_stat.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/drop_handle.h>
#include <weft/runtime/source_location.h>

namespace weft {

namespace detail {
class FsPoller;
}  // namespace detail

namespace io {

struct FsPollChange {
  FileStat current;
  FileStat previous;
  // Why there is no `current`, mostly no_such_file_or_directory; both stats are then, or
  // were, as FileStat() is.
  std::error_code error;
};

struct FsPollOptions {
  // Units: whole milliseconds, at least one. Node's default.
  std::chrono::milliseconds interval = std::chrono::milliseconds(5007);
};

class FsPoll {
 public:
  // Looks at `path` now, which is no change, and from then on every `interval`. A path
  // that cannot be looked at is a change at once, and no more until it can.
  //
  // Context: loop thread
  // Order:   the looks are at multiples of `interval`; one that takes longer skips some.
  // Errors:  none for the path: FsPollChange::error. UsageError for an interval below 1 ms, and
  //          for a null character in the path.
  static FsPoll watch(std::string_view path, FsPollOptions options = {},
                      const SourceLocation& at = SourceLocation::current());

  FsPoll(FsPoll&&) noexcept;
  FsPoll& operator=(FsPoll&&) noexcept;
  ~FsPoll();

  // Waits for a change: of size, mode, owner, identity or a time other than the last access.
  // Changes that nobody took are one, from the first's `previous` to the last's `current`.
  //
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, unless one has come since the last wait.
  // Errors:   operation_canceled (closed meanwhile); bad_file_descriptor (closed).
  //           UsageError for a second wait at a time, or together with on_change().
  // Cancel:   nothing is lost: the next wait gets what happens.
  FsPollChange next();
  void next(Callback<FsPollChange> done);

  // Calls the handler with each change, also with one that nobody took.
  // Errors: UsageError while a wait is pending.
  void on_change(UniqueFunction<void(FsPollChange change)> handler);
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
  using Block = weft::detail::HandlePtr<weft::detail::FsPoller>;
  explicit FsPoll(Block block) noexcept;
  weft::detail::FsPoller& block(const char* what) const;

  Block block_;
};

}  // namespace io
}  // namespace weft
