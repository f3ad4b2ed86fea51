#include <netdb.h>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/dns.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/pool.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/hook_recorder.h>
#include <weft/tests/support/names.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using io::Address;
using io::lookup;
using io::lookup_all;
using io::lookup_service;
using io::LookupFamily;
using io::LookupOptions;
using io::LookupOrder;
using io::ServiceName;
using test::HookRecorder;
using test::seen;
using test::Trace;

// The answer of an operation, or its error, as a line.
std::string line(const Result<std::vector<Address>>& found) {
  if (!found) return found.message();
  std::string text;
  for (const Address& address : found.value()) {
    text += (text.empty() ? "" : " ") + address.to_string();
  }
  return text;
}
std::string line(const Result<Address>& found) {
  return found ? found.value().to_string() : found.message();
}
std::string line(const Result<ServiceName>& found) {
  return found ? found.value().host + " " + found.value().service : found.message();
}

TEST_SUITE_BEGIN("io/dns");

TEST_CASE("a name has the addresses which the system says, and the first is the address") {
  test::run([] {
    CHECK(line(lookup_all("mixed.test")) == "127.0.0.1:0 127.0.0.2:0 [::1]:0");
    CHECK(lookup("mixed.test").ip() == "127.0.0.1");
    CHECK_FALSE(lookup_all("localhost").empty());
  });
}

struct Choice {
  LookupOptions options;
  const char* found;
};

TEST_CASE("the options choose the families, their order and the port") {
  const Choice choices[] = {
      {{.family = LookupFamily::kIpv4}, "127.0.0.1:0 127.0.0.2:0"},
      {{.family = LookupFamily::kIpv6}, "[::1]:0"},
      {{.family = LookupFamily::kIpv6, .v4mapped = true},
       "[::ffff:127.0.0.1]:0 [::ffff:127.0.0.2]:0 [::1]:0"},
      {{.order = LookupOrder::kIpv4First}, "127.0.0.1:0 127.0.0.2:0 [::1]:0"},
      {{.order = LookupOrder::kIpv6First}, "[::1]:0 127.0.0.1:0 127.0.0.2:0"},
      {{.family = LookupFamily::kIpv6, .port = 443}, "[::1]:443"},
  };

  test::run([&] {
    for (const Choice& choice : choices) {
      CAPTURE(choice.found);
      CHECK(line(lookup_all("mixed.test", choice.options)) == choice.found);
    }
  });
}

TEST_CASE("a hint is passed to the system") {
  test::run([] {
    lookup("two.test");
    CHECK(test::flags_of_last_lookup() == 0);
    lookup("two.test", {.addrconfig = true});
    CHECK(test::flags_of_last_lookup() == AI_ADDRCONFIG);
  });
}

TEST_CASE("an address has the names which the system says") {
  test::run([] {
    const ServiceName name = lookup_service(Address::parse("127.0.0.7", 61234));

    CHECK(name.host == "127.0.0.7");
    CHECK(name.service == "61234");
  });
}

TEST_CASE("an IP address is its own answer, without a lookup or a wait") {
  Trace trace;

  test::run([&] {
    const std::uint64_t asked = Pool::dns().statistics().finished;
    spawn([&] { trace.push_back("another fiber"); });
    trace.push_back(line(lookup("127.0.0.9", {.family = LookupFamily::kIpv6, .port = 80})));
    trace.push_back(line(lookup_all("::1")));
    CHECK(Pool::dns().statistics().finished == asked);
  });

  CHECK(trace == Trace{"127.0.0.9:80", "[::1]:0", "another fiber"});
}

// A question in callback style, which tells its answer as a line.
struct Question {
  void (*ask)(UniqueFunction<void(std::string)> tell);
  const char* answer;
};

template <typename T>
Callback<T> tells(UniqueFunction<void(std::string)> tell) {
  return [tell = std::move(tell)](Result<T> result) mutable { tell(line(result)); };
}

const Question kQuestions[] = {
    {[](auto tell) { lookup("two.test", tells<Address>(std::move(tell))); }, "127.0.0.2:0"},
    {[](auto tell) { lookup("127.0.0.1", {.port = 1}, tells<Address>(std::move(tell))); },
     "127.0.0.1:1"},
    {[](auto tell) { lookup_all("two.test", tells<std::vector<Address>>(std::move(tell))); },
     "127.0.0.2:0 127.0.0.1:0"},
    {[](auto tell) { lookup_all("::1", {}, tells<std::vector<Address>>(std::move(tell))); },
     "[::1]:0"},
    {[](auto tell) { lookup("nobody.test", tells<Address>(std::move(tell))); },
     "lookup nobody.test: unknown node or service (EAI_NONAME)"},
    {[](auto tell) {
       lookup_service(Address::parse("127.0.0.7", 61234), tells<ServiceName>(std::move(tell)));
     },
     "127.0.0.7 61234"},
    {[](auto tell) {
       lookup_service(Address::parse("127.0.0.9", 80), tells<ServiceName>(std::move(tell)));
     },
     "lookup_service 127.0.0.9:80: unknown node or service (EAI_NONAME)"},
};

TEST_CASE("a callback is called once, behind the call that took it, and sees its context") {
  const AsyncLocal<std::string> who;

  for (const Question& question : kQuestions) {
    CAPTURE(question.answer);
    Trace trace;
    test::run([&] {
      who.run("call", [&] {
        question.ask([&](std::string answer) {
          trace.push_back(std::move(answer));
          trace.push_back(seen(who));
        });
      });
      trace.push_back("returned");
    });
    CHECK(trace == Trace{"returned", question.answer, "call"});
  }
}

TEST_CASE("a fiber keeps its own context across a lookup") {
  const AsyncLocal<std::string> who;

  test::run([&] {
    who.run("fiber", [&] {
      lookup("two.test");
      CHECK(seen(who) == "fiber");
      lookup_service(Address::parse("127.0.0.7", 1));
      CHECK(seen(who) == "fiber");
    });
  });
}

TEST_CASE("a name that does not exist is an error that names the call and the name") {
  test::run([] {
    CHECK_THROWS_WITH_AS(lookup("nobody.test"),
                         "lookup nobody.test: unknown node or service (EAI_NONAME)",
                         std::system_error);
    CHECK_THROWS_WITH_AS(lookup_service(Address::parse("127.0.0.9", 80)),
                         "lookup_service 127.0.0.9:80: unknown node or service (EAI_NONAME)",
                         std::system_error);
  });
}

TEST_CASE("what cannot be a name fails, and not inside the call") {
  std::string name;
  SUBCASE("empty") {}
  SUBCASE("too long") {
    name = std::string(2000, 'n');
  }
  SUBCASE("no UTF-8") {
    name = "\xff.test";
  }
  Trace trace;

  test::run([&] {
    lookup(name, [&](Result<Address> found) { trace.push_back(found ? "found" : "failed"); });
    trace.push_back("returned");
    CHECK_THROWS_AS(lookup(name), std::system_error);
  });

  CHECK(trace == Trace{"returned", "failed"});
}

TEST_CASE("a null character in a name, an empty callback or no loop is a usage error") {
  const std::string host("two.test\0.example", 17);
  const auto address = Address::parse("127.0.0.7", 1);
  CHECK_THROWS_AS(lookup("127.0.0.1"), UsageError);
  CHECK_THROWS_AS(lookup("127.0.0.1", [](Result<Address>) {}), UsageError);
  CHECK_THROWS_AS(lookup_service(address), UsageError);

  test::run([&] {
    CHECK_THROWS_AS(lookup(host), UsageError);
    CHECK_THROWS_AS(lookup_all(host, [](Result<std::vector<Address>>) {}), UsageError);
    CHECK_THROWS_AS(lookup("two.test", nullptr), UsageError);
    CHECK_THROWS_AS(lookup_service(address, nullptr), UsageError);
    next_tick([&] { CHECK_THROWS_AS(lookup("127.0.0.1"), UsageError); });
  });
}

TEST_CASE("a lookup is one resource of Node's type, and an IP address is none") {
  HookRecorder recorder({{"FIBER", "TickObject"}});

  test::run([&] {
    recorder.take();
    lookup("two.test");
    lookup("127.0.0.1");
    yield();
    CHECK(recorder.take() == Trace{"init GETADDRINFOREQWRAP 2 0", "before 2", "after 2"});
    lookup_service(Address::parse("127.0.0.7", 1));
    lookup("127.0.0.1", [](Result<Address>) {});
  });

  CHECK(recorder.trace() ==
        Trace{"init GETNAMEINFOREQWRAP 3 0", "destroy 2", "before 3", "after 3", "destroy 3"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
