#include <algorithm>
#include <cstdlib>
#include <new>
#include <pthread.h>
#include <set>
#include <signal.h>
#include <system_error>
#include <thread>
#include <utility>

#include <uv.h>

#include <weft/ctx/error.h>
#include <weft/runtime/detail/loop.h>
#include <weft/runtime/detail/pool_core.h>
#include <weft/runtime/detail/uv_error.h>
#include <weft/runtime/pool.h>

namespace weft {

// A forked child has none of the threads: its pools begin anew, without a new allocation,
// for nothing may be thrown out of fork(). What the parent's were doing is the parent's.
struct PoolsAtFork {
  std::mutex mutex;
  std::set<Pool*> pools;

  static PoolsAtFork& instance() {
    static auto* const all = new PoolsAtFork;  // pools may outlive statics
    return *all;
  }
  PoolsAtFork() {
    pthread_atfork([] { instance().lock(); }, [] { instance().unlock(); },
                   [] {
                     for (Pool* const pool : instance().pools) pool->core_->forget_threads();
                     instance().unlock();
                   });
  }
  void lock() noexcept {
    mutex.lock();
    for (Pool* const pool : pools) pool->core_->lock();
  }
  void unlock() noexcept {
    for (Pool* const pool : pools) pool->core_->unlock();
    mutex.unlock();
  }
};

namespace detail {
namespace {

// Signals are the loop's: a thread that is started here gets none, but for those of its
// own faults, which the system delivers to whoever makes them.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
      sigdelset(&all, fault);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

void check_threads(const char* what, std::size_t threads_max) {
  if (threads_max == 0) throw UsageError(std::string(what) + ": a pool needs at least one thread");
}

std::size_t fs_threads() {
  const char* const wanted = std::getenv("UV_THREADPOOL_SIZE");
  const long count = wanted == nullptr ? 0 : std::strtol(wanted, nullptr, 10);
  return count > 0 ? static_cast<std::size_t>(std::min(count, 1024L)) : 4;
}

}  // namespace

// --- the queue ---

void PoolCore::link(Work& work) noexcept {
  work.previous_ = last_;
  work.next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = &work;
  last_ = &work;
  work.is_queued_ = true;
  counts_.queued_peak = std::max(counts_.queued_peak, ++counts_.queued);
}

void PoolCore::unlink(Work& work) noexcept {
  (work.previous_ != nullptr ? work.previous_->next_ : first_) = work.next_;
  (work.next_ != nullptr ? work.next_->previous_ : last_) = work.previous_;
  work.is_queued_ = false;
  --counts_.queued;
}

std::optional<Error> PoolCore::push(Work& work) {
  const std::scoped_lock lock(mutex_);
  const std::size_t startable =
      options_.threads_max - std::min(counts_.threads, options_.threads_max);
  const std::size_t takers = idle_ + startable;
  if (counts_.queued >= takers && counts_.queued - takers >= options_.queue_max) {
    return refuse("the queue is full");
  }
  if (counts_.queued >= idle_ && startable > 0 && !start_thread() && counts_.threads == 0) {
    return refuse("no thread can be started");
  }
  work.pool_ = shared_from_this();
  work.started_at_ = std::chrono::steady_clock::now();
  link(work);
  if (idle_ > 0) work_came_.notify_one();
  return std::nullopt;
}

Error PoolCore::refuse(const char* why) {
  ++counts_.refused;
  return uv_error(UV_EAGAIN, "pool '" + options_.name + "': " + why);
}

bool PoolCore::take_back(Work& work) noexcept {
  const std::scoped_lock lock(mutex_);
  if (!work.is_queued_) return false;
  unlink(work);
  ++counts_.cancelled;
  return true;
}

void PoolCore::shut_down() noexcept {
  std::unique_lock lock(mutex_);
  is_ending_ = true;
  while (first_ != nullptr) {
    Work& work = *first_;
    unlink(work);
    ++counts_.cancelled;
    work.was_cancelled_ = true;
    work.loop_->deliver(work);
  }
  work_came_.notify_all();
  thread_ended_.wait(lock, [this] { return counts_.threads == 0; });
}

// --- the threads ---

// The conditions are waited for by threads that are not there, so they cannot end.
void PoolCore::forget_threads() noexcept {
  new (&work_came_) std::condition_variable;
  new (&thread_ended_) std::condition_variable;
  while (first_ != nullptr) unlink(*first_);
  idle_ = 0;
  counts_ = {};
}

bool PoolCore::start_thread() {
  const SignalsBlocked blocked;
  try {
    std::thread([self = shared_from_this()] { self->serve(); }).detach();
  } catch (const std::system_error&) {
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
  ++counts_.threads;
  return true;
}

Work* PoolCore::take() noexcept {
  Work* const work = first_;
  if (work == nullptr) return nullptr;
  unlink(*work);
  ++counts_.running;
  return work;
}

// What has ended is counted before anybody hears of it, and delivered without the lock.
void PoolCore::serve() noexcept {
#ifdef __linux__
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());  // fits in place
#endif
  std::unique_lock lock(mutex_);
  for (;;) {
    Work* work = take();
    while (work != nullptr) {
      lock.unlock();
      const Time began = std::chrono::steady_clock::now();
      const auto waited = began - work->started_at_;
      work->run();
      const auto worked = std::chrono::steady_clock::now() - began;
      lock.lock();
      --counts_.running;
      ++counts_.finished;
      counts_.waited += waited;
      counts_.worked += worked;
      Work* const next = take();
      lock.unlock();
      work->loop_->deliver(*work);  // it may be gone from here on
      lock.lock();
      work = next;
    }
    if (first_ != nullptr) continue;
    if (is_ending_) break;
    ++idle_;
    work_came_.wait(lock);
    --idle_;
  }
  --counts_.threads;
  thread_ended_.notify_all();
}

void PoolCore::set_threads_max(std::size_t threads_max) {
  check_threads("set_threads_max", threads_max);
  const std::scoped_lock lock(mutex_);
  options_.threads_max = threads_max;
}

void PoolCore::set_queue_max(std::size_t queue_max) {
  const std::scoped_lock lock(mutex_);
  options_.queue_max = queue_max;
}

Pool::Statistics PoolCore::statistics() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

// --- works ---

std::optional<Error> start_work(EventLoop& loop, Pool& pool, Work& work) {
  if (!loop.takes_works()) throw UsageError("the run has ended: nobody would hear of the end");
  work.loop_ = loop.remote().get();
  work.was_cancelled_ = false;
  if (auto error = pool.core_->push(work)) return error;
  work.loop_->begin_work(work);
  return std::nullopt;
}

bool cancel_work(Work& work) noexcept {
  if (!work.pool_->take_back(work)) return false;
  work.was_cancelled_ = true;
  work.loop_->deliver(work);
  return true;
}

}  // namespace detail

// --- Pool ---

Pool::Pool(Options options)
    : core_((detail::check_threads("Pool", options.threads_max),
             std::make_shared<detail::PoolCore>(std::move(options)))) {
  auto& all = PoolsAtFork::instance();
  const std::scoped_lock lock(all.mutex);
  all.pools.insert(this);
}

Pool::~Pool() {
  {
    auto& all = PoolsAtFork::instance();
    const std::scoped_lock lock(all.mutex);
    all.pools.erase(this);
  }
  core_->shut_down();
}

// Never destroyed: a thread may be stuck in a call while the process exits.
Pool& Pool::fs() {
  static auto* const pool = new Pool({.name = "fs", .threads_max = detail::fs_threads()});
  return *pool;
}
Pool& Pool::dns() {
  static auto* const pool = new Pool({.name = "dns"});
  return *pool;
}
Pool& Pool::cpu() {
  static auto* const pool =
      new Pool({.name = "cpu",
                .threads_max = std::max<std::size_t>(4, std::thread::hardware_concurrency())});
  return *pool;
}

const std::string& Pool::name() const noexcept {
  return core_->options().name;
}
void Pool::set_threads_max(std::size_t threads_max) {
  core_->set_threads_max(threads_max);
}
void Pool::set_queue_max(std::size_t queue_max) {
  core_->set_queue_max(queue_max);
}
Pool::Statistics Pool::statistics() const {
  return core_->statistics();
}

}  // namespace weft
