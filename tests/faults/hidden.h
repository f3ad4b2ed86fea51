// hidden: the definition of a call that this program's own hides.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

#include <weft/tests/faults/injector.h>

namespace weft::test {

template <std::size_t kBytes>
struct CallName {
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is to be a template argument
  consteval CallName(const char (&literal)[kBytes]) noexcept { std::copy_n(literal, kBytes, text); }
  char text[kBytes];
};

// Looked up at the first call, which may come before anything of ours is constructed.
template <CallName kName, typename Function>
Function* hidden() noexcept {
  static constinit std::atomic<Function*> known = nullptr;
  Function* found = known.load(std::memory_order_relaxed);
  if (found == nullptr) {
    found = reinterpret_cast<Function*>(hidden_definition(kName.text));
    known.store(found, std::memory_order_relaxed);
  }
  return found;
}

}  // namespace weft::test
