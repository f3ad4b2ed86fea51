#include <weft/ctx/error.h>
#include <weft/io/detail/fs_request.h>

namespace weft::detail {
namespace {

std::string checked_path(const char* what, std::string path) {
  if (path.find('\0') != std::string::npos) {
    throw UsageError(std::string(what) + ": the path has a null character in it");
  }
  return path;
}

}  // namespace

FsPath FsPath::checked(const char* what, std::string path) {
  return {checked_path(what, std::move(path))};
}

FsTwoPaths FsTwoPaths::checked(const char* what, std::string from, std::string to) {
  return {checked_path(what, std::move(from)), checked_path(what, std::move(to))};
}

}  // namespace weft::detail
