// UniqueFunction: a callable that is moved, never copied.
//
// std::function needs copies, so it cannot hold what a server's callbacks own
// (a stream, a promise). Callables up to four words that move without throwing
// live inside the object; larger ones live on the heap.
//
//   UniqueFunction<int(int)> f = [owner = std::make_unique<int>(1)](int x) { return *owner + x; };
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

namespace weft {

template <typename Signature>
class UniqueFunction;

namespace detail {

template <typename F, typename Self, typename R, typename... Args>
concept TargetOf =
    !std::same_as<std::decay_t<F>, Self> && std::is_invocable_r_v<R, std::decay_t<F>&, Args...>;

// A lambda or an object with one operator(), but of another signature.
template <typename F, typename Self, typename R, typename... Args>
concept OfAnotherSignature =
    !std::same_as<std::decay_t<F>, Self> && !TargetOf<F, Self, R, Args...> && requires {
  &std::decay_t<F>::operator();
};

template <typename F, typename Signature>
inline constexpr bool kHasSignature = false;

// What can be callable in type and empty in value.
template <typename F>
concept Nullable = !std::is_function_v<F> && requires(F f) {
  f == nullptr;
  f = nullptr;
};

}  // namespace detail

template <typename R, typename... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() noexcept = default;
  // NOLINTNEXTLINE(google-explicit-constructor): as std::function
  UniqueFunction(std::nullptr_t) noexcept {}

  // Empty when `fn` is a null pointer or an empty std::function.
  template <detail::TargetOf<UniqueFunction, R, Args...> F>
  // NOLINTNEXTLINE(google-explicit-constructor): as std::function
  UniqueFunction(F&& fn) {
    using Target = std::decay_t<F>;
    if constexpr (detail::Nullable<std::remove_cvref_t<F>>) {
      if (!static_cast<bool>(fn)) return;
    }
    if constexpr (is_small<Target>()) {
      ::new (static_cast<void*>(storage_)) Target(std::forward<F>(fn));
      operations_ = &kInPlace<Target>;
    } else {
      ::new (static_cast<void*>(storage_)) Target*(new Target(std::forward<F>(fn)));
      operations_ = &kOnHeap<Target>;
    }
  }

  // Not to be had: it is here to say in one line what the compiler would say in twenty.
  template <detail::OfAnotherSignature<UniqueFunction, R, Args...> F>
  // NOLINTNEXTLINE(google-explicit-constructor, bugprone-forwarding-reference-overload)
  UniqueFunction(F&& /*fn*/) {
    static_assert(detail::kHasSignature<std::decay_t<F>, R(Args...)>,
                  "this function has another signature than what is asked for: it must be callable "
                  "with the arguments, and return the result, of the UniqueFunction named above");
  }

  UniqueFunction(UniqueFunction&& other) noexcept { take(other); }
  UniqueFunction& operator=(UniqueFunction&& other) noexcept {
    if (this != &other) {
      const UniqueFunction replaced(std::move(*this));  // its target may own `other`
      take(other);
    }
    return *this;
  }
  UniqueFunction(const UniqueFunction&) = delete;
  UniqueFunction& operator=(const UniqueFunction&) = delete;
  ~UniqueFunction() { reset(); }

  // Calls the target. Calling an empty function is undefined, as for a null pointer.
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the analyzer loses track of moves
  R operator()(Args... args) { return operations_->invoke(storage_, std::forward<Args>(args)...); }

  explicit operator bool() const noexcept { return operations_ != nullptr; }

 private:
  static constexpr std::size_t kWords = 4;

  struct Operations {
    R (*invoke)(void* storage, Args&&... args);
    void (*relocate)(void* to, void* from) noexcept;  // moves and destroys what is left in `from`
    void (*destroy)(void* storage) noexcept;
  };

  template <typename Target>
  static constexpr bool is_small() {
    // NOLINTNEXTLINE(misc-redundant-expression): equal constants for some targets only
    return sizeof(Target) <= kWords * sizeof(void*) && alignof(Target) <= alignof(void*) &&
           std::is_nothrow_move_constructible_v<Target>;
  }

  template <typename Target>
  static Target& in_place(void* storage) {
    return *std::launder(static_cast<Target*>(storage));
  }
  template <typename Target>
  static Target*& on_heap(void* storage) {
    return *std::launder(static_cast<Target**>(storage));
  }

  // As std::invoke_r of C++23: a result nobody wants is dropped.
  template <typename Target>
  static R call(Target& target, Args&&... args) {
    if constexpr (std::is_void_v<R>) {
      std::invoke(target, std::forward<Args>(args)...);
    } else {
      return std::invoke(target, std::forward<Args>(args)...);
    }
  }

  template <typename Target>
  static constexpr Operations kInPlace{[](void* s, Args&&... args) -> R {
                                         return call(in_place<Target>(s),
                                                     std::forward<Args>(args)...);
                                       },
                                       [](void* to, void* from) noexcept {
                                         ::new (to) Target(std::move(in_place<Target>(from)));
                                         in_place<Target>(from).~Target();
                                       },
                                       [](void* s) noexcept { in_place<Target>(s).~Target(); }};

  template <typename Target>
  static constexpr Operations kOnHeap{
      [](void* s, Args&&... args) -> R {
        return call(*on_heap<Target>(s), std::forward<Args>(args)...);
      },
      [](void* to, void* from) noexcept { ::new (to) Target*(on_heap<Target>(from)); },
      [](void* s) noexcept { delete on_heap<Target>(s); }};

  void take(UniqueFunction& other) noexcept {
    if (other.operations_ == nullptr) return;
    other.operations_->relocate(storage_, other.storage_);
    operations_ = std::exchange(other.operations_, nullptr);
  }
  void reset() noexcept {
    if (const Operations* held = std::exchange(operations_, nullptr)) held->destroy(storage_);
  }

  alignas(void*) std::byte storage_[kWords * sizeof(void*)];
  const Operations* operations_ = nullptr;
};

}  // namespace weft
