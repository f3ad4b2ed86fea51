// Steps that make promises, settle them, and react.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include <weft/runtime/promise.h>
#include <weft/runtime/timers.h>
#include <weft/tests/property/fiber_steps.h>
#include <weft/tests/property/world.h>

namespace weft::property {

inline HeldFuture* pick_future(World& world, const Step& step) {
  return world.futures.empty() ? nullptr : &world.futures[step.value % world.futures.size()];
}

inline void do_make_promise(World& world, Strand& /*strand*/, const Step& /*step*/) {
  auto promise = std::make_shared<Promise<int>>();
  Future<int> future = promise->future();
  world.futures.push_back({std::move(future), std::move(promise), true});
}

// With a value, an error, as another one, or by dropping its promise. One follows only
// older ones, and no reactions: a circle of promises would wait, and stay, for ever.
inline void do_settle(World& world, Strand& strand, const Step& step) {
  HeldFuture* const held = pick_future(world, step);
  if (held == nullptr || held->promise == nullptr) return;
  const std::shared_ptr<Promise<int>> promise = std::move(held->promise);
  const HeldFuture& other = world.futures[step.value / 7 % world.futures.size()];
  const Taking taking(world);
  if (step.value % 4 == 0) {
    promise->reject(Rejection{step.number});
  } else if (step.value % 4 == 1) {
    promise->resolve(step.number);
  } else if (other.is_root && other.future.async_id() < promise->async_id()) {
    promise->resolve(other.future);
  }
  world.log.write("settles", step.number, strand.context);
}

// One of two reactions, once; what it throws rejects the future of then().
inline void do_then(World& world, Strand& strand, const Step& step) {
  HeldFuture* const held = pick_future(world, step);
  if (held == nullptr) return;
  Plan& plan = world.plans.emplace_back(plan_from(strand, step));
  plan.is_trigger_known = false;
  plan.must_run = false;  // nobody may ever settle it
  const Taking taking(world);
  Future<int> reacted = held->future.then(
      [&world, &plan](const int& value) {
        enter(world, plan, false);
        return value + 1;
      },
      [&world, &plan](const std::exception_ptr&) {
        enter(world, plan, false);
        return -1;
      });
  plan.id = reacted.async_id();
  if (step.value % 3 != 0) world.futures.push_back({std::move(reacted), nullptr, false});
}

inline int await_or_error(World& world, const Future<int>& future) {
  try {
    return future.await();
  } catch (const Boom& boom) {
    return -boom.number;
  } catch (const Rejection& rejection) {
    return -rejection.number;
  } catch (const BrokenPromise&) {
    return -1000;
  } catch (const std::system_error& error) {
    require(world, error.code() == std::errc::operation_canceled, error.what());
    return -2000;
  }
}

// Only of one that is settled or can be here: else nobody might ever wake the fiber.
inline void do_await_future(World& world, Strand& strand, const Step& step) {
  HeldFuture* const held = pick_future(world, step);
  if (held == nullptr || !strand.may_wait()) return;
  if (!held->future.is_settled()) {
    if (held->promise == nullptr) return;
    set_timeout(std::chrono::milliseconds(step.value % 3),
                [promise = std::move(held->promise), number = step.number]() mutable {
                  number % 2 == 0 ? promise->resolve(number) : promise->reject(Rejection{number});
                });
  }
  const Future<int> future = held->future;
  wait_with(world, strand, "await future",
            [&] { world.log.write("awaited", await_or_error(world, future), strand.context); });
}

inline void do_drop_future(World& world, Strand& /*strand*/, const Step& step) {
  if (world.futures.empty()) return;
  const auto index = static_cast<std::ptrdiff_t>(step.value % world.futures.size());
  const HeldFuture dropped = std::move(world.futures[static_cast<std::size_t>(index)]);
  world.futures.erase(std::next(world.futures.begin(), index));
}

}  // namespace weft::property
