#include <doctest/doctest.h>

#include <weft/runtime/offload.h>
#include <weft/tests/conformance/reproduce.h>

namespace weft {
namespace {

using test::Life;
using test::reproduce;

TEST_SUITE_BEGIN("conformance/offload");

TEST_CASE("a job of the thread pool is a resource, which calls back in the context of its start") {
  reproduce("crypto", [](Life& life) {
    const auto job = [] {};  // what it computes is no matter
    life.run([&] {
      life.als.run("A", [&] {
        offload(job, [&](const Result<void>&) {
          life.cb("pbkdf2");
          life.als.run("B",
                       [&] { offload(job, [&](const Result<void>&) { life.cb("randomBytes"); }); });
        });
      });
    });
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
