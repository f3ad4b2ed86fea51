// FsWatch: the block behind an FsEvent.
#pragma once

#include <deque>
#include <string>

#include <uv.h>

#include <weft/ctx/async_id.h>
#include <weft/ctx/detail/thread_state.h>
#include <weft/io/detail/feed.h>
#include <weft/io/fs_event.h>

namespace weft::detail {

class FsWatch final : public Feed<io::FsChange> {
 public:
  FsWatch(EventLoop& loop, std::string path, const io::FsEventOptions& options);

  // Begins to watch.
  // Errors: std::system_error.
  void start();

  void on_error(UniqueFunction<void(Error)> handler) { error_handler_.set(std::move(handler)); }

 protected:
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&handle_); }
  std::string describe() const noexcept override {
    return text_or_nothing([&] { return "watch " + path_; });
  }
  bool has_kept() const noexcept override { return has_overflowed_ || !kept_.empty(); }
  Kept take_kept() override;
  void drop_handlers() noexcept override;
  void begin_close() noexcept override { closed_by_ = running_async_id(); }
  void tell_closed(PersistentHandler<>& handler) override;

 private:
  ~FsWatch() override = default;

  static void on_event(uv_fs_event_t* handle, const char* name, int events, int status);
  void failed(int code);
  void keep(io::FsChange change) noexcept;

  uv_fs_event_t handle_;
  const std::string path_;
  const io::FsEventOptions options_;
  std::deque<io::FsChange> kept_;  // one for each name
  bool has_overflowed_ = false;    // then `kept_` is empty
  AsyncId closed_by_ = 0;          // what ran then
  PersistentHandler<Error> error_handler_;
};

}  // namespace weft::detail
