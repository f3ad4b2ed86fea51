// FileStream: the block behind a stream of a file, which cannot be polled.
//
// A file never makes its reader wait for somebody else, so it is read and written where
// the loop runs, as Node writes standard output to a file: a chunk in each turn while
// somebody reads, so that others have theirs, and all at once when it is written.
#pragma once

#include <string>

#include <weft/io/detail/descriptor.h>
#include <weft/io/detail/stream.h>

namespace weft::detail {

class FileStream final : public Stream {
 public:
  FileStream(EventLoop& loop, Descriptor fd, std::string name);

  int descriptor() override;

 protected:
  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&turns_); }
  std::string peer_name() override { return name_; }
  int begin_reading() noexcept override;
  void end_reading() noexcept override { uv_idle_stop(&turns_); }
  int write_synchronously(std::span<uv_buf_t> pieces) noexcept override;
  void begin_close() noexcept override { fd_.reset(); }

 private:
  ~FileStream() override = default;

  void read_chunk() noexcept;

  uv_idle_t turns_;  // active while it is read
  Descriptor fd_;
  std::string name_;
};

}  // namespace weft::detail
