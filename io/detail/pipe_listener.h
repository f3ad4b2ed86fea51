// PipeServer: the block behind a PipeListener.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include <weft/io/detail/listener.h>
#include <weft/io/pipe_options.h>

namespace weft::detail {

class PipePath;

class PipeServer final : public Listener {
 public:
  PipeServer(EventLoop& loop, Descriptor socket, const io::PipeOptions& connection)
      : Listener(loop, "PIPESERVERWRAP", std::move(socket)), connection_(connection) {}

  // Binds and listens.
  // Errors: std::system_error.
  void open(const PipePath& at, const io::PipeListenOptions& options);
  // The socket listens already; its file is somebody else's.
  // Errors: std::system_error.
  void adopt();

  // "/run/x.sock", "@x" for an abstract name.
  std::string name() const override { return name_; }

 protected:
  Result<StreamPtr> wrap(Descriptor accepted) override;
  void begin_close() noexcept override;

 private:
  // The socket's file, which is removed when the listener closes.
  struct File {
    dev_t device;
    ino_t inode;
  };

  ~PipeServer() override = default;

  io::PipeOptions connection_;
  std::string name_;
  std::optional<File> file_;
};

using PipeServerPtr = HandlePtr<PipeServer>;

// Errors: std::system_error; UsageError for a path that cannot be one.
PipeServerPtr listen_pipe(EventLoop& loop, std::string_view path,
                          const io::PipeListenOptions& options);

}  // namespace weft::detail
