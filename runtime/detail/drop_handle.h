// DropHandle: how owners let go of their blocks. Apart from handle.h, because
// public headers hold owners and do not include uv.h.
#pragma once

#include <memory>

namespace weft::detail {

class Handle;

struct DropHandle {
  void operator()(Handle* handle) const noexcept;
};

template <typename T>
using HandlePtr = std::unique_ptr<T, DropHandle>;

}  // namespace weft::detail
