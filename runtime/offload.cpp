#include <weft/ctx/detail/call_scope.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/offload_work.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

Offload::Offload()
    : loop_(&EventLoop::current("offload")),
      resource_("OFFLOAD"),
      frame_(PortableFrame::capture(ResourceAccess::frame(resource_).get())) {}

std::optional<Error> Offload::start(Pool& pool) {
  auto error = start_work(*loop_, pool, *this);
  if (error) error->doing.insert(0, "offload: ");
  return error;
}

void Offload::run() noexcept {
  const CallScope scope(resource_, std::move(frame_).take());
  try {
    call();
  } catch (...) {
    thrown_ = std::current_exception();
  }
}

Error Offload::failure(bool was_cancelled) noexcept {
  if (was_cancelled) return uv_error(UV_ECANCELED, "offload");
  Error error = uv_error(
      UV_UNKNOWN, text_or_nothing([&] { return "offload: " + describe_exception(thrown_); }));
  try {
    std::rethrow_exception(thrown_);
  } catch (const std::system_error& thrown) {
    error.code = thrown.code();
  } catch (...) {  // NOLINT(bugprone-empty-catch): it goes on in the error
  }
  error.exception = std::move(thrown_);
  return error;
}

}  // namespace weft::detail
