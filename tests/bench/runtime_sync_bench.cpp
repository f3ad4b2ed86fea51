// Mutex and Semaphore: free ones, and handed over between two fibers.
#include <cstdlib>
#include <mutex>

#include <boost/fiber/all.hpp>

#include "rounds.h"
#include <weft/runtime/fiber.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/run.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/task.h>

namespace {

// The least a lock can be: look whether it is free, take it, look whose it is, free it.
double raw_owner(long n) {
  long owner = 0;
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) {
      bench::keep(&owner);
      if (owner != 0) std::abort();
      owner = 7;
      bench::keep(&owner);
      if (owner != 7) std::abort();
      owner = 0;
    }
  });
}

// The least a semaphore can be.
double raw_count(long n) {
  long count = 1;
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) {
      bench::keep(&count);
      if (count == 0) std::abort();
      --count;
      bench::keep(&count);
      ++count;
    }
  });
}

template <typename Lockable>
double lock_and_unlock(long n) {
  Lockable mutex;
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) {
      mutex.lock();
      bench::keep(&mutex);
      mutex.unlock();
    }
  });
}

// What `cost(n)` says on a fiber.
double on_fiber(double (*cost)(long), long n) {
  double ns = 0;
  weft::run([&] { ns = cost(n); });
  return ns;
}

double weft_mutex(long n) {
  return on_fiber(lock_and_unlock<weft::Mutex>, n);
}

double acquire_and_release(long n) {
  weft::Semaphore semaphore(1);
  return bench::nanoseconds([&] {
    for (long i = 0; i < n; ++i) {
      semaphore.acquire();
      bench::keep(&semaphore);
      semaphore.release();
    }
  });
}

double weft_semaphore(long n) {
  return on_fiber(acquire_and_release, n);
}

// One place in the code for both fibers, as a server's have.
template <typename Step>
[[gnu::noinline]] void repeat(long n, Step step) {
  for (long i = 0; i < n; ++i) step();
}

// Two fibers that do `step` by turns, n times together; what that takes.
template <typename Step>
double by_turns(long n, Step step) {
  auto other = weft::spawn([n, step] { repeat(n / 2, step); });
  const double ns = bench::nanoseconds([n, step] { repeat(n / 2, step); });
  other.join();
  return ns;
}

// One way: half of the round trip that runtime_switch_bench tells.
double yields(long n) {
  return by_turns(n, [] { weft::yield(); });
}

// The other waits whenever one has it, so that each unlock hands over and each lock parks.
double mutex_handovers(long n) {
  weft::Mutex mutex;
  const auto hand_over = [&mutex] {
    mutex.unlock();
    mutex.lock();
  };
  mutex.lock();
  auto other = weft::spawn([n, &mutex, hand_over] {
    const std::scoped_lock lock(mutex);
    repeat(n / 2, hand_over);
  });
  weft::yield();  // until the other waits
  const double ns = bench::nanoseconds([n, hand_over] { repeat(n / 2, hand_over); });
  mutex.unlock();
  other.join();
  return ns;
}

// Each fiber takes what the other gives.
double semaphore_handovers(long n) {
  weft::Semaphore there(0);
  weft::Semaphore back(0);
  const auto pass = [](weft::Semaphore& give, weft::Semaphore& take) {
    return [&give, &take] {
      give.release();
      take.acquire();
    };
  };
  auto other = weft::spawn([&, n] {
    there.acquire();
    repeat(n / 2 - 1, pass(back, there));
    back.release();
  });
  const double ns = bench::nanoseconds([&, n] { repeat(n / 2, pass(there, back)); });
  other.join();
  return ns;
}

// A section in which the other fiber runs and comes to the lock.
double weft_sections(long n) {
  double ns = 0;
  weft::run([n, &ns] {
    weft::Mutex mutex;
    ns = by_turns(n, [&mutex] {
      mutex.lock();
      weft::yield();
      mutex.unlock();
    });
  });
  return ns;
}

double boost_sections(long n) {
  boost::fibers::mutex mutex;
  const auto run = [n, &mutex] {
    for (long i = 0; i < n / 2; ++i) {
      mutex.lock();
      boost::this_fiber::yield();
      mutex.unlock();
    }
  };
  boost::fibers::fiber other(run);
  const double ns = bench::nanoseconds(run);
  other.join();
  return ns;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  rounds.compare("mutex lock + unlock, free", "ns",
                 {{"floor", "compare and store, twice", raw_owner},
                  {"peer", "Boost.Fiber", lock_and_unlock<boost::fibers::mutex>},
                  {"peer", "std::mutex", lock_and_unlock<std::mutex>},
                  {"ours", "weft", weft_mutex}});
  rounds.compare("semaphore acquire + release, free", "ns",
                 {{"floor", "count down and up", raw_count}, {"ours", "weft", weft_semaphore}});
  rounds.compare(
      "handover to a waiting fiber", "ns",
      {{"floor", "weft yield, one way", [](long n) { return on_fiber(yields, n); }},
       {"ours", "weft Mutex", [](long n) { return on_fiber(mutex_handovers, n); }},
       {"ours", "weft Semaphore", [](long n) { return on_fiber(semaphore_handovers, n); }}});
  rounds.compare("lock, yield, unlock by two fibers", "ns",
                 {{"peer", "Boost.Fiber", boost_sections}, {"ours", "weft", weft_sections}});
  return rounds.status();
}
