// Descriptor: a file descriptor that is closed unless it is handed on.
#pragma once

#include <cerrno>
#include <string>
#include <unistd.h>
#include <utility>

#include <uv.h>

#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept {
    if (fd_ >= 0) ::close(release());
  }

 private:
  int fd_ = -1;  // -1: none
};

// Returns what a system call returned. The text is put together only where it failed: a
// compiler may make an argument behind the call, and what that opened would be lost where
// there is no memory for the text.
// Errors: std::system_error with errno when that is negative.
template <typename... Text>
int must_succeed(int result, const Text&... doing) {
  if (result < 0) uv_check(uv_translate_sys_error(errno), (std::string() + ... + doing));
  return result;
}

}  // namespace weft::detail
