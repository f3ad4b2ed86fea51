// The injector: one chosen call of a run fails, or all from a chosen one on.
//
//   const Injection injection({.row = row("read"), .error = EIO, .nth = 2});
//   scenario();
//   injection.has_failed();
//
// The program defines the calls itself (system_calls.cpp, uv_calls.cpp), so that it also
// gets those of libuv and the C++ library. While an Injection lives, the calls of its
// thread are counted, of other threads too where it says so; outside of one they pass
// through. One at a time.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>

#include <weft/tests/faults/calls.h>

namespace weft::test {

struct Fault {
  std::size_t row = 0;
  int error = 0;
  unsigned nth = 0;    // of the calls of that row, from 1; 0: none fails, they are counted
  bool lasts = false;  // those behind it fail, too

  // "read #2: EIO", "read from #2 on: EIO"
  std::string describe() const;
};

// "EIO", "UV_ENOMEM", "one byte"
std::string name_of_error(std::size_t row, int error);

using CallCounts = std::array<unsigned, kCallCount>;

class Injection {
 public:
  explicit Injection(const Fault& fault, bool counts_all_threads = false) noexcept;
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;
  ~Injection();

  bool has_failed() const noexcept;
  CallCounts counts() const noexcept;
};

// While one lives, the thread's calls pass through: for the side a scenario only plays.
class Unwatched {
 public:
  Unwatched() noexcept;
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
  ~Unwatched();
};

// Called from inside the poll of a run that goes on for ever, or waits for nothing; does
// not return.
using OnStuck = void (*)(const char* why);
void set_on_stuck(OnStuck on_stuck) noexcept;

// For the definitions of the calls.

// How this call is to fail; 0: not at all.
int injected(std::size_t row) noexcept;
// Whether the thread's calls are counted.
bool is_watched() noexcept;
// Bounds the turns of a run. Returns the timeout to poll with, no longer than a run may
// wait for anything.
int begin_poll(int timeout_ms) noexcept;
void end_poll(int timeout_ms, int result) noexcept;

// In a child that was forked: nothing fails there.
void forget_faults() noexcept;

// While one lives, descriptors made by the thread are libuv's own.
class UvSetup {
 public:
  enum class Calls : bool { kMayFail, kSucceed };
  explicit UvSetup(Calls calls) noexcept;
  UvSetup(const UvSetup&) = delete;
  UvSetup& operator=(const UvSetup&) = delete;
  ~UvSetup();

 private:
  Calls calls_;
};
// Whether one says that calls which make descriptors succeed.
bool must_succeed() noexcept;
void note_made(int fd) noexcept;
void note_closed(int fd) noexcept;
bool is_uv_own(int fd) noexcept;

// The definition of `name` that this program's hides: a sanitizer's, else the system's.
void* hidden_definition(const char* name) noexcept;

}  // namespace weft::test
