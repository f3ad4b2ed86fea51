#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <weft/ctx/hooks.h>
#include <weft/io/tcp.h>
#include <weft/runtime/task_group.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>

namespace weft {
namespace {

using io::TcpListener;
using io::TcpStream;
using test::for_each_fault;
using test::Operations;
using test::read_all;
using test::require_same;

TEST_SUITE_BEGIN("faults/tcp");

TEST_CASE("a listener opens, or says why it cannot") {
  for_each_fault("bind", [](Operations&) {
    auto listener = TcpListener::bind("127.0.0.1", 0, {.reuse_port = true});
    listener.close();
    listener.wait_closed();
  });
}

TEST_CASE("fibers echo, or are told what failed") {
  for_each_fault("echo", [](Operations&) {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    task_group([&](TaskGroup& group) {
      group.spawn([&] {
        auto peer = listener.accept();
        test::echo(peer);
      });
      auto client = TcpStream::connect("127.0.0.1", listener.port());
      client.set_no_delay(true);
      client.set_keep_alive(true);
      client.write("hello");
      client.write(std::string(30, 'x'));
      client.shutdown();
      require_same(read_all(client), "hello" + std::string(30, 'x'));
    });
  });
}

TEST_CASE("hooks hear of what begins and ends, whatever fails") {
  for_each_fault("echo with hooks", [](Operations&) {
    int begun = 0;
    auto hook =
        create_hook({.init = [&](AsyncId, std::string_view, AsyncId, AsyncResource&) { ++begun; },
                     .destroy = [](AsyncId) {}});
    hook.enable();
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    auto peer = listener.accept();
    client.write("hello");
    client.shutdown();
    require_same(read_all(peer), "hello");
    if (begun == 0) throw std::logic_error("the hook heard nothing");
  });
}

TEST_CASE("a connect by name is made, or says why not") {
  for_each_fault("connect by name",
                 [](Operations&) {
                   auto listener = TcpListener::bind("127.0.0.1", 0);
                   auto client = TcpStream::connect("localhost", listener.port());
                   auto peer = listener.accept();
                   client.close();
                   require_same(read_all(peer), "");
                 },
                 {.counts_all_threads = true, .real_clock = true});
}

TEST_CASE("a write larger than the kernel's buffers arrives whole, or says what failed") {
  for_each_fault("a large write", [](Operations&) {
    const std::string text(6'000'000, 'x');
    auto listener = TcpListener::bind("127.0.0.1", 0);
    task_group([&](TaskGroup& group) {
      group.spawn([&] {
        auto peer = listener.accept();
        std::size_t arrived = 0;
        std::vector<std::byte> buffer(std::size_t{1} << 18);
        while (const std::size_t count = peer.read(buffer)) arrived += count;
        if (arrived != text.size()) throw std::logic_error("bytes were lost");
      });
      auto client = TcpStream::connect("127.0.0.1", listener.port());
      client.write(text);
      client.shutdown();
      require_same(read_all(client), "");
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
