// Puts a descriptor among those the loop polls, where a failure can still be told.
//
// libuv does that when it next polls, and ends the process where the kernel has no room
// for one more (ENOSPC beyond fs.epoll.max_user_watches, ENOMEM). It finds the descriptor
// there and only changes what it is polled for, which takes no room. What it is not
// started for it does not watch; closing its handle takes the descriptor out again.
#pragma once

#include <uv.h>

namespace weft::detail {

// Returns libuv's code.
int add_to_poll_set(uv_loop_t* loop, int fd) noexcept;
// The descriptor of a handle that has one.
int add_to_poll_set(const uv_handle_t* handle) noexcept;

}  // namespace weft::detail
