// Handle: the one owner shape for libuv.
//
// Closing a libuv handle takes a turn of the loop, and its memory must live until
// then; so each handle is a heap block, and what the user holds is a HandlePtr.
// Dropping that starts uv_close; the close callback ends what libuv leaves
// hanging (a pending read or accept) and frees the block. Invariants:
//
// 1. The block is freed when it is closed and nobody owns it, whichever is last:
//    an owner may outlive the loop.
// 2. A close ends in one order, once, on the loop's thread: what is pending, the
//    close handler, the other handlers (which may own the block's owner: with them
//    the cycle goes), whoever waits for the close.
// 3. Only this file calls uv_close.
// 4. Where libuv may still look at a handle behind its close callback, the close ends a
//    turn later (close_second).
#pragma once

#include <cstdint>
#include <optional>

#include <uv.h>

#include <weft/ctx/async_resource.h>
#include <weft/runtime/detail/completion.h>
#include <weft/runtime/detail/drop_handle.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/source_location.h>

namespace weft::detail {

class EventLoop;

class Handle {
 public:
  Handle(EventLoop& loop, ResourceType type, const AsyncResourceOptions& options = {});
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  // Starts closing; does nothing when that has happened.
  void close() noexcept;
  bool is_closing() const noexcept { return state_ != State::kOpen; }
  bool is_closed() const noexcept { return state_ == State::kClosed; }

  void on_close(UniqueFunction<void()> handler) { close_handler_.set(std::move(handler)); }
  // Leaf: the close has ended.
  std::optional<Result<void>> closed(Done<void> done);
  void cancel_closed() {
    closed_.complete(*loop_, resource_, uv_error(UV_ECANCELED, "wait_closed"));
  }

  EventLoop& loop() const noexcept { return *loop_; }
  AsyncResource& resource() noexcept { return resource_; }
  const AsyncResource& resource() const noexcept { return resource_; }
  bool is_active() noexcept { return uv_is_active(raw()) != 0; }
  // Where the user's code made it, for reports; an empty file when that is not known.
  const SourceLocation& created_at() const noexcept { return created_at_; }
  void set_created_at(const SourceLocation& at) noexcept { created_at_ = at; }
  std::uint64_t created_ms() const noexcept { return created_ms_; }
  void set_referenced(bool referenced) noexcept;

 protected:
  // Leaves the loop's list where libuv refused to make the handle: its constructor threw.
  virtual ~Handle();
  virtual uv_handle_t* raw() noexcept = 0;
  // What libuv's callbacks find in `data`, always as a Handle.
  void set_data() noexcept { raw()->data = this; }
  static Handle& from(void* data) noexcept { return *static_cast<Handle*>(data); }
  // In close(), after uv_close: lets go of what libuv does not own.
  virtual void begin_close() noexcept {}
  // A second handle of the block, just made, that is to be closed before the close ends;
  // null: none.
  virtual uv_handle_t* close_second() noexcept { return nullptr; }
  // The two steps of a close that a kind of handle has of its own.
  virtual void end_pending() noexcept = 0;
  virtual void drop_handlers() noexcept = 0;
  // Calls the close handler as Node does for this kind of handle: a callback of the
  // resource, which is made even if nobody listens.
  virtual void tell_closed(PersistentHandler<>& handler);
  // The other way of Node's: the event is a tick, and nothing is called for the resource.
  void tell_closed_on_tick(PersistentHandler<>& handler);
  // For reports. Not libuv's word where something else of ours does it for the handle.
  virtual bool keeps_loop_alive() noexcept {
    return state_ == State::kOpen && is_active() && uv_has_ref(raw()) != 0;
  }

 private:
  friend class EventLoop;
  friend struct DropHandle;

  enum class State {
    kOpen,     // in the loop's list
    kClosing,  // uv_close was called
    kEnded,    // the close callback runs; handlers are gone, pending operations have ended
    kClosed,   // the close callback ran; an owner still holds the block
  };

  void drop() noexcept;
  void first_closed() noexcept;
  void end_close() noexcept;

  EventLoop* loop_;
  AsyncResource resource_;
  State state_ = State::kOpen;
  bool is_owned_ = true;
  Completion<void> closed_;
  PersistentHandler<> close_handler_;
  Handle* previous_ = nullptr;  // among the loop's handles
  Handle* following_ = nullptr;
  std::uint64_t created_ms_;  // by the loop's clock
  SourceLocation created_at_;
};

}  // namespace weft::detail
