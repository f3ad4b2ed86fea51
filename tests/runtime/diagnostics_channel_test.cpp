// Diagnostics channels where there is a loop: errors of subscribers, fibers that wait.
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weft/ctx/async_local.h>
#include <weft/ctx/detail/channel_registry.h>
#include <weft/ctx/detail/describe_exception.h>
#include <weft/ctx/tracing_channel.h>
#include <weft/runtime/await.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/result.h>
#include <weft/runtime/run.h>
#include <weft/runtime/task.h>
#include <weft/runtime/timers.h>
#include <weft/tests/support/harness.h>
#include <weft/tests/support/trace.h>

namespace weft {
namespace {

using test::seen;
using test::Trace;
using namespace std::chrono_literals;

struct Job {
  std::string name;
  int result = 0;
  std::exception_ptr error = {};
};

// Channels of jobs whose stores hold the job's name.
struct JobsTest {
  JobsTest() {
    jobs.start().bind_store(local, [](Job& job) { return job.name; });
  }
  JobsTest(const JobsTest&) = delete;
  JobsTest& operator=(const JobsTest&) = delete;
  ~JobsTest() { detail::end_all_listening(); }

  void note(const std::string& what) { trace.push_back(what + " " + seen(local)); }

  const TracingChannel<Job> jobs{"job"};
  const AsyncLocal<std::string> local;
  Trace trace;
};

TEST_SUITE_BEGIN("runtime/diagnostics_channel");

TEST_CASE_FIXTURE(JobsTest, "a subscriber's error is uncaught after the callback that published") {
  jobs.start().subscribe([](Job&) { throw std::runtime_error("mine"); });

  test::run(
      [&] {
        set_timeout(1ms, [&] {
          jobs.start().run_stores(Job{"A"}, [&] { note("fn"); });
          note("callback");
        });
      },
      {.run = {.on_uncaught = [&](const std::exception_ptr& error) {
         note(detail::describe_exception(error));
       }}});

  CHECK(trace == Trace{"fn A", "callback none", "mine (std::runtime_error) A"});
}

TEST_CASE_FIXTURE(JobsTest, "without a handler a subscriber's error stops the run") {
  jobs.start().subscribe([](Job&) { throw std::runtime_error("mine"); });

  const test::ChildResult child = test::run_in_child([&] {
    detail::run_loop(
        nullptr, [&] { return jobs.start().publish(Job{}), 0; }, {}, detail::Clock::kVirtual);
  });

  CHECK(child.status == 2);
  CHECK(child.says("weft: uncaught error: mine"));
}

TEST_CASE_FIXTURE(JobsTest,
                  "a traced function that waits keeps its stores and ends when it returns") {
  jobs.subscribe({.start = [&](Job&) { note("start"); }, .end = [&](Job&) { note("end"); }});
  const auto work = [&](std::chrono::milliseconds time) {
    sleep_for(time);
    note("woke");
  };

  test::run([&] {
    auto a = spawn([&] { jobs.trace_sync([&] { work(2ms); }, Job{"A"}); });
    auto b = spawn([&] { jobs.trace_sync([&] { work(1ms); }, Job{"B"}); });
    a.join();
    b.join();
    note("joined");
  });

  CHECK(trace == Trace{"start A", "start B", "woke B", "end B", "woke A", "end A", "joined none"});
}

TEST_CASE_FIXTURE(JobsTest, "cancelling a traced wait tells error and end") {
  jobs.subscribe({.end = [&](Job& job) { note(job.error ? "end failed" : "end"); },
                  .error = [&](Job&) { note("error"); }});

  test::run([&] {
    auto task = spawn([&] { jobs.trace_sync([] { sleep_for(1h); }, Job{"A"}); });
    yield();
    task.cancel();
  });

  CHECK(trace == Trace{"error A", "end failed A"});
}

TEST_CASE_FIXTURE(JobsTest, "an operation's Callback can be traced, and waited for") {
  jobs.async_start().subscribe([&](Job& job) { note("result " + std::to_string(job.result)); });
  jobs.error().subscribe([&](Job& job) { note(detail::describe_exception(job.error)); });
  const auto operation = [](Result<int> outcome, Callback<int> done) {
    set_timeout(1ms, [outcome, done = std::move(done)]() mutable { done(outcome); });
  };
  const auto traced = [&](const Result<int>& outcome) {
    return await_result<int>([&](Callback<int> done) {
      jobs.trace_callback(operation, Job{"A"}, outcome, std::move(done));
    });
  };

  test::run([&] {
    CHECK(traced(7).value() == 7);
    CHECK(traced(Error{std::make_error_code(std::errc::timed_out), "job"}).error() ==
          std::errc::timed_out);
  });

  CHECK(trace ==
        Trace{"result 7 A", "job: Connection timed out (std::system_error) A", "result 0 A"});
}

TEST_SUITE_END();

}  // namespace
}  // namespace weft
