// The main function of every test program.
//
// It differs from doctest's own in one point: a filter that matches nothing fails. Each test file
// is registered with Meson by the name of its suite, and a misspelt suite would otherwise pass for
// ever by running no test at all.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>

#include <doctest/doctest.h>

namespace {

bool nothing_matched = false;

struct CountMatches : doctest::IReporter {
  explicit CountMatches(const doctest::ContextOptions& /*options*/) {}

  void test_run_end(const doctest::TestRunStats& stats) override {
    nothing_matched = stats.numTestCasesPassingFilters == 0;
  }

  void report_query(const doctest::QueryData& /*query*/) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData& /*test*/) override {}
  void test_case_reenter(const doctest::TestCaseData& /*test*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*error*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*subcase*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*data*/) override {}
  void log_message(const doctest::MessageData& /*data*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*test*/) override {}
};

REGISTER_LISTENER("count_matches", 1, CountMatches);

}  // namespace

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int status = context.run();
  if (nothing_matched) {
    std::fputs("no test case matches: does TEST_SUITE_BEGIN name the file's path?\n", stderr);
    return 1;
  }
  return status;
}
