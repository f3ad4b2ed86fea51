// TestWatch: what a test learns of the loop it ran on.
#pragma once

#include <string>

namespace weft::detail {

struct TestWatch {
  // The body is over: what is left once everything is parked and no timer is armed is
  // leaked, and the run ends instead of waiting for the network for ever.
  bool is_body_over = false;
  // Told what is left, a line each; else only a run that ends by itself tells.
  bool ends_when_quiet = false;
  std::string leftovers;
};

}  // namespace weft::detail
