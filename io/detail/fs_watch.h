// FsWatch: the block behind an FsEvent.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include <uv.h>

#include <weft/io/fs_event.h>
#include <weft/runtime/detail/handle.h>

namespace weft::detail {

class FsWatch final : public Handle {
 public:
  FsWatch(EventLoop& loop, std::string path, const io::FsEventOptions& options);

  // Begins to watch.
  // Errors: std::system_error.
  void start();

  // Leaf.
  std::optional<Result<io::FsChange>> next(Done<io::FsChange> done);
  // Ends the pending wait with operation_canceled.
  void cancel_next();

  void on_change(UniqueFunction<void(io::FsChange)> handler);
  void on_error(UniqueFunction<void(Error)> handler) { error_handler_.set(std::move(handler)); }

 protected:
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&handle_); }
  void end_pending() noexcept override;
  void drop_handlers() noexcept override;

 private:
  ~FsWatch() override = default;

  static void on_event(uv_fs_event_t* handle, const char* name, int events, int status);
  void happened(io::FsChange change);
  void failed(int code);
  void keep(io::FsChange change) noexcept;
  io::FsChange take_kept();
  bool has_kept() const noexcept { return has_overflowed_ || !kept_.empty(); }
  void deliver_kept();

  uv_fs_event_t handle_;
  const std::string path_;
  const io::FsEventOptions options_;
  std::deque<io::FsChange> kept_;  // that nobody took, one for each name
  bool has_overflowed_ = false;    // then `kept_` is empty
  int failure_ = 0;                // that nobody was told of; 0: none
  Completion<io::FsChange> next_;
  PersistentHandler<io::FsChange> change_handler_;
  PersistentHandler<Error> error_handler_;
};

}  // namespace weft::detail
