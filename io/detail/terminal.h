// Terminal: the block behind a Tty.
#pragma once

#include <optional>
#include <string>

#include <weft/io/detail/exit_restore.h>
#include <weft/io/detail/stream.h>
#include <weft/io/tty.h>

namespace weft::detail {

class Terminal final : public Stream {
 public:
  // `copy` is a duplicate of a terminal's descriptor; `name` is for messages.
  Terminal(EventLoop& loop, Descriptor copy, std::string name);

  Result<void> set_mode(io::TtyMode mode);
  uv_tty_t* tty() noexcept { return &handle_; }
  // What is typed can still be read.
  void end_without_shutdown() noexcept override {}

 protected:
  std::string peer_name() override { return name_; }
  int true_end(int code) noexcept override;
  void begin_close() noexcept override { restore_.reset(); }

 private:
  ~Terminal() override = default;

  Result<void> set_normal();

  std::string name_;
  std::optional<TerminalRestore> restore_;  // while the settings are not those it had
  uv_tty_t handle_;
};

using TerminalPtr = HandlePtr<Terminal>;

// `fd` stays the caller's, and blocks as it did; `name` is for messages.
// Errors: std::system_error when it is no terminal.
TerminalPtr open_terminal(EventLoop& loop, int fd, const std::string& name);

}  // namespace weft::detail
