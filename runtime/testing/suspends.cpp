#include <string>

#include <weft/runtime/detail/fiber.h>
#include <weft/runtime/testing/run_test.h>
#include <weft/runtime/testing/suspends.h>

namespace weft::testing::detail {
namespace {

std::string place(SourceLocation at) {
  return std::string(at.file) + ":" + std::to_string(at.line) + ": ";
}

}  // namespace

SuspensionCount::SuspensionCount(const char* what)
    : fiber_(weft::detail::fiber_that_may_wait(what).resource.async_id()),
      hook_(create_hook({.after = [this](AsyncId id) {
        if (id == fiber_) ++count_;
      }})) {
  hook_.enable();
}

void SuspensionCount::check_some(SourceLocation at) const {
  if (count_ == 0) throw TestFailure(place(at) + "assert_suspends: the call did not suspend");
}

void SuspensionCount::check_none(SourceLocation at) const {
  if (count_ == 0) return;
  throw TestFailure(place(at) +
                    "assert_no_suspends: the call suspended, times: " + std::to_string(count_));
}

}  // namespace weft::testing::detail
