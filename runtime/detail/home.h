// Home: the loop of an object that has no id (ctx/detail/home.h has the rule). What is made
// outside of loops, as globals are, belongs to the loop that uses it first; what outlives
// its loop, to the next.
#pragma once

#include <cstdint>
#include <type_traits>

#include <weft/ctx/detail/home.h>
#include <weft/runtime/detail/fiber.h>

namespace weft::detail {

class Home {
 public:
  constexpr Home() noexcept : source_(std::is_constant_evaluated() ? 0 : runtime_thread.source) {}

  // Errors: UsageError, which names `what`, elsewhere.
  void check(const char* what) const {
    if (source_ != runtime_thread.source && !may_move()) [[unlikely]]
      raise_elsewhere(what);
  }
  void require(const char* what) const noexcept {
    if (source_ != runtime_thread.source && !may_move()) [[unlikely]]
      die_elsewhere(what);
  }

 private:
  // Moves it to the running loop, unless it is another thread's.
  [[gnu::noinline]] bool may_move() const noexcept;

  mutable std::uint32_t source_;  // as RuntimeThread's; 0: no loop's
};

}  // namespace weft::detail
