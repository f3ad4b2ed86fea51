// expect: all reactions of one then() give the same type
#include <string>

#include <weft/runtime/promise.h>

// The future of both is one.
void react(const weft::Future<int>& future) {
  future.then([](int value) { return value; }, [](std::exception_ptr) { return std::string(); });
}
