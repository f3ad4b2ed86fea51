#include <doctest/doctest.h>

#include <weft/io/dns.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using io::Address;
using test::Life;
using test::reproduce;

TEST_SUITE_BEGIN("conformance/dns");

struct Lookups {
  Life& life;

  void of_name() {
    io::lookup("localhost", {.family = io::LookupFamily::kIpv4}, [this](const Result<Address>&) {
      life.cb("name");
      life.als.run("B", [this] { of_address(); });
    });
  }
  void of_address() {
    io::lookup("127.0.0.1", [this](const Result<Address>&) {
      life.cb("address");
      life.als.run("C", [this] { of_service(); });
    });
  }
  void of_service() {
    io::lookup_service(Address::parse("127.0.0.1", 80),
                       [this](const Result<io::ServiceName>&) { life.cb("service"); });
  }
};

TEST_CASE("a lookup is one request, but of an IP address none") {
  reproduce("dns-lookup", [](Life& life) {
    Lookups lookups{life};
    life.run([&] { life.als.run("A", [&] { lookups.of_name(); }); });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
