#include <string>

#include <uv.h>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/task_group.h>

namespace weft {
namespace {

std::string describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const GroupError& group) {  // says itself what it is
    return group.what();
  } catch (...) {
    return detail::describe_current_exception();
  }
}

std::string describe(const std::vector<std::exception_ptr>& errors) {
  std::string text = errors.size() == 1
                         ? "a task of a group failed:"
                         : std::to_string(errors.size()) + " tasks of a group failed:";
  for (const std::exception_ptr& error : errors) {
    text += "\n  ";
    for (const char c : describe(error)) {
      text += c;
      if (c == '\n') text += "  ";
    }
  }
  return text;
}

}  // namespace

GroupError::GroupError(std::vector<std::exception_ptr> errors)
    : std::runtime_error(describe(errors)),
      errors_(std::make_shared<const std::vector<std::exception_ptr>>(std::move(errors))) {}

namespace detail {

void raise_group_cancelled() {
  uv_error(UV_ECANCELED, "task_group").raise();
}

}  // namespace detail
}  // namespace weft
