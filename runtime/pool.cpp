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
#include <weft/runtime/detail/stack_overflow.h>
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

// What this thread serves.
struct Serving {
  const PoolCore* pool = nullptr;
  Work* work = nullptr;     // next, while the last one is handed over
  bool is_counted = false;  // among the pool's threads, unless its work is replaced
};
constinit thread_local Serving serving;

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
  work.has_run_ = false;
  work.is_pinned_ = false;
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

bool PoolCore::begin_abandon(Work& work) noexcept {
  const std::scoped_lock lock(mutex_);
  if (work.is_queued_ || work.has_run_ || work.is_pinned_ || work.was_cancelled_) return false;
  work.is_abandoned_ = true;
  --counts_.running;
  ++counts_.abandoned;
  if (replaced_ >= options_.abandoned_max) return true;
  work.is_replaced_ = true;
  ++replaced_;
  --counts_.threads;
  if (is_ending_) {
    thread_ended_.notify_all();
  } else if (counts_.queued > idle_ && counts_.threads < options_.threads_max) {
    start_thread();
  }
  return true;
}

void PoolCore::end_abandon(Work& work) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    work.was_let_go_ = true;
    if (!work.has_run_) return;
  }
  delete &work;
}

bool PoolCore::pin(Work& work) noexcept {
  const std::scoped_lock lock(mutex_);
  work.is_pinned_ = !work.is_abandoned_;
  return work.is_pinned_;
}

void PoolCore::unpin(Work& work) noexcept {
  const std::scoped_lock lock(mutex_);
  work.is_pinned_ = false;
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
  const std::size_t own = is_counted_here() ? 1 : 0;
  thread_ended_.wait(lock, [&] { return counts_.threads == own; });
}

// --- the threads ---

// Whether the running thread is one that shut_down() would wait for.
bool PoolCore::is_counted_here() const noexcept {
  const bool is_replaced = serving.work != nullptr && serving.work->is_replaced_;
  return serving.pool == this && serving.is_counted && !is_replaced;
}

// The conditions are waited for by threads that are not there, so they cannot end.
void PoolCore::forget_threads() noexcept {
  new (&work_came_) std::condition_variable;
  new (&thread_ended_) std::condition_variable;
  while (first_ != nullptr) unlink(*first_);
  idle_ = 0;
  replaced_ = 0;
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

void PoolCore::count(const Work& work, std::chrono::nanoseconds waited,
                     std::chrono::nanoseconds worked) noexcept {
  --(work.is_abandoned_ ? counts_.abandoned : counts_.running);
  ++counts_.finished;
  counts_.waited += waited;
  counts_.worked += worked;
}

// Whether the thread of `work`, which has run, goes on: another one may have its place.
bool PoolCore::take_place(Work& work) noexcept {
  if (!work.is_replaced_) return true;
  --replaced_;
  if (is_ending_ || counts_.threads >= options_.threads_max) return false;
  ++counts_.threads;
  return true;
}

// What has ended is counted before anybody hears of it, and delivered without the lock.
void PoolCore::serve() noexcept {
#ifdef __linux__
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());  // fits in place
#endif
  const OverflowWatch overflow_watch(options_.name.c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    serving = {this, take(), true};
    while (Work* const work = serving.work) {
      lock.unlock();
      const Time began = std::chrono::steady_clock::now();
      const auto waited = began - work->started_at_;
      runtime_thread.is_pools = true;  // a loop that a work runs takes it back
      work->run();
      const auto worked = std::chrono::steady_clock::now() - began;
      lock.lock();
      count(*work, waited, worked);
      const bool stays = take_place(*work);
      const bool is_heard = !work->is_abandoned_;
      const bool is_ours = work->was_let_go_;
      work->has_run_ = true;
      serving = {this, stays ? take() : nullptr, stays};
      lock.unlock();
      if (is_heard) work->loop_->deliver(*work);  // it may be gone from here on
      if (is_ours) delete work;
      lock.lock();
      if (!stays) return;
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

bool abandon_work(Work& work) noexcept {
  const std::shared_ptr<PoolCore> pool = work.pool_;  // its thread may free the pool's last
  if (!pool->begin_abandon(work)) return false;
  work.loop_->forget_work(work);
  work.let_go();
  pool->end_abandon(work);
  return true;
}

bool Work::pin() noexcept {
  return pool_->pin(*this);
}

void Work::unpin() noexcept {
  pool_->unpin(*this);
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
