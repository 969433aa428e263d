// Memory that a thread keeps for its next call. Its content is whatever was there.
#pragma once

#include <cstdint>

#include "lined.h"

namespace bnn {

// Begins a line of the cache, and a line more is there, for loads that reach past the end. A file has
// its own: purposes are numbered file by file.
template <int kPurpose>
static uint8_t* room(int64_t bytes) {
  thread_local Lined<uint8_t> held;
  if (static_cast<int64_t>(held.size()) < bytes + 64) held.resize(bytes + 64);
  return held.data();
}

}  // namespace bnn
