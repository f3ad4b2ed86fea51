// FsPoller: the block behind an FsPoll.
//
// An alarm, a stat on a thread of Pool::fs(), a comparison, and the alarm again. There is
// never more than one stat on its way; closing abandons it, and it frees itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <uv.h>

#include <weft/ctx/async_resource.h>
#include <weft/io/detail/feed.h>
#include <weft/io/fs_poll.h>
#include <weft/runtime/detail/timers.h>
#include <weft/runtime/detail/work.h>

namespace weft::detail {

class FsPoller;

class StatWork final : public Work {
 public:
  StatWork(FsPoller& poller, std::string path) : poller_(&poller), path_(std::move(path)) {}
  ~StatWork() override = default;

  // The poller's; null once it was let go of.
  const AsyncResource* resource() const noexcept override;
  // Its poller is closed: it frees itself.
  void leave_poller() noexcept { poller_ = nullptr; }

 private:
  void run() noexcept override;
  void end(bool was_cancelled) noexcept override;

  FsPoller* poller_;  // null: let go of
  const std::string path_;
  int code_ = 0;
  io::FileStat stat_;
};

class FsPoller final : public Feed<io::FsPollChange> {
 public:
  FsPoller(EventLoop& loop, std::string path, std::chrono::milliseconds interval);

  // Looks at the file.
  void look() noexcept;
  // `code` is the error's; 0: `stat` is what was found.
  void looked(int code, const io::FileStat& stat);

  void keep_alive(bool alive) noexcept;

 protected:
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&handle_); }
  std::string describe() const noexcept override {
    return text_or_nothing([&] { return "watch " + path_; });
  }
  bool has_kept() const noexcept override { return kept_.has_value(); }
  Kept take_kept() override;
  void begin_close() noexcept override;
  // While it looks, the work does.
  bool keeps_loop_alive() noexcept override { return alarm_.is_armed() && alarm_.is_referenced; }

 private:
  struct Interval : Alarm {
    explicit Interval(FsPoller& of) noexcept;
    FsPoller& poller;
  };

  ~FsPoller() override = default;

  void wait_for_next_look() noexcept;

  uv_idle_t handle_;  // never started; a close takes its turn
  const std::string path_;
  const std::uint64_t interval_ms_;
  Interval alarm_;
  std::unique_ptr<StatWork> work_;
  bool is_looking_ = false;  // the work is on its way
  std::uint64_t looked_at_ms_ = 0;
  bool has_looked_ = false;
  int code_ = 0;  // what the last look came to
  io::FileStat stat_;
  std::optional<io::FsPollChange> kept_;
};

}  // namespace weft::detail
