// expect: nodiscard
#pragma GCC diagnostic error "-Wunused-result"
#include <weft/ctx/async_local.h>

// The scope would end within the statement, and the value never be seen.
void set(const weft::AsyncLocal<int>& local) {
  local.scope(1);
}
