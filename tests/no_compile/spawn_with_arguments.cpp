// expect: spawn takes a function without arguments
#include <weft/runtime/task.h>

void serve(int connection);
void start() {
  weft::spawn(serve, 7);
}
