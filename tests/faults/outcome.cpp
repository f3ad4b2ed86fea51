#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <sstream>
#include <system_error>

#include <weft/ctx/detail/describe_exception.h>
#include <weft/runtime/result.h>
#include <weft/runtime/task_group.h>
#include <weft/tests/faults/outcome.h>

namespace weft::test {
namespace {

// What a run may end with, although another call failed: the other side of a connection
// is told, or nobody is and waits are cancelled.
constexpr std::errc kIndirect[] = {std::errc::connection_refused, std::errc::connection_reset,
                                   std::errc::broken_pipe, std::errc::not_connected,
                                   std::errc::operation_canceled,
                                   // A handle whose kind libuv could not ask for.
                                   std::errc::operation_not_supported};

bool is_nobodys_error(const Fault& fault) {
  const std::string_view call = kCalls[fault.row].name;
  if (fault.error == kShort || fault.error == EINTR) return true;
  return fault.error == EAGAIN &&
         (call.starts_with("accept") || call.starts_with("read") || call.starts_with("write"));
}

bool is_memory(const Fault& fault) {
  return fault.error == ENOMEM || fault.error == UV_ENOMEM || fault.error == EAI_MEMORY;
}

Effect effect_of(const Fault& fault, const std::error_code& code) {
  const std::error_code expected = code_of(fault);
  if (!expected && code.value() <= UV_EAI_ADDRFAMILY && code.value() >= UV_EAI_PROTOCOL) {
    return Effect::kDelivered;
  }
  if (expected && code.default_error_condition() == expected.default_error_condition()) {
    return Effect::kDelivered;
  }
  const bool is_indirect = std::ranges::any_of(kIndirect, [&](std::errc c) { return code == c; });
  return is_indirect ? Effect::kIndirect : Effect::kWrong;
}

Effect effect_of(const Fault& fault, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const GroupError& group) {
    Effect worst = Effect::kIndirect;
    for (const auto& one : group.errors()) {
      const Effect effect = effect_of(fault, one);
      if (effect == Effect::kWrong) return effect;
      if (effect == Effect::kDelivered) worst = effect;
    }
    return worst;
  } catch (const std::system_error& failed) {
    return effect_of(fault, failed.code());
  } catch (const std::bad_alloc&) {
    return is_memory(fault) ? Effect::kDelivered : Effect::kWrong;
  } catch (...) {
    return Effect::kWrong;
  }
}

constexpr std::size_t kEffects = 5;
using Counts = std::array<unsigned, kEffects>;

// Printed at the end: the cases of a program share it.
struct Table {
  std::map<std::pair<std::size_t, int>, Counts> rows;

  ~Table() {
    if (rows.empty() || !is_asked_for("table")) return;
    std::printf("| call | error | injected | delivered | indirect | absorbed |\n");
    std::printf("|---|---|---|---|---|---|\n");
    for (const auto& [key, counts] : rows) {
      const auto of = [&counts = counts](Effect e) { return counts[static_cast<std::size_t>(e)]; };
      const unsigned injected = of(Effect::kAbsorbed) + of(Effect::kDelivered) +
                                of(Effect::kIndirect) + of(Effect::kWrong);
      std::printf("| %s | %s | %u | %u | %u | %u |\n", kCalls[key.first].name.data(),
                  name_of_error(key.first, key.second).c_str(), injected, of(Effect::kDelivered),
                  of(Effect::kIndirect), of(Effect::kAbsorbed));
    }
  }
};

}  // namespace

std::error_code code_of(const Fault& fault) {
  const std::string_view call = kCalls[fault.row].name;
  if (call == "getaddrinfo") return {};
  const int code = call.starts_with("uv_") ? fault.error : -fault.error;
  return {code, uv_category()};
}

bool may_last(const Fault& fault) {
  constexpr std::errc kLasting[] = {
      std::errc::too_many_files_open, std::errc::too_many_files_open_in_system,
      std::errc::not_enough_memory, std::errc::no_space_on_device, std::errc::io_error};
  const std::error_code code = code_of(fault);
  return std::ranges::any_of(kLasting, [&](std::errc one) { return code == one; });
}

Outcome judge(const Fault& fault, const std::vector<std::exception_ptr>& errors) {
  Outcome outcome{errors.empty() ? Effect::kAbsorbed : Effect::kIndirect};
  for (const auto& error : errors) {
    const Effect effect = effect_of(fault, error);
    if (effect == Effect::kWrong || is_nobodys_error(fault)) {
      return {Effect::kWrong, "  it ended with " + detail::describe_exception(error) + "\n"};
    }
    if (effect == Effect::kDelivered) outcome.effect = effect;
  }
  return outcome;
}

void count(const Fault& fault, Effect effect) {
  static Table table;
  ++table.rows[{fault.row, fault.error}][static_cast<std::size_t>(effect)];
}

bool is_asked_for(const char* word) {
  const char* const asked = std::getenv("WEFT_FAULTS");
  std::istringstream words(asked == nullptr ? "" : asked);
  for (std::string one; words >> one;) {
    if (one == word) return true;
  }
  return false;
}

}  // namespace weft::test
