// Directory: reads what is in a directory, in parts.
//
//   auto logs = io::Directory::open("/var/log");
//   for (const io::DirectoryEntry& entry : logs) std::puts(entry.name.c_str());
//
// Entries come in the file system's order, without "." and "..". What is added or removed
// meanwhile may be among them or not. read_directory (fs.h) returns all at once, sorted.
//
// Owners are those of File: dropping one closes it on the pool. A loop and a Directory
// that is read belong together; while no operation runs it may move to another thread.
// Source: Node `fs.Dir`: a resource of type DIRHANDLE, whose operations are FSREQCALLBACK.
#pragma once

#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <weft/io/detail/drop_fs_block.h>
#include <weft/io/directory_entry.h>
#include <weft/runtime/await.h>
#include <weft/runtime/detail/drain_iterator.h>

namespace weft {

namespace detail {
class DirectoryBlock;
struct DirectoryAccess;
}  // namespace detail

namespace io {

class Directory {
 public:
  // Context:  fiber; the form with `done`: loop thread
  // Suspends: the form without `done`, always; the other never. So do those below.
  // Errors:   no_such_file_or_directory, not_a_directory, permission_denied,
  //           too_many_files_open; the text names the path.
  // Cancel:   at once: one that runs ends unheard and closes what it opened.
  // Source:   uv_fs_opendir.
  static Directory open(std::string path);
  static void open(std::string path, Callback<Directory> done);

  Directory(Directory&&) noexcept;
  Directory& operator=(Directory&&) noexcept;
  ~Directory();

  // Returns the next entries, some dozens; none at the end.
  //
  // Errors: bad_file_descriptor (closed). UsageError for a second read at a time.
  // Cancel: one that runs is waited for, and its entries are returned.
  // Source: uv_fs_readdir.
  std::vector<DirectoryEntry> read();
  void read(Callback<std::vector<DirectoryEntry>> done);

  // Returns the next entry, or none at the end. What it has read ahead read() does not see.
  //
  // Context:  fiber
  // Suspends: when nothing is left of the last read().
  std::optional<DirectoryEntry> next();
  auto begin() { return weft::detail::DrainIterator<Directory, DirectoryEntry>(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

  // Closes it once a read that runs has ended; later ones fail.
  //
  // Errors: bad_file_descriptor (closed before, or closing).
  // Cancel: the wait ends; it is closed all the same.
  void close();
  void close(Callback<void> done);
  bool is_open() const noexcept;

 private:
  friend struct weft::detail::DirectoryAccess;
  friend class weft::detail::DrainIterator<Directory, DirectoryEntry>;
  using Block = weft::detail::FsPtr<weft::detail::DirectoryBlock>;
  explicit Directory(Block block) noexcept;
  weft::detail::DirectoryBlock& block(const char* what) const;
  void pull(std::optional<DirectoryEntry>& entry) { entry = next(); }

  Block block_;
};

}  // namespace io
}  // namespace weft
