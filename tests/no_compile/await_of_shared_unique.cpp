// expect: take it with std::move(future).await()
#include <memory>

#include <weft/runtime/promise.h>

// Others may hold this future too, and there is one value.
std::unique_ptr<int> value_of(const weft::Future<std::unique_ptr<int>>& future) {
  return future.await();
}
