// expect: the main function returns nothing, or the exit status
#include <string>

#include <weft/runtime/run.h>

int main() {
  return weft::run([] { return std::string("done"); });
}
