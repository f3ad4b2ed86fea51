// What is around both echo servers: their arguments, their log, and the clients of --demo.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <weft/io/io.h>

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct EchoArguments {
  bool demo = false;
  std::uint16_t port = 7000;  // 0: any

  // Ends the program after --help and after a mistake.
  EchoArguments(int argc, char** argv) {
    const std::vector<std::string_view> arguments(argv + 1, argv + argc);
    if (arguments.empty()) return;
    if (arguments[0] == "--help") usage(stdout, 0);
    demo = arguments[0] == "--demo";
    if (demo) port = 0;
    const bool names_port = arguments[0] == "--port" && arguments.size() == 2;
    if (names_port) {
      const char* const end = arguments[1].data() + arguments[1].size();
      const auto [parsed, error] = std::from_chars(arguments[1].data(), end, port);
      if (error != std::errc() || parsed != end) usage(stderr, 2);
    } else if (!demo || arguments.size() > 1) {
      usage(stderr, 2);
    }
  }

 private:
  [[noreturn]] static void usage(std::FILE* to, int status) {
    std::fputs(
        "usage: echo [--demo | --port N]\n"
        "Serves on port N of 127.0.0.1, else 7000, until Ctrl-C. With --demo it serves three\n"
        "clients of its own instead, checks what was logged of them, and ends.\n",
        to);
    std::exit(status);
  }
};

// Prints what a server logs. A message of the demo begins with its client's name, so
// the log sees when two clients appear under one request.
class EchoLog {
 public:
  void print(int request, std::string_view text) {
    std::printf("[request %d] %.*s\n", request, static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
    if (text.starts_with("client ")) check(request, text.substr(0, text.find(':')));
  }

  // Prints what the check came to; returns the demo's exit status.
  int verdict() const {
    std::printf("%d messages, %d requests, %d messages under another client's request\n", messages_,
                static_cast<int>(clients_.size()), crossed_);
    return messages_ > 0 && crossed_ == 0 ? 0 : 1;
  }

 private:
  void check(int request, std::string_view client) {
    ++messages_;
    if (clients_.try_emplace(request, client).first->second != client) ++crossed_;
  }

  std::map<int, std::string> clients_;  // by request
  int messages_ = 0;
  int crossed_ = 0;
};

// Says `text` and waits for its echo.
inline void say(weft::io::TcpStream& client, const std::string& text) {
  std::array<std::byte, 64> buffer;
  client.write(text);
  const std::size_t count = client.read(buffer);
  if (text_of(std::span(buffer).first(count)) != text) throw std::runtime_error("no echo");
}

// Three clients at a time, which take turns so that every run prints the same.
inline void converse(std::uint16_t port) {
  std::vector<weft::io::TcpStream> clients;
  const auto speak = [&clients](std::size_t i, const std::string& words) {
    say(clients[i], "client " + std::to_string(i + 1) + ": " + words);
  };
  for (std::size_t i = 0; i < 3; ++i) {
    clients.push_back(weft::io::TcpStream::connect("127.0.0.1", port));
    speak(i, "hello");
  }
  for (const std::string words : {"how are you?", "bye"}) {
    for (std::size_t i = 0; i < 3; ++i) speak(i, words);
  }
  for (weft::io::TcpStream& client : clients) {
    std::array<std::byte, 1> end;
    client.shutdown();
    client.read(end);  // 0 bytes: the server has closed
  }
}
