#include <sys/stat.h>

#include <doctest/doctest.h>

#include <weft/io/detail/file_stat.h>

namespace weft {
namespace {

using io::FileKind;
using io::FileStat;
using io::FileTime;
using namespace std::chrono_literals;

uv_stat_t stat_with_mode(std::uint64_t mode) {
  uv_stat_t stat = {};
  stat.st_mode = mode;
  return stat;
}

}  // namespace

TEST_SUITE_BEGIN("io/file_stat");

TEST_CASE("a stat knows what kind of file it tells of, and the permissions without the kind") {
  const FileStat file = detail::to_file_stat(stat_with_mode(S_IFREG | 0640));
  const FileStat directory = detail::to_file_stat(stat_with_mode(S_IFDIR | 01777));
  const FileStat link = detail::to_file_stat(stat_with_mode(S_IFLNK | 0777));

  CHECK(file.is_file());
  CHECK(file.permissions() == 0640);
  CHECK(directory.is_directory());
  CHECK_FALSE(directory.is_file());
  CHECK(directory.permissions() == 01777);
  CHECK(link.is_symlink());
  CHECK(detail::to_file_kind(S_IFIFO) == FileKind::kFifo);
  CHECK(detail::to_file_kind(S_IFSOCK) == FileKind::kSocket);
  CHECK(detail::to_file_kind(S_IFCHR) == FileKind::kCharacterDevice);
  CHECK(detail::to_file_kind(S_IFBLK) == FileKind::kBlockDevice);
  CHECK(detail::to_file_kind(std::uint64_t{0}) == FileKind::kUnknown);
}

TEST_CASE("a stat keeps times to the nanosecond, before the epoch as well") {
  uv_stat_t stat = stat_with_mode(S_IFREG);
  stat.st_mtim = {1'700'000'000, 123'456'789};
  stat.st_ctim = {-1, 999'999'999};

  const FileStat file = detail::to_file_stat(stat);

  CHECK(file.modified == FileTime(1'700'000'000s + 123'456'789ns));
  CHECK(file.changed == FileTime(-1ns));
}

TEST_CASE("two stats are equal when all is, and one file when device and inode are") {
  uv_stat_t stat = stat_with_mode(S_IFREG);
  stat.st_dev = 7;
  stat.st_ino = 8;
  const FileStat before = detail::to_file_stat(stat);
  stat.st_size = 1;
  const FileStat grown = detail::to_file_stat(stat);
  stat.st_ino = 9;
  const FileStat other = detail::to_file_stat(stat);

  CHECK(before == before);
  CHECK(before != grown);
  CHECK(before.is_same_file(grown));
  CHECK_FALSE(grown.is_same_file(other));
}

TEST_SUITE_END();

}  // namespace weft
