// DropFsBlock: how owners let go of what they opened. Apart from fs_block.h, because
// public headers hold owners and do not include uv.h.
#pragma once

#include <memory>

namespace weft::detail {

class FsBlock;

struct DropFsBlock {
  void operator()(FsBlock* block) const noexcept;
};

template <typename T>
using FsPtr = std::unique_ptr<T, DropFsBlock>;

}  // namespace weft::detail
