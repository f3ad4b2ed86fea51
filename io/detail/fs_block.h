// FsBlock: something that is open in the file system, and its close.
//
// A close may block (a network file system writes back), so it is a work on Pool::fs();
// and a descriptor that is closed while an operation uses it may be another file's by
// then. So what the user holds is an FsPtr of a heap block, as with Handle: dropping it
// starts the close, at once or when the last operation has ended. Invariants:
//
// 1. While an operation has a pass, what is open stays open and the block stays.
// 2. It is closed once. Operations that come later find nothing open (EBADF).
// 3. The block is freed when it is closed, nobody owns it and no pass is left.
// 4. Nothing needs memory to be closed.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <weft/ctx/async_resource.h>
#include <weft/io/detail/drop_fs_block.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/work.h>

namespace weft::detail {

class FsBlock : public Work {
 public:
  explicit FsBlock(std::string name) : name_(std::move(name)) {}

  // For errors: the path.
  const std::string& name() const noexcept { return name_; }
  // For a name of the same length, which needs no memory; before the owner has it.
  void set_name(const std::string& name) noexcept { name_ = name; }
  bool is_open() const noexcept { return state_ == State::kOpen; }
  bool is_used() const noexcept { return uses_ > 0; }
  const AsyncResource* resource() const noexcept override {
    return resource_ ? &*resource_ : nullptr;
  }

  // Leaf: it has been closed.
  std::optional<Result<void>> close(Done<void> done);
  // The wait ends; the close goes on.
  void cancel_close() noexcept;

 protected:
  ~FsBlock() override = default;
  // It is open from here on. Before anybody but who opens it has the block; any thread.
  void set_open() noexcept { state_ = State::kOpen; }
  // What is open is somebody else's from here on.
  void forget() noexcept { state_ = State::kClosed; }
  // Closes what is open, on any thread; returns libuv's code. Called once.
  virtual int close_now() noexcept = 0;
  // On the loop's thread, after that, when whoever waited has been told.
  virtual void was_closed() noexcept {}

 private:
  friend struct DropFsBlock;
  friend class FsPass;

  enum class State {
    kOpen,
    kClosing,  // waits for the operations that have passes, or is with the pool
    kClosed,   // or never opened; an owner or a pass without a use holds the block
  };

  bool enter(const char* what);
  void leave(bool was_use) noexcept;
  void drop() noexcept;
  bool start_close() noexcept;
  void close_here() noexcept;
  void tell_closed() noexcept;
  void free_if_done() noexcept;
  void run() noexcept override;
  void end(bool was_cancelled) noexcept override;
  Result<void> outcome() const;
  std::string describe_close() const noexcept;

  std::string name_;
  EventLoop* loop_ = nullptr;  // of the operations that have passes, and of the close
  State state_ = State::kClosed;
  bool is_owned_ = true;
  std::size_t passes_ = 0;
  std::size_t uses_ = 0;                   // passes that found it open
  int code_ = 0;                           // of the close
  std::optional<AsyncResource> resource_;  // of a close somebody asked for
  Completion<void> closed_;
};

// An operation's leave to use a block; the subject of the operation.
class FsPass {
 public:
  static constexpr bool kOwnsAll = false;

  // Errors: UsageError, which names `what`, on another thread than the operations that run.
  FsPass(FsBlock& block, const char* what) : block_(&block), is_use_(block.enter(what)) {}
  FsPass(FsPass&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)), is_use_(other.is_use_) {}
  FsPass& operator=(FsPass&&) = delete;
  ~FsPass() { let_go(); }

  const std::string& text() const noexcept { return block_->name(); }
  void let_go() noexcept {
    if (block_ != nullptr) std::exchange(block_, nullptr)->leave(is_use_);
  }
  // Whether the block was open.
  bool is_use() const noexcept { return is_use_; }

 private:
  FsBlock* block_;
  bool is_use_;
};

// The two forms of a close.
void wait_closed(FsBlock& block);
void start_close(FsBlock& block, Callback<void> done);

}  // namespace weft::detail
