// Rows of small images, and pieces of fields, are a few lines of the cache: not worth a call.
#pragma once

#include <cstdint>
#include <cstring>

namespace bnn {

constexpr int64_t kCall = 512;  // bytes from which on it is

inline void copy(uint8_t* to, const uint8_t* from, int64_t bytes) {
  if (bytes > kCall) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (; bytes >= 16; bytes -= 16, to += 16, from += 16) __builtin_memcpy(to, from, 16);
  for (; bytes >= 4; bytes -= 4, to += 4, from += 4) __builtin_memcpy(to, from, 4);
  for (; bytes > 0; --bytes) *to++ = *from++;
}

}  // namespace bnn
