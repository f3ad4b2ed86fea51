// offload: what it costs to have an empty function run on another thread and to come back.
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include <uv.h>

#include "rounds.h"
#include <weft/runtime/offload.h>
#include <weft/runtime/run.h>

namespace {

// As a C program works: what comes back starts the next one.
struct UvWorker {
  uv_loop_t loop;
  uv_work_t work;
  long left;

  void next() {
    uv_queue_work(
        &loop, &work, [](uv_work_t*) {},
        [](uv_work_t* done, int) {
          auto& self = *static_cast<UvWorker*>(done->data);
          if (--self.left > 0) self.next();
        });
  }
};

double uv_work(long n) {
  UvWorker worker{{}, {}, n};
  uv_loop_init(&worker.loop);
  worker.work.data = &worker;
  const double ns = bench::nanoseconds([&] {
    worker.next();
    uv_run(&worker.loop, UV_RUN_DEFAULT);
  });
  uv_loop_close(&worker.loop);
  return ns;
}

double fiber_offload(long n) {
  double ns = 0;
  weft::run([&] {
    ns = bench::nanoseconds([&] {
      for (long i = 0; i < n; ++i) weft::offload([] {});
    });
  });
  return ns;
}

double callback_offload(long n) {
  double ns = 0;
  weft::run([&] {
    long left = n;
    std::function<void()> next;
    const auto from = std::chrono::steady_clock::now();
    weft::await<void>([&](weft::Callback<void> done) {
      next = [&, done = std::make_shared<weft::Callback<void>>(std::move(done))] {
        weft::offload([] {},
                      [&, done](const weft::Result<void>&) {
                        if (--left > 0) return next();
                        (*done)(weft::Result<void>());
                      });
      };
      next();
    });
    const auto spent = std::chrono::steady_clock::now() - from;
    ns = std::chrono::duration<double, std::nano>(spent).count();
  });
  return ns;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("offload an empty function", "ns",
                 {{"floor", "uv_queue_work", uv_work},
                  {"ours", "weft fiber", fiber_offload},
                  {"ours", "weft callback", callback_offload}});
  return rounds.status();
}
