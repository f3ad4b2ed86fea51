#include <netinet/in.h>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>

#include <doctest/doctest.h>

#include <weft/io/address.h>

namespace weft {
namespace {

using io::Address;

TEST_SUITE_BEGIN("io/address");

TEST_CASE("an address is parsed from its text and a port") {
  const Address four = Address::parse("127.0.0.1", 80);
  const Address six = Address::parse("2001:db8::1", 65535);

  CHECK(four.ip() == "127.0.0.1");
  CHECK(four.port() == 80);
  CHECK_FALSE(four.is_ipv6());
  CHECK(six.ip() == "2001:db8::1");
  CHECK(six.port() == 65535);
  CHECK(six.is_ipv6());
}

TEST_CASE("an address prints as people write it, IPv6 in brackets and shortened") {
  CHECK(Address::parse("127.0.0.1", 80).to_string() == "127.0.0.1:80");
  CHECK(Address::parse("::1", 0).to_string() == "[::1]:0");
  CHECK(Address::parse("2001:0db8:0:0:0:0:0:1", 443).to_string() == "[2001:db8::1]:443");
}

TEST_CASE("an address made without arguments is every address and no port") {
  CHECK(Address().to_string() == "0.0.0.0:0");
  CHECK(Address() == Address::parse("0.0.0.0", 0));
}

TEST_CASE("parse throws invalid_argument and names the text that is no address") {
  CHECK_THROWS_WITH_AS(Address::parse("localhost", 80),
                       "address 'localhost': invalid argument (EINVAL)", std::system_error);
  try {
    Address::parse("256.0.0.1", 80);
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::invalid_argument);
  }
}

TEST_CASE("try_parse returns nothing for what is no address") {
  const char* text = "";
  SUBCASE("empty") {
    text = "";
  }
  SUBCASE("a name") {
    text = "localhost";
  }
  SUBCASE("too few numbers") {
    text = "1.2.3";
  }
  SUBCASE("a number out of range") {
    text = "127.0.0.256";
  }
  SUBCASE("two gaps") {
    text = "1::2::3";
  }
  SUBCASE("brackets") {
    text = "[::1]";
  }
  SUBCASE("a port") {
    text = "127.0.0.1:80";
  }
  SUBCASE("text after the address") {
    text = "127.0.0.1 ";
  }

  CHECK(Address::try_parse(text, 1) == std::nullopt);
}

TEST_CASE("try_parse returns nothing for text longer than any address") {
  CHECK(Address::try_parse(std::string(1000, '1'), 1) == std::nullopt);
  CHECK(Address::try_parse("127.0.0.1" + std::string(60, '0'), 1) == std::nullopt);
}

TEST_CASE("an address followed by a null character and more is no address") {
  const std::string text("127.0.0.1\0.example", 18);

  CHECK(Address::try_parse(text, 1) == std::nullopt);
  CHECK_THROWS_AS(Address::parse(text, 1), std::system_error);
}

TEST_CASE("an address keeps its zone") {
  const Address zoned = Address::parse("fe80::1%lo", 1);

  CHECK(zoned.is_ipv6());
  CHECK(reinterpret_cast<const sockaddr_in6*>(zoned.raw())->sin6_scope_id != 0);
  CHECK_FALSE(zoned == Address::parse("fe80::1", 1));
}

TEST_CASE("addresses are equal when ip and port are") {
  const Address address = Address::parse("127.0.0.1", 80);

  CHECK(address == Address::parse("127.0.0.1", 80));
  CHECK_FALSE(address == Address::parse("127.0.0.1", 81));
  CHECK_FALSE(address == Address::parse("127.0.0.2", 80));
  CHECK_FALSE(Address::parse("::", 80) == Address::parse("0.0.0.0", 80));
  CHECK(Address::parse("::1", 1) == Address::parse("0:0:0:0:0:0:0:1", 1));
}

TEST_CASE("an address goes through its raw form unchanged") {
  for (const char* ip : {"10.1.2.3", "2001:db8::ff"}) {
    const Address address = Address::parse(ip, 1234);

    CHECK(Address::from_raw(address.raw()) == address);
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
