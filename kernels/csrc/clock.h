// The clock that runs are timed by. Reading it takes some 40 ns, a tenth of a small op, so that is off.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace bnn {

using Clock = std::chrono::steady_clock;

inline int64_t between(Clock::time_point begun, Clock::time_point now) {
  return (now - begun) / std::chrono::nanoseconds(1);
}

// The least that two readings are apart.
inline int64_t reading_ns() {
  static const int64_t least = [] {
    int64_t found = INT64_MAX;
    for (int i = 0; i < 1000; ++i) {
      const Clock::time_point begun = Clock::now();
      found = std::min(found, between(begun, Clock::now()));
    }
    return found;
  }();
  return least;
}

// What passed between two readings, but for the time of a reading itself.
inline int64_t passed(Clock::time_point begun, Clock::time_point now) {
  return std::max<int64_t>(between(begun, now) - reading_ns(), 0);
}

}  // namespace bnn
