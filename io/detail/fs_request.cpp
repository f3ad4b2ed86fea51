#include <weft/ctx/error.h>
#include <weft/io/detail/fs_request.h>

namespace weft::detail {
namespace {

void check_path(const char* what, const std::string& path) {
  if (path.find('\0') == std::string::npos) return;
  throw UsageError(std::string(what) + ": the path has a null character in it");
}

}  // namespace

FsPath FsPath::checked(const char* what, std::string path) {
  check_path(what, path);
  return {std::move(path)};
}

FsTwoPaths FsTwoPaths::checked(const char* what, std::string from, std::string to) {
  check_path(what, from);
  check_path(what, to);
  return {std::move(from), std::move(to)};
}

}  // namespace weft::detail
