// ResourceType: the name of a kind of asynchronous work, as hooks see it.
//
// Made from a string literal; the few programs that compute names intern them.
// weft's own types carry Node's names (Timeout, TCPWRAP, ...).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace weft {

class ResourceType {
 public:
  template <std::size_t N>
  // NOLINTNEXTLINE(google-explicit-constructor): a literal reads as the name
  constexpr ResourceType(const char (&literal)[N]) noexcept : name_(literal) {
    static_assert(N > 1, "a resource type needs a name");
  }
  template <std::size_t N>
  ResourceType(char (&)[N]) = delete;  // a buffer may change or die: use intern()

  // A type whose name is computed. Names live until the process ends: for kinds
  // of work, not for single pieces of it.
  // Errors: UsageError when `name` is empty.
  // Context: any thread.
  static ResourceType intern(std::string_view name);

  const char* c_str() const noexcept { return name_; }
  std::string_view name() const noexcept { return name_; }

 private:
  struct Interned {};
  ResourceType(const char* name, Interned) noexcept : name_(name) {}

  const char* name_;
};

// The types weft itself emits.
// Source: Node `asyncWrapProviders`, which lists Node's.
std::span<const std::string_view> resource_types() noexcept;

}  // namespace weft
