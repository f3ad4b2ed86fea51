// remove_tree: removes a directory with all below it, as rm(1) does.
#pragma once

#include <cstdint>
#include <string>

namespace weft::detail {

// Returns how much was removed, 0 where nothing was there, or an error of libuv's. It
// blocks. May throw std::bad_alloc; then a part is removed.
std::int64_t remove_tree(const std::string& path);

}  // namespace weft::detail
