// expect: deleted
#include <weft/runtime/promise.h>

// Two owners of one producing end could not tell when it is dropped.
weft::Promise<int> copy_of(const weft::Promise<int>& promise) {
  return promise;
}
