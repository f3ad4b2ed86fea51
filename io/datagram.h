// Datagram: bytes that travel as one message, and the address at the other end.
#pragma once

#include <cstddef>
#include <span>

#include <weft/io/address.h>

namespace weft::io {

struct Datagram {
  std::span<const std::byte> bytes;  // none: an empty datagram, which is one as well
  Address peer = {};                 // who sent it, or is to get it
  bool is_truncated = false;         // it was longer; the rest is lost
};

// What receive() has put into its buffer.
struct Received {
  std::size_t count = 0;      // bytes; 0: the datagram was empty
  Address peer = {};          // who sent it
  bool is_truncated = false;  // it was longer than the buffer; the rest is lost
};

}  // namespace weft::io
