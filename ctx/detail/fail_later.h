// fail_later: where an error goes that must not stop the code it interrupts.
//
// A subscriber of a diagnostics channel that fails is not the publisher's fault.
// ctx/ has no loop to fail later on, so the loop of the thread leaves a function in
// ThreadState: it takes the error to the uncaught handler after the running callback,
// in the context of this moment. On a thread without a loop the error is printed.
// Source: Node, which throws such errors on the next tick.
#pragma once

#include <exception>

namespace weft::detail {

void fail_later(const std::exception_ptr& error) noexcept;

}  // namespace weft::detail
