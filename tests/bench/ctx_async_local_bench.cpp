// AsyncLocal: reading it, setting it for a call, and carrying it along.
#include <deque>
#include <string>

#include "rounds.h"
#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/capture.h>

namespace {

using weft::AsyncLocal;

// What cannot be avoided: a thread-local pointer, an array behind it, a count in it.
struct PlainFrame {
  long count = 1;
  long values[8] = {};
};
PlainFrame plain_frame;
__attribute__((tls_model("initial-exec"))) thread_local constinit PlainFrame* current =
    &plain_frame;

double plain_get(long n) {
  return bench::nanoseconds([n] {
    for (long i = 0; i < n; ++i) bench::keep(current->values[7]);
  });
}

double plain_capture(long n) {
  return bench::nanoseconds([n] {
    for (long i = 0; i < n; ++i) {
      PlainFrame* const captured = current;
      ++captured->count;
      bench::keep(captured);
      --captured->count;
    }
  });
}

// A frame of one local on the heap, with nothing in it.
double heap_frame(long n) {
  return bench::nanoseconds([n] {
    for (long i = 0; i < n; ++i) {
      void* const frame = ::operator new(32);
      bench::keep(frame);
      ::operator delete(frame);
    }
  });
}

// `count` locals with a value each, until it dies.
class Locals {
 public:
  explicit Locals(int count) : locals_(static_cast<std::size_t>(count)) {
    for (const auto& local : locals_) local.enter_with(7);
  }
  Locals(const Locals&) = delete;
  Locals& operator=(const Locals&) = delete;
  ~Locals() {
    for (const auto& local : locals_) local.disable();
  }
  const AsyncLocal<long>& last() const { return locals_.back(); }

 private:
  std::deque<AsyncLocal<long>> locals_;
};

bench::Side get(int count) {
  return {"ours", "weft", [count](long n) {
            const Locals locals(count);
            const AsyncLocal<long>& local = locals.last();
            return bench::nanoseconds([&] {
              for (long i = 0; i < n; ++i) bench::keep(local.get());
            });
          }};
}

bench::Side run(int count) {
  return {"ours", "weft", [count](long n) {
            const Locals locals(count);
            const AsyncLocal<long>& local = locals.last();
            return bench::nanoseconds([&] {
              for (long i = 0; i < n; ++i) local.run(i, [] { bench::keep(0); });
            });
          }};
}

double capture(long n) {
  const Locals locals(1);
  return bench::nanoseconds([n] {
    for (long i = 0; i < n; ++i) {
      const weft::detail::FrameRef captured = weft::detail::capture();
      bench::keep(captured.get());
    }
  });
}

std::string with_count(const char* what, int count) {
  return what + std::to_string(count) + (count == 1 ? " local" : " locals");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  for (const int count : {1, 8, 16, 64}) {
    rounds.compare(with_count("AsyncLocal get, ", count), "ns",
                   {{"floor", "thread-local array", plain_get}, get(count)});
  }
  for (const int count : {1, 2, 3, 4}) {
    rounds.compare(with_count("AsyncLocal run, ", count), "ns",
                   {{"floor", "new + delete", heap_frame}, run(count)});
  }
  rounds.compare("capture", "ns",
                 {{"floor", "count up + down", plain_capture}, {"ours", "weft", capture}});
  return rounds.status();
}
