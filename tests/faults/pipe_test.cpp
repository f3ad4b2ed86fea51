#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/io/buffered_reader.h>
#include <weft/io/pass_handle.h>
#include <weft/io/pipe.h>
#include <weft/runtime/task_group.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using io::PipeListener;
using io::PipeStream;
using test::for_each_fault;
using test::Operations;
using test::read_all;
using test::require_same;

// Nobody can be told that a close could not remove the file.
void remove_left(const test::TempDir& dir) {
  const test::Unwatched other;
  dir.remove("socket");
}

TEST_SUITE_BEGIN("faults/pipe");

TEST_CASE("fibers echo over a Unix socket, or are told what failed") {
  const test::TempDir dir;
  for_each_fault("echo over a Unix socket", [&](Operations&) {
    remove_left(dir);
    auto listener = PipeListener::bind(dir.path("socket"), {.writable_by_all = true});
    task_group([&](TaskGroup& group) {
      group.spawn([&] {
        auto peer = listener.accept();
        test::echo(peer);
      });
      auto client = PipeStream::connect(dir.path("socket"));
      client.write("hello");
      client.shutdown();
      require_same(read_all(client), "hello");
    });
  });
}

TEST_CASE("a pair of streams carries lines, or says what failed") {
  for_each_fault("lines over a pair", [](Operations&) {
    auto [near, far] = PipeStream::pair();
    near.write("one\ntwo\n");
    near.shutdown();
    io::BufferedReader lines(far);
    require_same(lines.read_line(16).value_or(""), "one");
    require_same(lines.read_line(16).value_or(""), "two");
    if (lines.read_line(16)) throw std::logic_error("a line that was not sent");
  });
}

TEST_CASE("a stream is handed over a pipe, or nothing of it is left") {
  for_each_fault("a stream over a pipe", [](Operations&) {
    auto [near, far] = PipeStream::pair({.ipc = true});
    auto [kept, passed] = PipeStream::pair();
    io::pass_handle(near, passed, std::as_bytes(std::span("x", 1)));
    passed.close();
    std::array<std::byte, 1> byte;
    if (far.read(byte) != 1) throw std::logic_error("the byte was lost");
    auto handle = io::take_handle(far);
    if (!handle) throw std::logic_error("the stream was lost");
    std::get<PipeStream>(*handle).write("y");
    if (kept.read(byte) != 1) throw std::logic_error("it was another stream");
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
