// Steps that change the context, or run their body in another one.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/snapshot.h>
#include <weft/tests/property/mortal.h>
#include <weft/tests/property/world.h>

namespace weft::property {

// Puts one value of a strand's context back, as run() and its like must.
class Restored {
 public:
  Restored(Context& context, std::size_t local)
      : value_(context.values[local]), before_(context.values[local]) {}
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;
  ~Restored() { value_ = before_; }

 private:
  int& value_;
  int before_;
};

inline void set_and_perform(World& world, Strand& strand, const Step& step, int value) {
  strand.context.values[step.local] = value;
  look(world, strand, "set");
  perform(world, strand, step.body);
}

inline void do_run(World& world, Strand& strand, const Step& step) {
  const Restored restored(strand.context, step.local);
  const int value = static_cast<int>(step.value);
  world.locals.at(step.local).run(value, [&] { set_and_perform(world, strand, step, value); });
}

inline void do_exit(World& world, Strand& strand, const Step& step) {
  const Restored restored(strand.context, step.local);
  world.locals.at(step.local).exit([&] { set_and_perform(world, strand, step, kNone); });
}

inline void do_scope(World& world, Strand& strand, const Step& step) {
  const Restored restored(strand.context, step.local);
  const int value = static_cast<int>(step.value);
  const auto scope = world.locals.at(step.local).scope(value);
  set_and_perform(world, strand, step, value);
}

inline void do_enter_with(World& world, Strand& strand, const Step& step) {
  const int value = static_cast<int>(step.value);
  world.locals.at(step.local).enter_with(value);
  strand.context.values[step.local] = value;
}

inline void do_disable(World& world, Strand& strand, const Step& step) {
  world.locals.at(step.local).disable();
  strand.context.values[step.local] = Context::unset(step.local);
}

inline void do_detached(World& world, Strand& strand, const Step& step) {
  Strand inside = strand;
  inside.context = Context{};
  detached([&] {
    look(world, inside, "detached");
    perform(world, inside, step.body);
  });
}

// A local that dies while work which inherited it goes on, and whose slot is used again.
inline void do_brief_local(World& world, Strand& strand, const Step& step) {
  const AsyncLocal<std::string> brief;
  const auto is_there = [&brief] { return brief.get() != nullptr && *brief.get() == "brief"; };
  brief.run("brief", [&] {
    perform(world, strand, step.body);
    require(world, is_there(), "a brief local lost its value");
  });
  require(world, brief.get() == nullptr, "a brief local kept its value");
}

inline void do_mortal_value(World& world, Strand& strand, const Step& step) {
  const AsyncLocal<std::shared_ptr<Mortal>> holder;
  auto value = std::make_shared<Mortal>(world, step.number, 3 * step.value);
  if (step.value % 2 == 0) {
    holder.enter_with(std::move(value));
    perform(world, strand, step.body);
  } else {
    holder.run(std::move(value), [&] { perform(world, strand, step.body); });
  }
}

inline void do_take_snapshot(World& world, Strand& strand, const Step& /*step*/) {
  world.snapshots.push_back(
      {std::make_shared<Snapshot>(Snapshot::capture()), strand.context.inherited(), strand.id});
}

inline void do_use_snapshot(World& world, Strand& strand, const Step& step) {
  if (world.snapshots.empty()) return;
  const std::size_t index = step.value % world.snapshots.size();
  const HeldSnapshot held = world.snapshots[index];
  if (step.value % 4 == 0) {
    world.snapshots.erase(std::next(world.snapshots.begin(), static_cast<std::ptrdiff_t>(index)));
  }
  Strand inside{held.context, held.snapshot->async_id(), held.trigger, strand.fiber};
  (*held.snapshot)([&] {
    look(world, inside, "snapshot");
    perform(world, inside, step.body);
    look(world, inside, "snapshot's end");
  });
}

// Bound here, called inside a run(), whose value it must not see.
inline void do_bind(World& world, Strand& strand, const Step& step) {
  Strand inside{strand.context.inherited(), 0, strand.id, strand.fiber};
  auto bound = bind([&] {
    inside.id = execution_async_id();
    look(world, inside, "bound");
    perform(world, inside, step.body);
  });
  world.locals.at(step.local).run(-2, [&] { bound(); });
}

inline void do_make_resource(World& world, Strand& strand, const Step& /*step*/) {
  world.resources.push_back(std::make_shared<HeldResource>(
      HeldResource{std::make_shared<AsyncResource>("PROPERTY"), strand.context.inherited()}));
}

inline HeldResource* pick_resource(World& world, const Step& step) {
  return world.resources.empty() ? nullptr
                                 : world.resources[step.value % world.resources.size()].get();
}

inline void do_use_resource(World& world, Strand& strand, const Step& step) {
  if (world.resources.empty()) return;
  const auto held = world.resources[step.value % world.resources.size()];
  if (held->is_destroyed) return;
  AsyncResource& resource = *held->resource;
  Strand inside{held->context, resource.async_id(), resource.trigger_async_id(), strand.fiber};
  const auto body = [&] {
    require(world, execution_async_resource() == &resource, "another resource runs");
    look(world, inside, "resource");
    perform(world, inside, step.body);
    look(world, inside, "resource's end");
  };
  struct Open {
    HeldResource& held;
    explicit Open(HeldResource& of) : held(of) { ++held.open; }
    ~Open() { --held.open; }
  } const open(*held);
  step.value % 3 == 0 ? resource.bind(body)() : resource.run_in_async_scope(body);
}

// Not while somebody is inside: its `after` would come behind its destroy.
inline void do_end_resource(World& world, Strand& /*strand*/, const Step& step) {
  HeldResource* const held = pick_resource(world, step);
  if (held == nullptr || held->is_destroyed || held->open > 0) return;
  held->resource->emit_destroy();
  held->is_destroyed = true;
}

inline void do_drop_resource(World& world, Strand& /*strand*/, const Step& step) {
  if (world.resources.empty()) return;
  const std::size_t index = step.value % world.resources.size();
  world.resources.erase(std::next(world.resources.begin(), static_cast<std::ptrdiff_t>(index)));
}

}  // namespace weft::property
