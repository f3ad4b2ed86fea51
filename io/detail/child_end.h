// ChildEnd: tells of the end of one child, by a descriptor of the process (pidfd).
//
// libuv waits for SIGCHLD, and says nothing of a child whose status somebody else in the
// program has taken: a wait would last for ever. A pidfd becomes readable once its child
// has ended, whoever reaps it, and is no signal that could be held back. Where there is
// none (before Linux 5.4, or for want of descriptors) libuv tells alone.
#pragma once

#include <uv.h>

#include <weft/io/process.h>
#include <weft/runtime/result.h>

namespace weft::detail {

class ChildProcess;

class ChildEnd {
 public:
  // For `child`, which outlives it until close(); null: there is no such descriptor.
  static ChildEnd* watch(uv_loop_t* uv, int pid, ChildProcess& child) noexcept;

  ChildEnd(const ChildEnd&) = delete;
  ChildEnd& operator=(const ChildEnd&) = delete;
  // Tells no more; frees itself when libuv has closed it.
  void close() noexcept;

 private:
  ChildEnd(int fd, ChildProcess& child) noexcept : fd_(fd), child_(child) {}
  ~ChildEnd() = default;

  void is_readable() noexcept;

  int fd_;
  ChildProcess& child_;
  uv_poll_t poll_ = {};
};

}  // namespace weft::detail
