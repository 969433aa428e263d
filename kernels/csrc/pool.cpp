#include "pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace bnn {
namespace {

using Clock = std::chrono::steady_clock;

struct Job {
  Work work;
  void* context;
  int64_t n;
  int helpers;                       // how many workers may still join
  std::atomic<int64_t> next{0};
  int inside = 0;                    // workers in it now; under the pool's lock
  std::atomic<bool> failed{false};
  std::exception_ptr error{};        // the first; whoever set `failed` writes it

  // What the work throws is kept for the caller: it ends the job, not the thread.
  void run() noexcept {
    try {
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) work(context, i);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
      next = n;
    }
  }
};

class Pool {
 public:
  void run(Job& job) {
    const int helpers = job.helpers;  // those that joined already count it down
    grow(helpers);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      jobs_.push_back(&job);
    }
    for (int i = 0; i < helpers; ++i) wake_.notify_one();
    const Clock::time_point begun = Clock::now();
    job.run();
    leave(job, begun, Clock::now());
    if (job.error) std::rethrow_exception(job.error);
  }

  // Whether the machine was too busy of late; each answer of yes uses up one call's worth of doubt.
  bool busy() {
    int left = skip_.load(std::memory_order_relaxed);
    while (left > 0 && !skip_.compare_exchange_weak(left, left - 1)) {
    }
    return left > 0;
  }

 private:
  // Waits until no worker is in the job; none joins it any more.
  void leave(Job& job, Clock::time_point begun, Clock::time_point done) {
    std::unique_lock<std::mutex> lock(mutex_);
    jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
    if (job.inside == 0) {
      trust();
      return;
    }
    left_.wait(lock, [&] { return job.inside == 0; });
    const auto waited = Clock::now() - done;
    if (waited > done - begun && waited > std::chrono::microseconds(50)) {
      doubt();
    } else {
      trust();
    }
  }

  void doubt() {
    distrust_ = std::min(distrust_ + 1, 8);
    skip_ = 1 << distrust_;
  }
  void trust() { distrust_ = std::max(distrust_ - 1, 0); }

  // As far as threads can be had: whoever asks does what is left alone.
  void grow(int workers) {
    std::lock_guard<std::mutex> lock(mutex_);
    try {
      for (; workers_ < workers; ++workers_) std::thread(&Pool::serve, this).detach();
    } catch (const std::system_error&) {
    }
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      Job* job = nullptr;
      wake_.wait(lock, [&] { return (job = open_job()) != nullptr; });
      --job->helpers;
      ++job->inside;
      lock.unlock();
      job->run();
      lock.lock();
      if (--job->inside == 0) left_.notify_all();
    }
  }

  Job* open_job() {
    for (Job* job : jobs_)
      if (job->helpers > 0 && job->next.load(std::memory_order_relaxed) < job->n) return job;
    return nullptr;
  }

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::vector<Job*> jobs_;
  int workers_ = 0;
  int distrust_ = 0;
  std::atomic<int> skip_{0};
};

// Never destroyed: its threads outlive everything. A forked child starts with a fresh one, because
// threads do not survive a fork.
std::atomic<Pool*> the_pool{nullptr};

Pool& pool() {
  Pool* now = the_pool.load(std::memory_order_acquire);
  if (now) return *now;
#if !defined(_WIN32)
  static const int once = pthread_atfork(nullptr, nullptr, [] { the_pool = nullptr; });
  (void)once;
#endif
  Pool* fresh = new Pool;
  if (the_pool.compare_exchange_strong(now, fresh)) return *fresh;
  delete fresh;
  return *now;
}

}  // namespace

void parallel(int64_t n, int threads, Work work, void* context) {
  const int helpers = static_cast<int>(std::min<int64_t>(threads, n)) - 1;
  if (helpers < 1 || pool().busy()) {
    for (int64_t i = 0; i < n; ++i) work(context, i);
    return;
  }
  Job job{work, context, n, helpers};
  pool().run(job);
}

}  // namespace bnn
