#include <cerrno>
#include <ios>
#include <ostream>
#include <string>
#include <system_error>

#include <doctest/doctest.h>
#include <uv.h>

#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/error.h>

namespace weft {
namespace {

TEST_SUITE_BEGIN("runtime/error");

TEST_CASE("codes of libuv compare with std::errc") {
  const auto code = [](int number) { return std::error_code(number, uv_category()); };

  CHECK(code(UV_ECONNREFUSED) == std::errc::connection_refused);
  CHECK(code(UV_ENOENT) == std::errc::no_such_file_or_directory);
  CHECK(code(UV_ECANCELED) == std::errc::operation_canceled);
  CHECK(code(UV_ECONNREFUSED) != std::errc::connection_reset);
}

TEST_CASE("codes that only libuv has are equal to themselves alone") {
  const std::error_code end(UV_EOF, uv_category());
  const std::error_code unknown_name(UV_EAI_NONAME, uv_category());

  CHECK(end == end);
  CHECK(end != unknown_name);
  CHECK(end.default_error_condition().category() == uv_category());
}

TEST_CASE("the text says what libuv says, and the number's name") {
  CHECK(std::error_code(UV_ECONNREFUSED, uv_category()).message() ==
        "connection refused (ECONNREFUSED)");
  CHECK(std::string(uv_category().name()) == "uv");
}

TEST_CASE("a code of libuv's, the generic or the system category has its short name") {
  CHECK(error_name({UV_ECONNREFUSED, uv_category()}) == "ECONNREFUSED");
  CHECK(error_name({UV_EOF, uv_category()}) == "EOF");
  CHECK(error_name({UV_EAI_NONAME, uv_category()}) == "EAI_NONAME");
  CHECK(error_name(std::make_error_code(std::errc::connection_refused)) == "ECONNREFUSED");
  CHECK(error_name({ENOENT, std::system_category()}) == "ENOENT");
  CHECK(error_name({EOWNERDEAD, std::system_category()}) == "EOWNERDEAD");
  CHECK(error_name({-EOWNERDEAD, uv_category()}) == "EOWNERDEAD");
}

TEST_CASE("any other code is told by its category and number, and no error not at all") {
  CHECK(error_name(std::make_error_code(std::io_errc::stream)) == "iostream:1");
  CHECK(error_name({}).empty());
}

TEST_CASE("an error says what was being done") {
  CHECK(detail::uv_error(UV_ENOENT, "open /nowhere").message() ==
        "open /nowhere: no such file or directory (ENOENT)");
  CHECK(detail::uv_error(UV_ENOENT, "").message() == "no such file or directory (ENOENT)");
}

TEST_CASE("uv_check throws for an error and lets success pass") {
  detail::uv_check(0, "bind");
  CHECK_THROWS_WITH_AS(detail::uv_check(UV_EADDRINUSE, "bind 0.0.0.0:1"),
                       "bind 0.0.0.0:1: address already in use (EADDRINUSE)", std::system_error);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
