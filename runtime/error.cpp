#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <uv.h>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>

namespace weft {
namespace {

// Of one of libuv's codes. libuv does not name all of the system's.
std::string name_of(int code) {
  char text[64];
  uv_err_name_r(code, text, sizeof text);
#ifdef __GLIBC__
  if (std::string_view(text).starts_with("Unknown")) {
    if (const char* const name = strerrorname_np(-code)) return name;
  }
#endif
  return text;
}

class UvCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "uv"; }

  std::string message(int code) const override {
    char text[128];
    uv_strerror_r(code, text, sizeof text);
#ifdef __GLIBC__
    if (std::string_view(text).starts_with("Unknown")) {
      if (const char* const known = strerrordesc_np(-code)) {
        return std::string(known) + " (" + name_of(code) + ")";
      }
    }
#endif
    return std::string(text) + " (" + name_of(code) + ")";
  }

  std::error_condition default_error_condition(int code) const noexcept override {
    // On Unix libuv's codes are negated errno values, but for its own beyond -3000.
    if (code < 0 && code > -3000) return {-code, std::generic_category()};
    return {code, *this};
  }
};

}  // namespace

const std::error_category& uv_category() noexcept {
  static const UvCategory category;
  return category;
}

std::string error_name(const std::error_code& code) {
  const std::error_category& category = code.category();
  if (!code) return {};
  if (category == uv_category()) return name_of(code.value());
  if (category == std::generic_category() || category == std::system_category()) {
    return name_of(uv_translate_sys_error(code.value()));
  }
  return std::string(category.name()) + ":" + std::to_string(code.value());
}

namespace detail {

const Error& ErrorBox::out_of_memory() noexcept {
  static const Error error{std::error_code(UV_ENOMEM, uv_category()), {}};
  return error;
}

Error uv_error(int code, std::string doing) {
  return {std::error_code(code, uv_category()), std::move(doing)};
}

void uv_check(int code, const std::string& doing) {
  if (code < 0) uv_error(code, doing).raise();
}

void uv_must(int code) noexcept {
  if (code >= 0) return;
  std::fprintf(stderr, "weft: libuv refused a call it never should: %s\n", uv_strerror(code));
  std::abort();
}

void raise_empty_callback(const char* what) {
  throw UsageError(std::string(what) + ": the callback is empty; give a function to call");
}

void check_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "weft: broken invariant: %s (%s:%d)\n", what, file, line);
  std::abort();
}

}  // namespace detail
}  // namespace weft
