// FailuresOf: errors that ctx/ hands to the loop, as lines of a trace.
//
//   test::FailuresOf failures{trace};  // "failed: boom (std::runtime_error)"
//
// Stands where a loop would take them to its uncaught handler. One at a time.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/detail/thread_state.h>
#include <weft/tests/support/trace.h>

namespace weft::test {

class FailuresOf {
 public:
  explicit FailuresOf(Trace& trace) {
    current = &trace;
    outer_ = std::exchange(detail::thread_state.fail_later, &note);
  }
  FailuresOf(const FailuresOf&) = delete;
  FailuresOf& operator=(const FailuresOf&) = delete;
  ~FailuresOf() { detail::thread_state.fail_later = outer_; }

 private:
  static void note(const std::exception_ptr& error) {
    current->push_back("failed: " + detail::describe_exception(error));
  }

  inline static thread_local Trace* current = nullptr;
  void (*outer_)(const std::exception_ptr&) = nullptr;
};

}  // namespace weft::test
