// What a user writes first: one fiber starts another and waits for it.
#include <chrono>
#include <cstdio>

#include <weft/io/tcp.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>

int main() {
  return weft::run([] {
    auto task = weft::spawn([] { weft::sleep_for(std::chrono::milliseconds(1)); });
    task.join();
    std::puts("woven");
  });
}
