// Three helpers for libuv's return codes, three meanings.
#pragma once

#include <new>
#include <string>

#include <weft/runtime/result.h>

namespace weft::detail {

// The world failed: an error for the caller to deliver.
Error uv_error(int code, std::string doing);
// What `describe` returns; nothing where there is no memory for it: the code says enough.
template <typename F>
std::string text_or_nothing(F&& describe) noexcept {
  try {
    return describe();
  } catch (const std::bad_alloc&) {
    return {};
  }
}
// The world failed in a synchronous call (bind, listen): throws std::system_error.
void uv_check(int code, const std::string& doing);
// libuv says weft used it wrongly: ends the process.
void uv_must(int code) noexcept;

}  // namespace weft::detail
