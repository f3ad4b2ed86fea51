#include <cstdio>
#include <exception>
#include <string>

#include <uv.h>

#include <weft/io/buffered_reader.h>
#include <weft/io/buffered_writer.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {

void raise_unexpected_end(const char* what, std::size_t bytes) {
  uv_error(UV_EOF, std::string(what) + ": the stream ended within " + std::to_string(bytes) +
                       (bytes == 1 ? " byte" : " bytes"))
      .raise();
}

void raise_limit(const char* what, std::size_t limit) {
  uv_error(UV_EMSGSIZE,
           std::string(what) + ": no end within the limit of " + std::to_string(limit) + " bytes")
      .raise();
}

void unflushed(std::size_t bytes) noexcept {
  std::fprintf(stderr,
               "weft: a BufferedWriter was dropped with %zu bytes; call flush() or discard()\n",
               bytes);
  std::terminate();
}

}  // namespace weft::detail
