// Busy: holds the threads of a pool until it is let go, so that what comes later waits.
#pragma once

#include <cstddef>
#include <future>
#include <vector>

#include <weft/runtime/fiber.h>
#include <weft/runtime/offload.h>
#include <weft/runtime/pool.h>
#include <weft/runtime/task.h>

namespace weft::test {

class Busy {
 public:
  // Returns when they are all held. Context: fiber
  Busy(Pool& pool, std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i) {
      tasks_.push_back(spawn([this, &pool] { offload(pool, [this] { may_end_.wait(); }); }));
    }
    while (pool.statistics().running < threads) yield();
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

  void let_go() {
    end_.set_value();
    for (auto& task : tasks_) task.join();
  }

 private:
  std::promise<void> end_;
  std::shared_future<void> may_end_ = end_.get_future().share();
  std::vector<Task<void>> tasks_;
};

}  // namespace weft::test
