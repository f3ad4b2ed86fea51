#include <algorithm>
#include <cstring>
#include <functional>
#include <new>
#include <string_view>
#include <utility>

#include <weft/io/detail/fs_watch.h>
#include <weft/runtime/detail/standard_descriptors.h>
#include <weft/runtime/detail/uv_error.h>

namespace weft::detail {
namespace {

// The last name of a path.
std::string_view own_name(std::string_view path) noexcept {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

// Where the system gives no name, libuv takes the last one of the path it holds, which is
// that of the first watch of the same thing.
bool is_name_of_watch(const uv_fs_event_t& handle, const char* name) noexcept {
  const char* const path = handle.path;
  return path != nullptr && !std::less<>()(name, path) &&
         std::less_equal<>()(name, path + std::strlen(path));
}

}  // namespace

FsWatch::FsWatch(EventLoop& loop, std::string path, const io::FsEventOptions& options)
    : Feed(loop, "FSEVENTWRAP", kWatchWords), path_(std::move(path)), options_(options) {
  uv_must(uv_fs_event_init(loop.uv(), &handle_));
  set_data();
}

// libuv takes the flag and does nothing where the system has no such watch.
void FsWatch::start() {
#ifdef __linux__
  if (options_.recursive) uv_check(UV_ENOTSUP, describe() + " and what is below");
#endif
  const unsigned flags = options_.recursive ? UV_FS_EVENT_RECURSIVE : 0;
  open_standard_descriptors();  // libuv opens inotify for the first
  uv_check(uv_fs_event_start(&handle_, &on_event, path_.c_str(), flags), describe());
}

void FsWatch::on_event(uv_fs_event_t* handle, const char* name, int events, int status) {
  auto& self = static_cast<FsWatch&>(from(handle->data));
  if (status < 0) return self.failed(status);
  io::FsChange change = {.renamed = (events & UV_RENAME) != 0,
                         .changed = (events & UV_CHANGE) != 0};
  try {
    if (name != nullptr) {
      change.name = is_name_of_watch(*handle, name) ? own_name(self.path_) : name;
    }
  } catch (const std::bad_alloc&) {
    change = {.overflowed = true};
  }
  self.is_taken() ? self.tell(self.resource(), std::move(change)) : self.keep(std::move(change));
}

void FsWatch::failed(int code) {
  if (has_waiter()) return finish(resource(), uv_error(code, describe()));
  error_handler_.call(loop(), resource(), uv_error(code, describe()));
}

void FsWatch::keep(io::FsChange change) noexcept {
  if (has_overflowed_) return;
  const auto same = std::find_if(kept_.begin(), kept_.end(), [&](const io::FsChange& kept) {
    return kept.name == change.name;
  });
  if (same != kept_.end() && !change.overflowed) {
    same->renamed |= change.renamed;
    same->changed |= change.changed;
    return;
  }
  has_overflowed_ = change.overflowed || kept_.size() >= options_.pending_max;
  try {
    if (!has_overflowed_) kept_.push_back(std::move(change));
  } catch (const std::bad_alloc&) {
    has_overflowed_ = true;
  }
  if (has_overflowed_) kept_.clear();
}

FsWatch::Kept FsWatch::take_kept() {
  if (std::exchange(has_overflowed_, false)) return {resource(), {.overflowed = true}};
  io::FsChange first = std::move(kept_.front());
  kept_.pop_front();
  return {resource(), std::move(first)};
}

// Unlike the ends of other handles, in Node that of a watch is triggered by its closer.
void FsWatch::tell_closed(PersistentHandler<>& handler) {
  if (!handler) return;
  try {
    handler.call_on_tick(loop(), closed_by_, [] { return false; });
  } catch (const std::bad_alloc&) {
    return handler.call(loop(), resource());
  }
  loop().drain();
}

void FsWatch::drop_handlers() noexcept {
  Feed::drop_handlers();
  error_handler_.clear();
}

}  // namespace weft::detail
