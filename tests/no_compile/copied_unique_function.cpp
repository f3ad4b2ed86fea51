// expect: UniqueFunction(const
#include <weft/ctx/unique_function.h>

// What a UniqueFunction holds may be an owner, which has no copy.
weft::UniqueFunction<void()> copy_of(const weft::UniqueFunction<void()>& f) {
  return f;
}
