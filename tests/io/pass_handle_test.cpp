#include <array>
#include <cstddef>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <ostream>
#include <poll.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <variant>

#include <doctest/doctest.h>
#include <uv.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/error.h>
#include <weft/io/pass_handle.h>
#include <weft/io/process.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/descriptors.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/stream_text.h>
#include <weft/tests/support/temp_dir.h>
#include <weft/tests/support/trace.h>
#include <weft/tests/support/udp.h>

namespace weft {
namespace {

using io::pass_handle;
using io::PipeListener;
using io::PipeStream;
using io::Process;
using io::ReceivedHandle;
using io::Stdio;
using io::take_handle;
using io::TcpListener;
using io::TcpStream;
using io::UdpSocket;
using test::read_some;
using test::read_to_end;
using test::Trace;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// Sends a handle and takes it at the other end.
ReceivedHandle pass(const io::PassedHandle& handle) {
  auto [sender, receiver] = PipeStream::pair({.ipc = true});
  pass_handle(sender, handle, bytes_of("x"));
  CHECK(read_some(receiver) == "x");
  auto taken = take_handle(receiver);
  REQUIRE(taken.has_value());
  CHECK_FALSE(take_handle(receiver).has_value());
  return *std::move(taken);
}

TEST_SUITE_BEGIN("io/pass_handle");

TEST_CASE("a connection that was passed goes on, and the sender's end may be closed") {
  test::run([] {
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    auto server = listener.accept();
    auto passed = std::get<TcpStream>(pass(server));
    server.close();
    server.wait_closed();
    passed.write("from the other process");
    client.write("to it");

    CHECK(read_some(client) == "from the other process");
    CHECK(read_some(passed) == "to it");
    CHECK(passed.peer_address() == client.local_address());
  });
}

TEST_CASE("a pipe that was passed goes on") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    auto passed = std::get<PipeStream>(pass(right));
    right.close();
    passed.write("text");

    CHECK(read_some(left) == "text");
  });
}

TEST_CASE("a listener that was passed accepts") {
  const test::TempDir dir;

  test::run([&] {
    auto tcp = TcpListener::bind("127.0.0.1", 0);
    auto passed_tcp = std::get<TcpListener>(pass(tcp));
    tcp.close();
    CHECK(passed_tcp.port() != 0);
    auto client = TcpStream::connect("127.0.0.1", passed_tcp.port());
    client.write("tcp");
    auto server = passed_tcp.accept();
    CHECK(read_some(server) == "tcp");

    auto pipe = PipeListener::bind(dir.path("s"));
    auto passed_pipe = std::get<PipeListener>(pass(pipe));
    CHECK(passed_pipe.path() == dir.path("s"));
    auto other = PipeStream::connect(dir.path("s"));
    other.write("pipe");
    auto accepted = passed_pipe.accept();
    CHECK(read_some(accepted) == "pipe");
    passed_pipe.close();
    CHECK(::access(dir.path("s").c_str(), F_OK) == 0);
  });
}

TEST_CASE("handles arrive in the order sent, each with its first byte") {
  test::run([] {
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    for (const char* const name : {"a", "b", "c"}) {
      auto [near, far] = PipeStream::pair();
      near.write(name);
      sender.write(".");
      pass_handle(sender, far, bytes_of(name));
    }
    sender.shutdown();
    std::string order;
    for (std::string part; !(part = read_some(receiver, 1)).empty();) {
      order += part;
      if (part == ".") continue;
      auto handle = take_handle(receiver);
      REQUIRE(handle.has_value());
      order += "=" + read_some(std::get<PipeStream>(*handle)) + " ";
    }

    CHECK(order == ".a=a .b=b .c=c ");
  });
}

TEST_CASE("a handle sent while the pipe is full is sent when there is room, closed or not") {
  const std::string much(4'000'000, '.');
  Trace trace;

  test::run([&] {
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    auto [near, far] = PipeStream::pair();
    sender.write(much, [&](Result<void>) { trace.push_back("much written"); });
    pass_handle(sender, far, bytes_of("x"),
                [&](Result<void> sent) { trace.push_back(sent ? "handle sent" : sent.message()); });
    far.close();
    far.wait_closed();
    sender.shutdown(Callback<void>());
    CHECK(read_to_end(receiver).size() == much.size() + 1);
    auto handle = take_handle(receiver);
    REQUIRE(handle.has_value());
    std::get<PipeStream>(*handle).write("text");
    CHECK(read_some(near) == "text");
  });

  CHECK(trace == Trace{"much written", "handle sent"});
}

TEST_CASE("handles nobody takes are closed with the pipe") {
  const int next = test::next_descriptor();

  test::run([] {
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    auto [near, far] = PipeStream::pair();
    for (int i = 0; i < 3; ++i) pass_handle(sender, far, bytes_of("x"));
    far.close();
    read_some(receiver);
    receiver.close();

    CHECK(read_some(near) == "");
  });

  CHECK(test::next_descriptor() == next);
}

TEST_CASE("closing the pipe ends the sending of a handle") {
  std::string how;

  test::run([&] {
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    sender.write(std::string(4'000'000, '.'), Callback<void>());
    pass_handle(sender, receiver, bytes_of("x"), [&](Result<void> sent) { how = sent.message(); });
    sender.close();
  });

  CHECK(how == "write pair: operation canceled (ECANCELED)");
}

TEST_CASE("what comes behind a handle arrives, also when the sender closes at once") {
  test::run([] {
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    auto [near, far] = PipeStream::pair();
    pass_handle(sender, far, bytes_of("x"));
    pass_handle(sender, far, bytes_of("y"));
    sender.write("rest");
    sender.close();
    sender.wait_closed();

    CHECK(read_to_end(receiver) == "xyrest");
    CHECK(take_handle(receiver).has_value());
    CHECK(take_handle(receiver).has_value());
  });
}

// Waits for the loop to turn once.
void turn() {
  await<void>([](Callback<void> done) {
    set_immediate([done = std::move(done)]() mutable { done(Result<void>()); });
  });
}

// Whether the loop's next poll would return at once.
bool has_events() {
  pollfd events = {uv_backend_fd(detail::EventLoop::current("test").uv()), POLLIN, 0};
  return ::poll(&events, 1, 0) == 1;
}

TEST_CASE("a pipe that has ended lets the loop rest when its handles are taken") {
  test::run([] {
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    auto [near, far] = PipeStream::pair();
    for (int i = 0; i < 2; ++i) pass_handle(sender, far, bytes_of("x"));
    sender.close();
    CHECK(read_to_end(receiver) == "xx");
    while (take_handle(receiver)) {
    }
    for (int i = 0; i < 3; ++i) turn();

    CHECK_FALSE(has_events());
  });
}

TEST_CASE("a datagram socket that was passed sends and receives") {
  test::run([] {
    auto peer = UdpSocket::bind("127.0.0.1", 0);
    auto socket = UdpSocket::bind("127.0.0.1", 0);
    SUBCASE("to whom it names") {
      auto passed = std::get<UdpSocket>(pass(socket));
      CHECK(passed.local_address() == socket.local_address());
      socket.close();
      passed.send_to("question", peer.local_address());
      peer.send_to("answer", passed.local_address());
      CHECK(test::receive_text(peer) == "question");
      CHECK(test::receive_text(passed) == "answer");
    }
    SUBCASE("to the one it is connected to") {
      socket.connect(peer.local_address());
      auto passed = std::get<UdpSocket>(pass(socket));
      CHECK(passed.peer_address() == peer.local_address());
      passed.send("question");
      CHECK(test::receive_text(peer) == "question");
    }
  });
}

TEST_CASE("a received socket of IPv6 leaves its options to the sender") {
  test::run([] {
    auto passed = std::get<UdpSocket>(pass(UdpSocket::bind("::1", 0)));
    CHECK_THROWS_AS(passed.set_ttl(3), UsageError);
  });
}

TEST_CASE("a handle of no use is closed, and said to be unknown") {
  const int next = test::next_descriptor();

  test::run([] {
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    const auto carried = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    auto [left, right] = PipeStream::pair();
    ::dup3(carried, left.fd(), O_CLOEXEC);
    ::close(carried);
    pass_handle(sender, left, bytes_of("x"));
    read_some(receiver);

    CHECK_THROWS_AS(take_handle(receiver), std::system_error);
    CHECK_FALSE(take_handle(receiver).has_value());
  });

  CHECK(test::next_descriptor() == next);
}

TEST_CASE("passing handles over what passes none says what to do") {
  test::run([] {
    auto [left, right] = PipeStream::pair();
    const auto bytes = bytes_of("x");
    CHECK_THROWS_WITH_AS(pass_handle(left, right, bytes),
                         "pass_handle: the pipe passes no handles; make it with ipc", UsageError);
    CHECK_THROWS_WITH_AS(take_handle(left),
                         "take_handle: the pipe passes no handles; make it with ipc", UsageError);
    auto [sender, receiver] = PipeStream::pair({.ipc = true});
    CHECK_THROWS_WITH_AS(pass_handle(sender, left, {}),
                         "pass_handle: there are no bytes to send it with", UsageError);
  });
}

constexpr const char* kChildSide = "a child answers over the handle it is passed and passes one";

TEST_CASE("a child that is spawned is passed handles over its pipe, and passes them back") {
  test::run([] {
    auto child = Process::spawn({.file = "/proc/self/exe",
                                 .args = {std::string("--test-case=") + kChildSide, "--no-skip"},
                                 .output = Stdio::ignore(),
                                 .more = {Stdio::ipc()}});
    PipeStream& pipe = child.pipe(3);
    auto [near, far] = PipeStream::pair();
    pass_handle(pipe, far, bytes_of("x"));
    far.close();
    CHECK(read_to_end(near) == "over the handle");
    CHECK(read_some(pipe) == "y");
    auto back = take_handle(pipe);
    REQUIRE(back.has_value());
    CHECK(read_to_end(std::get<PipeStream>(*back)) == "over its own");
    CHECK(child.wait().is_success());
  });
}

// Run by the case above, in a process of its own.
TEST_CASE(kChildSide* doctest::skip()) {
  test::run([] {
    auto pipe = PipeStream::open(3, {.ipc = true});
    CHECK(read_some(pipe) == "x");
    auto handle = take_handle(pipe);
    REQUIRE(handle.has_value());
    std::get<PipeStream>(*handle).write("over the handle");
    auto [near, far] = PipeStream::pair();
    pass_handle(pipe, far, bytes_of("y"));
    near.write("over its own");
  });
}

// Another process, which was handed `fd`: takes a listener and serves one connection.
[[noreturn]] void serve_one(int fd) {
  run([fd] {
    auto parent = PipeStream::open(fd, {.ipc = true});
    read_some(parent);
    auto handle = take_handle(parent);
    auto peer = std::get<TcpListener>(*handle).accept();
    peer.write("served by the child: " + read_some(peer));
  });
  ::_exit(0);
}

// In a child, which forks again: a loop that runs is not to be forked.
void serve_in_another_process() {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) serve_one(ends[1]);
  ::close(ends[1]);
  test::run([fd = ends[0]] {
    auto worker = PipeStream::open(fd, {.ipc = true});
    auto listener = TcpListener::bind("127.0.0.1", 0);
    auto client = TcpStream::connect("127.0.0.1", listener.port());
    pass_handle(worker, listener, bytes_of("x"));
    listener.close();
    client.write("question");
    REQUIRE(read_to_end(client) == "served by the child: question");
  });
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
}

TEST_CASE("a listener serves in the process it was passed to") {
  const auto child = test::run_in_child(serve_in_another_process);

  CHECK(child.status == 0);
  CHECK(child.errors == "");
}

}  // namespace
}  // namespace weft
