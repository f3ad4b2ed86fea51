#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/hooks.h>
#include <weft/io/dns.h>
#include <weft/io/tcp.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/pool.h>
#include <weft/runtime/task.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/names.h>
#include <weft/tests/support/outcome.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::Address;
using io::lookup;
using io::lookup_service;
using io::TcpStream;
using test::outcome;
using test::Trace;

// As many lookups of a slow name as the pool has threads, so that all others wait.
class BusyPool {
 public:
  BusyPool() {
    for (int i = 0; i < kThreads; ++i) {
      lookup("slow.test", [](Result<Address>) {});
      test::wait_for_slow_lookup();
    }
  }
  BusyPool(const BusyPool&) = delete;
  BusyPool& operator=(const BusyPool&) = delete;
  ~BusyPool() { let_go(); }

  void let_go() {
    for (; held_ > 0; --held_) test::let_slow_lookup_end();
  }

 private:
  static constexpr int kThreads = 4;
  int held_ = kThreads;
};

TEST_SUITE_BEGIN("io/dns_slow");

TEST_CASE("a slow name server holds up neither files nor offloaded functions") {
  Trace trace;

  test::run([&] {
    BusyPool names;
    auto waiting = spawn([&] {
      lookup("two.test");
      trace.push_back("found");
    });

    trace.push_back(offload(Pool::fs(), [] { return "file"; }));
    trace.push_back(offload([] { return "offloaded"; }));
    names.let_go();
    waiting.join();
  });

  CHECK(trace == Trace{"file", "offloaded", "found"});
}

TEST_CASE("a fiber cancelled while its lookup runs goes at once, before the lookup ends") {
  void (*ask)() = nullptr;
  SUBCASE("of a name") {
    ask = [] { lookup("slow.test"); };
  }
  SUBCASE("of an address") {
    ask = [] { lookup_service(Address::parse("127.0.0.8", 1)); };
  }
  SUBCASE("of a connect") {
    ask = [] { TcpStream::connect("slow.test", 1); };
  }
  Trace trace;

  test::run([&] {
    auto task = spawn([&] { trace.push_back(outcome(ask)); });
    yield();
    test::wait_for_slow_lookup();
    task.cancel();
    task.join();
    trace.push_back("joined");
    test::let_slow_lookup_end();
  });

  CHECK(trace == Trace{"cancelled", "joined"});
}

TEST_CASE("a lookup cancelled while it waits for a thread is never made") {
  Trace trace;

  test::run([&] {
    const auto before = Pool::dns().statistics();
    BusyPool names;
    auto task = spawn([&] { trace.push_back(outcome([] { lookup("two.test"); })); });
    yield();
    CHECK(Pool::dns().statistics().queued == 1);

    task.cancel();
    task.join();
    CHECK(Pool::dns().statistics().queued == 0);
    CHECK(Pool::dns().statistics().cancelled == before.cancelled + 1);
  });

  CHECK(trace == Trace{"cancelled"});
}

TEST_CASE("a lookup that finds the queue full is refused, and the error names it") {
  Trace trace;

  test::run([&] {
    BusyPool names;
    Pool::dns().set_queue_max(0);
    lookup("two.test", [&](Result<Address> found) { trace.push_back(found.message()); });
    TcpStream::connect("two.test", 1,
                       [&](Result<TcpStream> stream) { trace.push_back(stream.message()); });
    trace.push_back("returned");
    CHECK_THROWS_AS(lookup("two.test"), std::system_error);
    CHECK_THROWS_AS(TcpStream::connect("two.test", 1), std::system_error);
    Pool::dns().set_queue_max(std::numeric_limits<std::size_t>::max());
  });

  REQUIRE(trace.size() == 3);
  CHECK(trace[0] == "returned");
  CHECK(trace[1].find("lookup two.test: pool 'dns': the queue is full") == 0);
  CHECK(trace[2].find("connect two.test:1: pool 'dns': the queue is full") == 0);
}

TEST_CASE("a run waits for a lookup that runs when it ends, and its callback is called once") {
  Trace trace;

  test::run([&] {
    lookup("slow.test", [&](Result<Address> found) { trace.push_back(found->ip()); });
    test::wait_for_slow_lookup();
    SUBCASE("by itself") {}
    SUBCASE("stopped") {
      Loop::current().stop();
    }
    test::let_slow_lookup_end();
  });

  CHECK(trace == Trace{"127.0.0.1"});
}

TEST_CASE("a cancelled lookup has one init and one destroy") {
  std::map<AsyncId, int> lives;
  auto hook = create_hook({.init =
                               [&](AsyncId id, std::string_view type, AsyncId, AsyncResource&) {
                                 if (type == "GETADDRINFOREQWRAP") lives[id] += 1;
                               },
                           .destroy =
                               [&](AsyncId id) {
                                 if (lives.contains(id)) lives[id] += 10;
                               }});
  hook.enable();

  test::run([&] {
    BusyPool names;
    auto task = spawn([] { lookup("slow.test"); });
    yield();
    task.cancel();
    CHECK_THROWS_AS(task.join(), std::system_error);
  });

  CHECK(lives.size() == 5);
  for (const auto& [id, events] : lives) CHECK(events == 11);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
