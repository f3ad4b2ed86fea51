// A yield and its way back: two switches, through the scheduler.
#include <vector>

#include <boost/context/detail/fcontext.hpp>
#include <boost/fiber/all.hpp>

#include "hooks.h"
#include "rounds.h"
#include <weft/runtime/fiber.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>

namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

double raw_jump(long n) {
  std::vector<char> stack(64 * 1024);
  transfer_t other{make_fcontext(stack.data() + stack.size(), stack.size(),
                                 [](transfer_t back) {
                                   for (;;) back = jump_fcontext(back.fctx, nullptr);
                                 }),
                   nullptr};
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) other = jump_fcontext(other.fctx, nullptr);
  });
}

double boost_fiber(long n) {
  const auto yield_times = [n] {
    for (long i = 0; i < n; ++i) boost::this_fiber::yield();
  };
  boost::fibers::fiber other(yield_times);
  const double ns = bench::nanoseconds(yield_times);
  other.join();
  return ns;
}

[[gnu::noinline]] void yield_times(long n) {
  for (long i = 0; i < n; ++i) weft::yield();
}

// Two fibers that run the same code, as those of a server do.
double weft_yield(long n) {
  double ns = 0;
  weft::run([n, &ns] {
    auto other = weft::spawn([n] { yield_times(n); });
    ns = bench::nanoseconds([n] { yield_times(n); });
    other.join();
  });
  return ns;
}

// The same from two places in the code: each return arrives where the other fiber called.
double weft_yield_two_places(long n) {
  double ns = 0;
  weft::run([n, &ns] {
    auto other = weft::spawn([n] {
      for (long i = 0; i < n; ++i) weft::yield();
    });
    ns = bench::nanoseconds([n] { yield_times(n); });
    other.join();
  });
  return ns;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("yield round trip", "ns",
                 {{"floor", "jump_fcontext", raw_jump},
                  {"peer", "Boost.Fiber", boost_fiber},
                  {"ours", "weft", weft_yield},
                  {"ours", "weft, from two places", weft_yield_two_places}});
  bench::compare_hooks(rounds, "hooks: yield", weft_yield);
  return rounds.status();
}
