// A pool of threads that never waits for one that is not running.
//
// Work is cut into items that are claimed one by one. The caller works too, and ends when nothing is
// unclaimed and nothing claimed is unfinished: a worker that the machine has not woken yet holds
// nothing up. Idle workers sleep. When a worker lost its processor while it held an item, so that the
// caller had to wait longer than it had worked, the machine is busy: the next calls go without
// workers, the more of them the more often that happened.
#pragma once

#include <cstdint>

namespace bnn {

using Work = void (*)(void* context, int64_t item);

// Runs work(context, i) for each i below n on up to `threads` threads, this one included. What one of
// them throws comes out here, when none is at work any more; items that nobody had begun stay undone.
void parallel(int64_t n, int threads, Work work, void* context);

template <class F>
void parallel(int64_t n, int threads, F& f) {
  parallel(n, threads, [](void* context, int64_t item) { (*static_cast<F*>(context))(item); }, &f);
}

}  // namespace bnn
