#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <weft/runtime/result.h>

namespace weft {
namespace {

TEST_SUITE_BEGIN("runtime/result");

Error refused() {
  return {std::make_error_code(std::errc::connection_refused), "connect 127.0.0.1:1"};
}

TEST_CASE("a result with a value has no error") {
  Result<std::string> result("text");

  CHECK(result);
  CHECK(result.has_value());
  CHECK(result.value() == "text");
  CHECK(*result == "text");
  CHECK(result->size() == 4);
  CHECK_FALSE(result.error());
  CHECK(result.message() == "");
}

TEST_CASE("a result with an error throws it where the value is wanted") {
  Result<int> result(refused());

  CHECK_FALSE(result);
  CHECK(result.error() == std::errc::connection_refused);
  CHECK(result.message().find("connect 127.0.0.1:1: ") == 0);
  CHECK_THROWS_AS(result.value(), std::system_error);
  CHECK_THROWS_AS(*result, std::system_error);
  CHECK_THROWS_AS(static_cast<const Result<int>&>(result).value(), std::system_error);
}

TEST_CASE("an error without a description throws its code alone") {
  const Result<int> result(Error{std::make_error_code(std::errc::timed_out), ""});

  try {
    static_cast<void>(result.value());
    FAIL("there was a value");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::timed_out);
    CHECK(std::string(error.what()) == error.code().message());
  }
}

TEST_CASE("a result gives away a value that cannot be copied") {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(3));
  Result<std::unique_ptr<int>> moved = std::move(result);

  CHECK(*std::move(moved).value() == 3);
}

TEST_CASE("a result of nothing is success or an error") {
  const Result<void> success;
  const Result<void> failure(refused());

  CHECK(success);
  CHECK_NOTHROW(success.value());
  CHECK_FALSE(success.error());
  CHECK_FALSE(failure);
  CHECK(failure.error() == std::errc::connection_refused);
  CHECK_THROWS_AS(failure.value(), std::system_error);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
