// expect: use Future<T>
#include <weft/runtime/promise.h>

// resolve() with a future makes the promise follow it: nobody would ever see the inner one.
weft::Promise<weft::Future<int>> promise;
int use = promise.future().await().await();
