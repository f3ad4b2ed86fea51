// DirectoryEntry: a name in a directory, and what it stands for.
#pragma once

#include <string>

#include <weft/io/file_stat.h>

namespace weft::io {

struct DirectoryEntry {
  std::string name;
  FileKind kind = FileKind::kUnknown;  // where the file system does not tell; ask lstat then

  friend bool operator==(const DirectoryEntry&, const DirectoryEntry&) = default;
};

}  // namespace weft::io
