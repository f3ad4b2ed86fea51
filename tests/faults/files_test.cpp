#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weft/io/directory.h>
#include <weft/io/file.h>
#include <weft/io/fs.h>
#include <weft/runtime/offload.h>
#include <weft/tests/faults/streams.h>
#include <weft/tests/faults/sweep.h>
#include <weft/tests/support/temp_dir.h>

namespace weft {
namespace {

using test::for_each_fault;
using test::on_threads;
using test::Operations;
using test::require_same;

TEST_SUITE_BEGIN("faults/files");

TEST_CASE("a file is written and read, or says what failed") {
  const test::TempDir dir;
  for_each_fault(
      "a file",
      [&](Operations&) {
        auto file = io::File::open(dir.path("file"), {.read = true, .write = true, .create = true});
        file.truncate(0);
        file.write("hello");
        file.sync();
        std::string text;
        std::array<char, 16> bytes{};
        while (const std::size_t count =
                   file.read_at(std::as_writable_bytes(std::span(bytes)), text.size())) {
          text.append(bytes.data(), count);
        }
        require_same(text, "hello");
        if (file.stat().size != 5) throw std::logic_error("another size");
        file.close();
      },
      on_threads());
}

TEST_CASE("whole files and directories are handled, or it is told what failed") {
  const test::TempDir dir;
  for_each_fault(
      "whole files",
      [&](Operations&) {
        io::remove_all(dir.path("folder"));
        io::mkdir(dir.path("folder/inner"), {.parents = true});
        io::write_file(dir.path("folder/inner/file"), "hello");
        io::copy_file(dir.path("folder/inner/file"), dir.path("folder/copy"));
        require_same(io::read_file(dir.path("folder/copy")), "hello");
        if (io::read_directory(dir.path("folder")).size() != 2) {
          throw std::logic_error("another number of entries");
        }
        io::rename(dir.path("folder/copy"), dir.path("folder/moved"));
        io::unlink(dir.path("folder/moved"));
      },
      on_threads());
}

TEST_CASE("an offloaded function is called, or it is told why not") {
  for_each_fault(
      "offload",
      [](Operations& operations) {
        if (offload([] { return 7; }) != 7) throw std::logic_error("another value");
        operations.start<int>(
            "offload", [](Callback<int> done) { offload([] { return 8; }, std::move(done)); },
            [&](int value) {
              if (value != 8) throw std::logic_error("another value");
              operations.finish();
            });
        operations.wait();
      },
      on_threads());
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
