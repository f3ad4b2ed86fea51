// A log that finds request and user below calls, timers and fibers: ./dev run request_log
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include <weft/runtime/runtime.h>

using namespace weft;
using namespace std::chrono_literals;

namespace {

AsyncLocal<int> request({.name = "request"});
AsyncLocal<std::string> user({.name = "user", .default_value = "nobody"});

int usage(std::string_view argument) {
  const bool asked = argument == "--help";
  std::fputs("usage: request_log\nServes three requests at a time.\n", asked ? stdout : stderr);
  return asked ? 0 : 2;
}

void log(const std::string& text) {
  std::printf("[request %d, %s] %s\n", request.value(), user.get()->c_str(), text.c_str());
}

// Nothing below here takes a request or a user, and every line is logged with both.

std::string read_row(const std::string& table) {
  sleep_for(20ms);  // the other requests go on meanwhile
  if (table == "orders" && *user.get() == "ben") throw std::runtime_error("orders: row is locked");
  log("read " + table);
  return table;
}

std::string load(const std::string& table) {
  return spawn([table] { return read_row(table); }).join();
}

void show_account() {
  load("users");
  load("orders");
  set_timeout(40ms, [] { log("a timer that outlives the request"); });
}

void handle() {
  log("begins");
  try {
    show_account();
    log("ends");
  } catch (const std::exception& error) {
    log(std::string("fails: ") + error.what());
    set_timeout(20ms, [] { throw std::runtime_error("nothing to retry"); });
  }
}

// What nobody catches arrives here, in the context of the code that threw it.
void on_uncaught(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& caught) {
    log(std::string("uncaught: ") + caught.what());
  }
}

void serve() {
  spawn([] { request.run(1, [] { user.run("ann", handle); }); });
  spawn([] { request.run(2, [] { user.run("ben", handle); }); });
  spawn([] { request.run(3, handle); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return usage(argv[1]);

  return run(serve, {.on_uncaught = on_uncaught});
}
