// Files: reading one that is in the page cache, a piece after the other, through the pool.
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <uv.h>

#include "rounds.h"
#include <weft/io/file.h>
#include <weft/runtime/await.h>
#include <weft/runtime/run.h>

namespace {

constexpr std::size_t kFileBytes = std::size_t{256} << 20;

using Piece = std::vector<std::byte>;

// A file that goes with the program, all of it in the page cache.
class CachedFile {
 public:
  CachedFile() {
    const int fd = mkstemp(path_.data());
    if (fd < 0) std::abort();
    const Piece piece(std::size_t{1} << 20, std::byte{'x'});
    for (std::size_t at = 0; at < kFileBytes; at += piece.size()) {
      if (write(fd, piece.data(), piece.size()) != static_cast<ssize_t>(piece.size())) std::abort();
    }
    close(fd);
  }
  CachedFile(const CachedFile&) = delete;
  CachedFile& operator=(const CachedFile&) = delete;
  ~CachedFile() { unlink(path_.c_str()); }

  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/weft-bench-" + std::string(6, 'X');
};

std::size_t offset_of(long piece, std::size_t bytes) {
  return static_cast<std::size_t>(piece) * bytes % kFileBytes;
}

// As a C program reads: the callback starts the next one.
struct UvReader {
  uv_loop_t loop;
  uv_fs_t request;
  int fd;
  Piece piece;
  long left;

  void next() {
    const uv_buf_t buffer =
        uv_buf_init(reinterpret_cast<char*>(piece.data()), static_cast<unsigned>(piece.size()));
    uv_fs_read(&loop, &request, fd, &buffer, 1,
               static_cast<std::int64_t>(offset_of(left, piece.size())), [](uv_fs_t* done) {
                 auto& self = *static_cast<UvReader*>(done->data);
                 if (done->result != static_cast<ssize_t>(self.piece.size())) std::abort();
                 uv_fs_req_cleanup(done);
                 if (--self.left > 0) self.next();
               });
  }
};

double uv_read(const std::string& path, std::size_t bytes, long n) {
  UvReader reader{{}, {}, open(path.c_str(), O_RDONLY | O_CLOEXEC), Piece(bytes), n};
  uv_loop_init(&reader.loop);
  reader.request.data = &reader;
  const double ns = bench::nanoseconds([&] {
    reader.next();
    uv_run(&reader.loop, UV_RUN_DEFAULT);
  });
  uv_loop_close(&reader.loop);
  close(reader.fd);
  return ns;
}

double fiber_read(const std::string& path, std::size_t bytes, long n) {
  double ns = 0;
  weft::run([&] {
    auto file = weft::io::File::open(path);
    Piece piece(bytes);
    ns = bench::nanoseconds([&] {
      for (long i = n; i > 0; --i) {
        if (file.read_at(piece, offset_of(i, bytes)) != bytes) std::abort();
      }
    });
  });
  return ns;
}

double callback_read(const std::string& path, std::size_t bytes, long n) {
  double ns = 0;
  weft::run([&] {
    auto file = weft::io::File::open(path);
    Piece piece(bytes);
    long left = n;
    std::function<void()> next;
    const auto from = std::chrono::steady_clock::now();
    weft::await<void>([&](weft::Callback<void> done) {
      next = [&, done = std::make_shared<weft::Callback<void>>(std::move(done))] {
        file.read_at(piece, offset_of(left, bytes), [&, done](weft::Result<std::size_t> got) {
          if (got.value() != bytes) std::abort();
          if (--left > 0) return next();
          (*done)(weft::Result<void>());
        });
      };
      next();
    });
    const auto spent = std::chrono::steady_clock::now() - from;
    ns = std::chrono::duration<double, std::nano>(spent).count();
  });
  return ns;
}

void read_pieces(bench::Rounds& rounds, const std::string& path, const std::string& what,
                 std::size_t bytes) {
  rounds.compare(
      "read a cached file, " + what, "ns",
      {{"floor", "uv_fs_read", [=](long n) { return uv_read(path, bytes, n); }},
       {"ours", "weft fiber", [=](long n) { return fiber_read(path, bytes, n); }},
       {"ours", "weft callback", [=](long n) { return callback_read(path, bytes, n); }}});
}

}  // namespace

int main(int argc, char** argv) {
  bench::Rounds rounds(argc, argv);
  const CachedFile file;
  read_pieces(rounds, file.path(), "64 KiB pieces", std::size_t{64} << 10);
  read_pieces(rounds, file.path(), "1 MiB pieces", std::size_t{1} << 20);
  return rounds.status();
}
