// expect: this function has another signature than what is asked for
#include <weft/ctx/hooks.h>

// `init` is told id, type, trigger and resource.
auto watch() {
  return weft::create_hook({.init = [](weft::AsyncId) {}});
}
