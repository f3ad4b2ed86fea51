// Every kind of I/O, cancelled at each of its suspension points and under shuffled orders.
#include <array>
#include <chrono>
#include <csignal>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include <weft/io/buffered_reader.h>
#include <weft/io/buffered_writer.h>
#include <weft/io/copy.h>
#include <weft/io/directory.h>
#include <weft/io/dns.h>
#include <weft/io/file.h>
#include <weft/io/fs.h>
#include <weft/io/fs_event.h>
#include <weft/io/fs_poll.h>
#include <weft/io/pass_handle.h>
#include <weft/io/pipe.h>
#include <weft/io/process.h>
#include <weft/io/signal.h>
#include <weft/io/tcp.h>
#include <weft/io/udp.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/cancel_sweep.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using test::sweep_and_shuffle;
using test::TempDir;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("io/sweep");

// An error of I/O, of an operation whose other side was cut, is part of a scenario; a
// cancellation is not.
template <typename F>
void ignore_errors(F&& fn) {
  try {
    fn();
  } catch (const std::exception&) {
  }
}

void answer(io::Stream& peer) {
  ignore_errors([&] {
    std::array<std::byte, 16> bytes;
    while (const std::size_t count = peer.read(bytes)) peer.write(std::span(bytes).first(count));
    peer.shutdown();
  });
}

TEST_CASE("an exchange over pipes can be cancelled anywhere, under any order") {
  sweep_and_shuffle(
      [] {
        auto [client, server] = io::PipeStream::pair();
        ignore_errors([&, &near = client, &far = server] {
          task_group([&](TaskGroup& group) {
            group.spawn([&] { answer(far); });
            near.write("ping");
            std::array<std::byte, 4> bytes;
            io::BufferedReader(near).read_exactly(bytes);
            near.shutdown();
            near.read(bytes);
          });
        });
        client.close();
        client.wait_closed();
      },
      4);
}

TEST_CASE("serving a Unix socket can be cancelled anywhere, under any order") {
  const TempDir dir;
  sweep_and_shuffle(
      [&] {
        ignore_errors([&] {
          auto listener = io::PipeListener::bind(dir.path("socket"));
          task_group([&](TaskGroup& group) {
            group.spawn([&] {
              auto peer = listener.accept();
              answer(peer);
            });
            auto client = io::PipeStream::connect(dir.path("socket"));
            io::BufferedWriter writer(client);
            writer.write("line\n");
            writer.flush();
            client.shutdown();
            io::BufferedReader(client).read_line(16);
          });
        });
      },
      4);
}

TEST_CASE("copying from one stream to another can be cancelled anywhere, under any order") {
  sweep_and_shuffle(
      [] {
        ignore_errors([] {
          auto [source, from] = io::PipeStream::pair();
          auto [to, sink] = io::PipeStream::pair();
          task_group([&, &source = source, &from = from, &to = to, &sink = sink](TaskGroup& group) {
            group.spawn([&] {
              io::copy(from, to);
              to.shutdown();
            });
            source.write("some bytes");
            source.shutdown();
            io::BufferedReader(sink).read_all(64);
          });
        });
      },
      3);
}

TEST_CASE("handing a connection to another process can be cancelled anywhere") {
  sweep_and_shuffle(
      [] {
        ignore_errors([] {
          auto [near, far] = io::PipeStream::pair({.ipc = true});
          auto [kept, passed] = io::PipeStream::pair();
          task_group([&, &near = near, &far = far, &passed = passed](TaskGroup& group) {
            group.spawn([&] {
              std::array<std::byte, 1> byte;
              far.read(byte);
              io::take_handle(far);
            });
            io::pass_handle(near, passed, std::as_bytes(std::span("x", 1)));
          });
        });
      },
      1);
}

TEST_CASE("datagrams can be cancelled anywhere, under any order") {
  sweep_and_shuffle(
      [] {
        ignore_errors([] {
          auto first = io::UdpSocket::bind("127.0.0.1", 0);
          auto second = io::UdpSocket::bind("127.0.0.1", 0);
          task_group([&](TaskGroup& group) {
            group.spawn([&] {
              std::array<std::byte, 16> bytes;
              const io::Received got = second.receive(bytes);
              second.send_to(std::span(bytes).first(got.count), got.peer);
            });
            first.send_to("ping", second.local_address());
            std::array<std::byte, 16> bytes;
            first.receive(bytes);
          });
        });
      },
      2);
}

TEST_CASE("a connect by name and its lookups can be cancelled anywhere, under any order") {
  sweep_and_shuffle(
      [] {
        ignore_errors([] {
          auto listener = io::TcpListener::bind("127.0.0.1", 0);
          task_group([&](TaskGroup& group) {
            group.spawn([&] { listener.accept(); });
            io::TcpStream::connect("localhost", listener.port());
            io::lookup_service(listener.address());
          });
        });
      },
      2);
}

TEST_CASE("files can be cancelled anywhere, under any order, and none stays open") {
  const TempDir dir;
  sweep_and_shuffle(
      [&] {
        ignore_errors([&] {
          auto file =
              io::File::open(dir.path("file"), {.read = true, .write = true, .create = true});
          file.write("some text");
          std::array<std::byte, 16> bytes;
          file.read_at(bytes, 0);
          file.truncate(4);
          file.sync();
          file.close();
          io::copy_file(dir.path("file"), dir.path("copy"));
          for (const auto& entry : io::read_directory(dir.path(".")))
            io::stat(dir.path(entry.name));
          io::rename(dir.path("copy"), dir.path("other"));
        });
        ignore_errors([&] { io::unlink(dir.path("other")); });
      },
      8);
}

TEST_CASE("offloaded functions can be cancelled anywhere, under any order") {
  sweep_and_shuffle(
      [] {
        Pool pool({.name = "sweep", .threads_max = 1});
        task_group([&](TaskGroup& group) {
          group.spawn([&] { offload(pool, [] {}); });
          group.spawn([&] { offload(pool, [] {}); });
          offload([] {});
        });
      },
      2);
}

TEST_CASE("a directory can be read, and cancelled anywhere, under any order") {
  const TempDir dir;
  for (const char* name : {"one", "two", "three"}) dir.write(name, "");
  sweep_and_shuffle(
      [&] {
        auto directory = io::Directory::open(dir.path());
        task_group([&](TaskGroup& group) {
          group.spawn([&] { io::mkdir(dir.path("below/inner"), {.parents = true}); });
          int entries = 0;
          for (const auto& entry : directory) entries += entry.name.empty() ? 0 : 1;
          if (entries < 3) throw std::logic_error("entries were lost");
        });
        directory.close();
        io::remove_all(dir.path("below"));
      },
      4, test::kSchedules / 10);
}

TEST_CASE("looking at a file again and again can be cancelled anywhere, under any order") {
  const TempDir dir;
  sweep_and_shuffle(
      [&] {
        dir.remove("file");
        ignore_errors([&] {
          auto poll = io::FsPoll::watch(dir.path("file"), {.interval = 1ms});
          task_group([&](TaskGroup& group) {
            poll.next();
            group.spawn([&] { io::write_file(dir.path("file"), "text"); });
            poll.next();
          });
          poll.close();
          poll.wait_closed();
        });
      },
      3, test::kFewSchedules);
}

// What a scenario that was cut leaves running would be left over.
void end(io::Process& process) {
  shielded([&] {
    process.kill(SIGKILL);
    process.wait();
  });
}

TEST_CASE("talking to a program can be cancelled anywhere, under any order") {
  sweep_and_shuffle(
      [] {
        auto process = io::Process::spawn(
            {.file = "/bin/cat", .input = io::Stdio::pipe(), .output = io::Stdio::pipe()});
        try {
          task_group([&](TaskGroup& group) {
            group.spawn([&] { io::BufferedReader(process.output()).read_all(64); });
            process.input().write("text");
            process.input().shutdown();
            process.wait();
          });
        } catch (...) {
          end(process);
          throw;
        }
        end(process);
      },
      2, test::kFewSchedules);
}

TEST_CASE("running a program to its end can be cancelled anywhere, under any order") {
  sweep_and_shuffle(
      [] {
        const auto ran = io::run_process({.file = "/bin/cat"}, "text");
        if (ran.output != "text") throw std::logic_error("another output");
      },
      2, test::kFewSchedules);
}

TEST_CASE("waits for signals and for changes of files can be cancelled anywhere, under any order") {
  const TempDir dir;
  sweep_and_shuffle(
      [&] {
        ignore_errors([&] {
          auto changes = io::FsEvent::watch(dir.path("."));
          auto signals = io::SignalListener::listen({SIGUSR1});
          task_group([&](TaskGroup& group) {
            group.spawn([&] {
              sleep_for(1ms);
              io::write_file(dir.path("file"), "new");
              ::raise(SIGUSR1);
            });
            changes.next();
            signals.wait();
          });
        });
      },
      3, test::kFewSchedules);
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
