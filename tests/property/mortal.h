// Mortal: what a callback captured, or a local held, that starts work when it dies.
//
// When something is let go is part of what a program sees, and destructors run in
// awkward places: in a clear(), at a fiber's end, while the loop ends.
#pragma once

#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/task.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/tests/property/world.h>

namespace weft::property {

class Mortal {
 public:
  // Only some of those made with different `variant`s do anything.
  Mortal(World& world, int number, unsigned variant)
      : world_(variant % 3 == 0 ? &world : nullptr), number_(number), variant_(variant / 3) {}
  Mortal(Mortal&& other) noexcept
      : world_(std::exchange(other.world_, nullptr)),
        number_(other.number_),
        variant_(other.variant_) {}
  Mortal& operator=(Mortal&&) = delete;
  ~Mortal() {
    if (world_ != nullptr && world_->is_running) die(*world_, number_, variant_);
  }

 private:
  static void die(World& world, int number, unsigned variant) {
    world.log.write("dies", number, world.locals.seen());
    if (--world.steps_left < 0) return;
    const auto later = [&world, number] {
      world.log.write("after death", number, world.locals.seen());
    };
    switch (variant % 6) {
      case 0:
        next_tick(later);
        break;
      case 1:
        queue_microtask(later);
        break;
      case 2:
        set_immediate(later);
        break;
      case 3:
        spawn(later);
        break;
      case 4:
        spawn([later] {
          yield();
          later();
        }).cancel();
        break;
      case 5:
        AsyncResource("LAST").run_in_async_scope(later);
        break;
    }
  }

  World* world_;
  int number_;
  unsigned variant_;
};

}  // namespace weft::property
