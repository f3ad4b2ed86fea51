// From libuv's uv_stat_t to FileStat. Apart from file_stat.h, which knows no uv.h.
#pragma once

#include <uv.h>

#include <weft/io/file_stat.h>

namespace weft::detail {

io::FileStat to_file_stat(const uv_stat_t& stat) noexcept;
// Of the bits of `mode`.
io::FileKind to_file_kind(std::uint64_t mode) noexcept;
// Of a directory's entry.
io::FileKind to_file_kind(uv_dirent_type_t type) noexcept;

}  // namespace weft::detail
