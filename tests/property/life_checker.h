// LifeChecker: the rules of a resource's life, checked event by event.
//
// A hook that was enabled throughout sees all: ids grow, one init and one destroy
// each, triggers that are known, befores and afters in nested pairs, a fiber's
// result before its end, nothing after a destroy. One that was switched on and off
// sees parts, of which fewer rules hold.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <weft/ctx/async_resource.h>
#include <weft/ctx/hooks.h>
#include <weft/tests/property/findings.h>
#include <weft/tests/property/log.h>

namespace weft::property {

class LifeChecker {
 public:
  enum class Sees { kAll, kParts };

  LifeChecker(Findings& findings, Sees sees) : findings_(findings), sees_(sees) {}
  LifeChecker(const LifeChecker&) = delete;
  LifeChecker& operator=(const LifeChecker&) = delete;
  ~LifeChecker() = default;

  // Of a hook that tells this object; it must not outlive it.
  HookCallbacks callbacks() {
    return {
        .init =
            [this](AsyncId id, std::string_view type, AsyncId trigger, AsyncResource& resource) {
              require(resource.async_id() == id && resource.type() == type &&
                          resource.trigger_async_id() == trigger,
                      "init names another resource than it shows", id);
              on_init(id, type, trigger);
            },
        .before = [this](AsyncId id) { on_before(id, execution_async_id()); },
        .after = [this](AsyncId id) { on_after(id, execution_async_id()); },
        .destroy = [this](AsyncId id) { on_destroy(id, execution_async_id()); },
        .promise_resolve = [this](AsyncId id) { on_resolve(id); },
    };
  }

  void on_init(AsyncId id, std::string_view type, AsyncId trigger) {
    ++events_;
    require(id > last_id_, "ids do not grow", id);
    last_id_ = id;
    if (sees_all() && lives_.empty()) {
      require(in_loop(id) == 1 && type == "FIBER" && trigger == 0, "the first is not main", id);
    }
    require(!sees_all() || trigger == 0 || lives_.contains(trigger), "its trigger is unknown", id);
    require(!lives_.contains(id), "a second init", id);
    Life& life = lives_[id];
    life.is_fiber = type == "FIBER";
    life.is_promise = type == "PROMISE";
    life.is_held = life.is_promise || type == "PROPERTY" || type == "bound-anonymous-fn";
    life.saw_init = true;
  }

  // `running` is execution_async_id() at the event.
  void on_before(AsyncId id, AsyncId running) {
    happens(id, "before");
    require(running == id, "another resource runs in before", id);
    open_.push_back(id);
  }

  void on_after(AsyncId id, AsyncId running) {
    happens(id, "after");
    require(running == id, "another resource runs in after", id);
    const bool nests = !open_.empty() && open_.back() == id;
    require(nests || !sees_all(), "after does not close the innermost before", id);
    if (nests) open_.pop_back();
  }

  void on_resolve(AsyncId id) {
    Life& life = happens(id, "promise_resolve");
    require(life.is_fiber || life.is_promise || !life.saw_init,
            "promise_resolve of what is neither fiber nor promise", id);
    require(++life.resolves == 1, "a second promise_resolve", id);
  }

  void on_destroy(AsyncId id, AsyncId running) {
    Life& life = happens(id, "destroy");
    require(running == 0, "destroy inside of a resource", id);
    require(!sees_all() || !life.is_fiber || life.resolves == 1, "a fiber without a result", id);
    life.is_destroyed = true;
  }

  // The loop has ended: whatever it owned is gone, though the program has handles.
  void finish_loop() {
    if (!sees_all()) return;
    for (const auto& [id, life] : lives_) {
      require(life.is_held || life.is_destroyed, "no destroy by the loop's end", id);
    }
  }

  // All is closed and every destroy delivered.
  void finish() {
    if (!sees_all()) return;
    for (const AsyncId id : open_) require(false, "before without after", id);
    for (const auto& [id, life] : lives_) require(life.is_destroyed, "init without destroy", id);
  }

  std::size_t events() const noexcept { return events_; }

 private:
  struct Life {
    bool saw_init = false;
    bool is_fiber = false;
    bool is_promise = false;
    bool is_held = false;  // by the program itself
    bool is_destroyed = false;
    int resolves = 0;
  };

  bool sees_all() const noexcept { return sees_ == Sees::kAll; }

  Life& happens(AsyncId id, std::string_view event) {
    ++events_;
    Life& life = lives_[id];
    require(life.saw_init || !sees_all(), std::string(event) + " without init", id);
    require(!life.is_destroyed, std::string(event) + " after destroy", id);
    return life;
  }

  void require(bool holds, const std::string& otherwise, AsyncId id) {
    if (!holds) findings_.add("hook: " + otherwise + ", id " + std::to_string(in_loop(id)));
  }

  Findings& findings_;
  Sees sees_;
  AsyncId last_id_ = 0;
  std::size_t events_ = 0;
  std::map<AsyncId, Life> lives_;
  std::vector<AsyncId> open_;
};

}  // namespace weft::property
