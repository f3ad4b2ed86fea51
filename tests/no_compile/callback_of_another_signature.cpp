// expect: this function has another signature than what is asked for
#include <weft/runtime/await.h>

// A callback gets a Result<int>, not an int.
void query(weft::Callback<int> done);
void ask() {
  query([](const char*) {});
}
