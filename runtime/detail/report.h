// What weft tells people when something is wrong, on standard error.
#pragma once

#include <exception>
#include <string>

#include <weft/ctx/async_id.h>
#include <weft/runtime/error.h>

struct uv_loop_s;

namespace weft::detail {

class EventLoop;
class Fiber;

// "FIBER 7 'conn' (spawned at server.cpp:41)"
std::string describe(const Fiber& fiber);
// The same of a fiber of `loop`, and whether it has ended.
std::string describe_fiber(const EventLoop& loop, AsyncId id);

void report(const Deadlock& deadlock) noexcept;

// `what` is what kind of error it is: "uncaught error".
void report_uncaught(const EventLoop& loop, const std::exception_ptr& error,
                     const char* what) noexcept;
void report_open_handles(uv_loop_s* loop) noexcept;

}  // namespace weft::detail
