// What a traced call came to, written into the trace's context.
//
// Node sets `context.result` and `context.error` on whatever object it is given. The
// same in C++: members of these names are set if the context has them and they can
// take the value; a context without them is as good.
#pragma once

#include <concepts>
#include <exception>
#include <system_error>
#include <type_traits>

namespace weft::detail {

template <typename Context, typename Value>
void note_result(Context& context, const Value& value) {
  if constexpr (requires {
                  requires std::convertible_to<const Value&, decltype(context.result)>;
                }) {
    context.result = value;
  }
}

template <typename Context>
void note_error(Context& context, const std::exception_ptr& error) {
  if constexpr (requires { context.error = error; }) context.error = error;
}

// weft's Result<T>, by its verbs: ctx/ does not know the type.
template <typename T>
concept ResultLike = requires(const T& outcome) {
  static_cast<bool>(outcome);
  { outcome.error() } -> std::convertible_to<std::error_code>;
  outcome.value();
};

template <typename T>
concept ErrorLike = std::same_as<T, std::error_code> || std::same_as<T, std::exception_ptr>;

inline const std::exception_ptr& as_exception(const std::exception_ptr& error) {
  return error;
}
inline std::exception_ptr as_exception(const std::error_code& error) {
  return std::make_exception_ptr(std::system_error(error));
}
template <ResultLike R>
std::exception_ptr as_exception(const R& outcome) {
  try {
    outcome.value();  // its text says more than its code
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

// Notes what a callback was called with: a Result, an error first and then perhaps a
// result, or a result alone. Returns whether it was an error.
template <typename Context>
bool note_outcome(Context& /*context*/) {
  return false;
}
template <typename Context, typename First, typename... Rest>
bool note_outcome(Context& context, const First& first, const Rest&... rest) {
  if constexpr (ResultLike<First> || ErrorLike<First>) {
    const bool says_yes = static_cast<bool>(first);
    if (ErrorLike<First> ? says_yes : !says_yes) {
      note_error(context, as_exception(first));
      return true;
    }
  }
  if constexpr (ErrorLike<First>) {
    note_outcome(context, rest...);
  } else if constexpr (!ResultLike<First>) {
    note_result(context, first);
  } else if constexpr (!std::is_void_v<decltype(first.value())>) {
    note_result(context, first.value());
  }
  return false;
}

}  // namespace weft::detail
