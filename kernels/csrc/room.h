// Memory that a thread keeps for its next call. Its content is whatever was there.
#pragma once

#include <cstdint>

#include "lined.h"

namespace bnn {

// Begins a line of the cache. A file has its own: purposes are numbered file by file.
template <int kPurpose>
static uint8_t* room(int64_t bytes) {
  thread_local Lined<uint8_t> held;
  if (static_cast<int64_t>(held.size()) < bytes) held.resize(bytes);
  return held.data();
}

}  // namespace bnn
