// FsRequest: one operation on files, on its way through Pool::fs().
//
// An operation is a name, a subject and a call: what it is about, and what is done on
// the pool's thread. There libuv's functions get neither loop nor callback: they block
// and return what they came to, and one work may be several of them (read_file is open,
// read, close). libuv's own pool would do one at a time, in a queue shared with name
// lookups, and could not tell a fiber that its buffer is free again. Invariants:
//
// 1. Nobody returns from an operation on the caller's memory, or on what is open, before
//    its call has returned or was taken back: a call writes to buffers, a request is on
//    a fiber's stack. One on a path owns all it touches: it is abandoned (work.h).
// 2. What a call made and nobody took dies on the loop's thread, or, if the request was
//    abandoned, on the pool's.
// 3. The error's text is made there too, from the name and the subject.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <uv.h>

#include <weft/ctx/async_resource.h>
#include <weft/runtime/detail/check.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/detail/work.h>
#include <weft/runtime/pool.h>

namespace weft::detail {

// What a request is to its call.
class FsWork : public Work {
 protected:
  ~FsWork() override = default;
  void give_up() noexcept { is_given_up_.store(true, std::memory_order_relaxed); }

 private:
  friend class FsThread;
  friend class FsBorrowed;

  std::atomic<bool> is_given_up_ = false;
};

// What a call works with on the pool's thread.
class FsThread {
 public:
  explicit FsThread(FsWork& work) noexcept : work_(work) {}
  FsThread(const FsThread&) = delete;
  FsThread& operator=(const FsThread&) = delete;
  ~FsThread() { uv_fs_req_cleanup(&request_); }

  // uv_fs_... with `args`; returns its result, negative for an error.
  template <typename Function, typename... Args>
  std::int64_t call(Function* function, Args... args) noexcept {
    uv_fs_req_cleanup(&request_);
    request_.result = 0;
    const int code = function(nullptr, &request_, args..., nullptr);
    return request_.result != 0 ? request_.result : code;  // the code is an int, a count more
  }
  // What the last call left; valid until the next.
  uv_fs_t& request() noexcept { return request_; }
  // The fiber that waits was cancelled: a call in several steps may end between two.
  bool is_given_up() const noexcept { return work_.is_given_up_.load(std::memory_order_relaxed); }
  FsWork& work() noexcept { return work_; }

 private:
  uv_fs_t request_ = {};
  FsWork& work_;
};

// Around a use of the caller's memory in an operation on a path, which may have been
// abandoned while it owned all it touched.
class FsBorrowed {
 public:
  explicit FsBorrowed(FsThread& thread) noexcept : work_(thread.work()), is_lent_(work_.pin()) {}
  FsBorrowed(const FsBorrowed&) = delete;
  FsBorrowed& operator=(const FsBorrowed&) = delete;
  ~FsBorrowed() {
    if (is_lent_) work_.unpin();
  }
  // False: the memory may be gone.
  explicit operator bool() const noexcept { return is_lent_; }

 private:
  FsWork& work_;
  bool is_lent_;
};

// Subjects of operations. text() names them in errors; let_go() comes when the call has
// ended, on the loop's thread. With kOwnsAll the operation may be abandoned: then the
// subject just dies, on any thread.

struct FsPath {
  static constexpr bool kOwnsAll = true;

  std::string path;

  // Errors: UsageError, which names `what`, for a path with a null character in it.
  static FsPath checked(const char* what, std::string path);
  const std::string& text() const noexcept { return path; }
  void let_go() const noexcept {}
};

struct FsTwoPaths {
  static constexpr bool kOwnsAll = true;

  std::string from;
  std::string to;

  static FsTwoPaths checked(const char* what, std::string from, std::string to);
  std::string text() const { return from + " -> " + to; }
  void let_go() const noexcept {}
};

// Calls are called with an FsThread and the subject, and return a count or an error.
// One whose T is neither void nor a count also gets an empty std::optional<T> to fill.
template <typename T, typename Subject, typename Call>
struct FsOperation {
  using Value = T;
  static constexpr bool kCounts = std::is_same_v<T, std::size_t>;
  static constexpr bool kHasValue = !std::is_void_v<T> && !kCounts;
  static constexpr bool kOwnsAll = Subject::kOwnsAll;

  const char* what;
  Subject subject;
  Call call;
};

template <typename T, typename Subject, typename Call>
FsOperation<T, Subject, Call> fs_operation(const char* what, Subject subject, Call call) {
  return {what, std::move(subject), std::move(call)};
}
template <typename T, typename Call>
auto on_path(const char* what, std::string path, Call call) {
  return fs_operation<T>(what, FsPath::checked(what, std::move(path)), std::move(call));
}
template <typename T, typename Call>
auto on_two_paths(const char* what, std::string from, std::string to, Call call) {
  return fs_operation<T>(what, FsTwoPaths::checked(what, std::move(from), std::move(to)),
                         std::move(call));
}

template <typename Operation>
class FsRequest final : public FsWork {
  using T = typename Operation::Value;

 public:
  FsRequest(Operation&& operation, bool owns_itself)
      : loop_(EventLoop::current(operation.what)),
        resource_("FSREQCALLBACK"),
        operation_(std::move(operation)),
        owns_itself_(owns_itself) {}

  // An engaged result: it was refused.
  std::optional<Result<T>> start(Done<T> done) {
    done_.take(done, ResourceAccess::frame(resource_));
    auto error = start_work(loop_, Pool::fs(), *this);
    if (!error) return std::nullopt;
    done_.give_back(done);
    return Result<T>(Error{error->code, describe() + ": " + error->doing});
  }
  // The request may be gone behind it, if it owns itself.
  void cancel() noexcept {
    give_up();
    if (cancel_work(*this)) return;
    if constexpr (Operation::kOwnsAll) abandon_work(*this);
  }

  const AsyncResource* resource() const noexcept override { return &resource_; }
  EventLoop& loop() const noexcept { return loop_; }
  AsyncId async_id() const noexcept { return resource_.async_id(); }
  const char* what() const noexcept { return operation_.what; }

 private:
  struct Nothing {};

  std::string describe() const noexcept {
    return text_or_nothing(
        [&] { return std::string(operation_.what) + " " + operation_.subject.text(); });
  }

  void run() noexcept override {
    FsThread thread(*this);
    try {
      if constexpr (Operation::kHasValue) {
        code_ = operation_.call(thread, operation_.subject, value_);
      } else {
        code_ = operation_.call(thread, operation_.subject);
      }
    } catch (const std::bad_alloc&) {
      code_ = UV_ENOMEM;
    } catch (const std::length_error&) {
      code_ = UV_ENOMEM;
    }
  }

  // The subject is the call's.
  void let_go() noexcept override {
    done_.complete(loop_, resource_, uv_error(UV_ECANCELED, operation_.what));
    ResourceAccess::end(resource_);
  }

  // A waited-for request may be gone once its fiber was woken.
  void end(bool was_cancelled) noexcept override {
    const std::unique_ptr<FsRequest> self(owns_itself_ ? this : nullptr);
    if (was_cancelled) code_ = UV_ECANCELED;
    Result<T> outcome = take_outcome();
    operation_.subject.let_go();
    done_.complete(loop_, resource_, std::move(outcome));
  }
  Result<T> take_outcome() {
    if (code_ < 0) return uv_error(static_cast<int>(code_), describe());
    if constexpr (Operation::kHasValue) {
      return *std::move(value_);
    } else if constexpr (Operation::kCounts) {
      return static_cast<std::size_t>(code_);
    } else {
      return Result<void>();
    }
  }

  EventLoop& loop_;
  AsyncResource resource_;
  Operation operation_;
  Completion<T> done_;
  [[no_unique_address]] std::conditional_t<Operation::kHasValue, std::optional<T>, Nothing> value_;
  std::int64_t code_ = 0;
  bool owns_itself_;
};

// The fiber form: the request is on the fiber's stack, unless it may be abandoned.
template <typename Operation>
typename Operation::Value wait_for(Operation operation) {
  using T = typename Operation::Value;
  const char* const what = operation.what;
  fiber_that_may_wait(what);
  if constexpr (Operation::kOwnsAll) {
    auto request = std::make_unique<FsRequest<Operation>>(std::move(operation), true);
    FsRequest<Operation>& started = *request;
    return await_leaf<T>(
        what,
        [&](Done<T> done) {
          auto refused = started.start(done);
          if (!refused) static_cast<void>(request.release());  // its own, until it has ended
          return refused;
        },
        [&] { started.cancel(); });
  } else {
    FsRequest<Operation> request(std::move(operation), false);
    return await_leaf<T>(
        what, [&](Done<T> done) { return request.start(done); }, [&] { request.cancel(); });
  }
}

// The form with a callback: the request owns itself, until it has ended.
template <typename Operation>
void start(Operation operation, Callback<typename Operation::Value> done) {
  using T = typename Operation::Value;
  require_callback(done, operation.what);
  auto request = std::make_unique<FsRequest<Operation>>(std::move(operation), true);
  if (auto refused = request->start(Done<T>(done))) {
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): it was given back
    complete_soon<T>(request->loop(), request->async_id(), std::move(done), *std::move(refused));
    return;
  }
  static_cast<void>(request.release());
}

}  // namespace weft::detail
