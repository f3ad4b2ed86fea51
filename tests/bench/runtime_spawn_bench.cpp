// Spawning a fiber and joining it, with a pooled stack.
#include <memory>
#include <vector>

#include <boost/context/detail/fcontext.hpp>
#include <boost/fiber/all.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>

#include "hooks.h"
#include "rounds.h"
#include <weft/ctx/async_local.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>

namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// A new context on a stack that is at hand, entered and left: no queue, no record, no result.
double raw_context(long n) {
  std::vector<char> stack(64 * 1024);
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) {
      const auto entry = [](transfer_t back) { jump_fcontext(back.fctx, nullptr); };
      bench::keep(
          jump_fcontext(make_fcontext(stack.data() + stack.size(), stack.size(), entry), nullptr));
    }
  });
}

double boost_pooled(long n) {
  boost::fibers::pooled_fixedsize_stack stacks;
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) {
      boost::fibers::fiber(std::allocator_arg, stacks, [] {}).join();
    }
  });
}

// The fiber inherits a context, as one that serves a request does.
double weft_pooled(long n) {
  const weft::AsyncLocal<int> request;
  double ns = 0;
  weft::run([&request, n, &ns] {
    request.run(1, [n, &ns] {
      ns = bench::nanoseconds([n] {
        for (long i = 0; i < n; ++i) weft::spawn([] {}).join();
      });
    });
  });
  return ns;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("spawn + join", "ns",
                 {{"floor", "make_fcontext + jump", raw_context},
                  {"peer", "Boost.Fiber pooled", boost_pooled},
                  {"ours", "weft", weft_pooled}});
  bench::compare_hooks(rounds, "hooks: spawn + join", weft_pooled);
  return rounds.status();
}
