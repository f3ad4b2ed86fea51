#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/error.h>

namespace weft {
namespace {

static_assert(std::is_base_of_v<std::logic_error, UsageError>);
static_assert(std::is_base_of_v<std::logic_error, MissingContext>);
static_assert(!std::is_base_of_v<UsageError, MissingContext>);

struct Opaque {};

TEST_SUITE_BEGIN("ctx/error");

TEST_CASE("a usage error says what it was given") {
  CHECK(std::string(UsageError("two reads at once").what()) == "two reads at once");
}

TEST_CASE("a missing context names the local and says what to do") {
  CHECK(std::string(MissingContext("request").what()) ==
        "no value for AsyncLocal request: call this from inside run() or scope(), or from work "
        "started there; use get() where a value may be missing");
}

TEST_CASE("a missing context of a local without a name says how to give one") {
  CHECK(std::string(MissingContext("").what()).find(".name") != std::string::npos);
}

TEST_CASE("an exception of any type is described in one line") {
  const auto describe = [](auto value) {
    return detail::describe_exception(std::make_exception_ptr(value));
  };

  CHECK(describe(std::runtime_error("failed")) == "failed (std::runtime_error)");
  CHECK(describe(UsageError("wrong")) == "wrong (weft::UsageError)");
  CHECK(describe(std::string("text")) == "'text'");
  CHECK(describe(static_cast<const char*>("literal")) == "'literal'");
  CHECK(describe(7) == "an exception of type int");
  CHECK(describe(Opaque()).find("Opaque") != std::string::npos);
}

TEST_CASE("an exception that is a null pointer is described as well") {
  CHECK(detail::describe_exception(std::make_exception_ptr(nullptr)).find("null") !=
        std::string::npos);
}

TEST_CASE("an exception on its way is described inside its catch block and survives that") {
  try {
    throw std::out_of_range("too far");
  } catch (...) {
    CHECK(detail::describe_current_exception() == "too far (std::out_of_range)");
    CHECK_THROWS_AS(throw, std::out_of_range);
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
