// AsyncLocal: a value that follows the work which set it.
//
// The C++ spelling of Node's AsyncLocalStorage. A store set with run() is seen
// by every fiber, timer and I/O callback started inside it, however late they
// execute, and by nothing else.
//
//   AsyncLocal<RequestId> request;
//   request.run(RequestId{7}, [] { spawn([] { log(*request.get()); }); });  // 7
//
// Locals are usually namespace-scope objects. One may be used from any thread;
// the values belong to the work that set them. A value lives until the last work that
// inherited it has ended; one that owns such work itself (a bound function, a resource)
// lives for ever: see snapshot.h.
#pragma once

#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <weft/ctx/detail/block_pool.h>
#include <weft/ctx/detail/local_scope.h>
#include <weft/ctx/error.h>

namespace weft {

// What work started under a value receives of it.
enum class Inherit {
  kYes,  // the value itself, shared
  kNo,   // nothing: the value is seen by the code that set it alone (an open transaction)
};

template <typename T>
struct AsyncLocalOptions {
  std::string name = {};                // for MissingContext and for people
  std::optional<T> default_value = {};  // what get() answers outside every run()
  Inherit inherit = Inherit::kYes;
  std::function<T(const T&)> fork = {};  // makes the child's value from the parent's
};

template <typename T>
class AsyncLocal {
 public:
  using Options = AsyncLocalOptions<T>;
  using Scope = detail::LocalScope;

  AsyncLocal() : AsyncLocal(Options{}) {}
  explicit AsyncLocal(Options options)
      : name_(std::move(options.name)),
        default_(make_default(options)),
        kind_(kind_of(options)),
        fork_(make_fork(options)) {}
  AsyncLocal(const AsyncLocal&) = delete;
  AsyncLocal& operator=(const AsyncLocal&) = delete;
  ~AsyncLocal() { detail::release_local(id_); }

  // Calls `fn` with the store set to `value`; restores this local on return or
  // throw. Returns what `fn` returns.
  //
  // Source: Node `asyncLocalStorage.run(store, callback, ...args)`.
  template <typename F, typename... Args>
  decltype(auto) run(T value, F&& fn, Args&&... args) const {
    const Scope restore(id_, make_value(std::move(value)));
    return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
  }

  // Calls `fn` with no store, not even the default.
  //
  // Source: Node `asyncLocalStorage.exit(callback, ...args)`.
  template <typename F, typename... Args>
  decltype(auto) exit(F&& fn, Args&&... args) const {
    const Scope restore(id_, nullptr);
    return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
  }

  // Sets the store for the rest of the running callback or fiber. Prefer run()
  // or scope(): this one has no end the reader can see.
  //
  // Source: Node `asyncLocalStorage.enterWith(store)`.
  void enter_with(T value) const { detail::set_local(id_, make_value(std::move(value))); }

  // Hides the store, and the default, for the rest of the running callback or fiber,
  // as exit(fn) does for `fn`.
  //
  // Source: Node `asyncLocalStorage.enterWith(undefined)`.
  void exit() const { detail::set_local(id_, nullptr); }

  // Sets the store until the returned object dies, on the same fiber or callback.
  // Shape: it may be moved (out of a function, into a member); scopes end innermost first.
  //
  // Source: Node `asyncLocalStorage.withScope(store)`.
  [[nodiscard]] Scope scope(T value) const { return Scope(id_, make_value(std::move(value))); }

  // Returns the store; outside every run() the default value, or null.
  // Shape: valid while the current context is; shared by all work that inherited it.
  //
  // Source: Node `asyncLocalStorage.getStore()`.
  T* get() const noexcept {
    const detail::Execution* const execution = detail::thread_state.execution;
    if (execution != nullptr && execution->frame != nullptr) {
      if (const auto* entry = execution->frame->find(id_)) {
        return entry->value == nullptr ? nullptr : &static_cast<Stored*>(entry->value)->value;
      }
    }
    return default_.get();
  }

  // As get(), where a value must be there.
  // Errors: MissingContext, which names the local.
  T& value() const {
    T* const found = get();
    if (found == nullptr) throw MissingContext(name_);
    return *found;
  }

  // Forgets the store for the rest of the running callback or fiber: get()
  // answers the default again. Work started before keeps what it inherited.
  //
  // Source: Node `asyncLocalStorage.disable()`, which reaches such work as well.
  void disable() const { detail::unset_local(id_); }

  std::string_view name() const noexcept { return name_; }

 private:
  using Fork = std::function<T(const T&)>;

  struct Stored : detail::Value {
    Stored(const Operations* operations, T initial)
        : Value(operations), value(std::move(initial)) {}
    static void* operator new(std::size_t bytes) { return detail::allocate_block(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept {
      detail::free_block(block, bytes);
    }
    static void* operator new(std::size_t bytes, std::align_val_t alignment) {
      return ::operator new(bytes, alignment);
    }
    static void operator delete(void* block, std::align_val_t alignment) noexcept {
      ::operator delete(block, alignment);
    }
    T value;
  };
  struct ForkingStored : Stored {
    ForkingStored(T initial, std::shared_ptr<const Fork> how)
        : Stored(&kForking, std::move(initial)), fork(std::move(how)) {}
    std::shared_ptr<const Fork> fork;  // shared with the local, which may die first
  };

  template <typename S>
  static void destroy(detail::Value* value) noexcept {
    delete static_cast<S*>(value);
  }
  static detail::Value* no_value(detail::Value& /*value*/) { return nullptr; }
  static detail::Value* forked(detail::Value& value) {
    auto& parent = static_cast<ForkingStored&>(value);
    return new ForkingStored((*parent.fork)(parent.value), parent.fork);
  }

  static constexpr detail::Value::Operations kPlain{&destroy<Stored>, nullptr};
  static constexpr detail::Value::Operations kPrivate{&destroy<Stored>, &no_value};
  static constexpr detail::Value::Operations kForking{&destroy<ForkingStored>, &forked};

  static std::unique_ptr<T> make_default(Options& options) {
    if (!options.default_value) return nullptr;
    return std::make_unique<T>(std::move(*options.default_value));
  }
  static std::shared_ptr<const Fork> make_fork(Options& options) {
    if (!options.fork) return nullptr;
    return std::make_shared<const Fork>(std::move(options.fork));
  }
  static const detail::Value::Operations* kind_of(const Options& options) {
    if (options.inherit == Inherit::kNo && options.fork) {
      throw UsageError("AsyncLocal: Inherit::kNo and a fork exclude each other; give one");
    }
    return options.inherit == Inherit::kNo ? &kPrivate : &kPlain;
  }

  detail::Value* make_value(T value) const {
    if (fork_ != nullptr) [[unlikely]]
      return new ForkingStored(std::move(value), fork_);
    return new Stored(kind_, std::move(value));
  }

  std::string name_;
  std::unique_ptr<T> default_;
  const detail::Value::Operations* kind_;
  std::shared_ptr<const Fork> fork_;
  const detail::LocalId id_ = detail::acquire_local();  // last: what throws above takes no slot
};

}  // namespace weft
