// What AMX offers: eight registers of 16 rows of 64 bytes, and signs as bytes. Included by amx.cpp
// inside its namespace; with BNN_EMULATE in plain C++.

// What has to be inlined before gcc 12 keeps the fields of a variable in registers.
#define INLINED __attribute__((always_inline))

constexpr int kLanes = 16;
typedef int32_t I __attribute__((vector_size(64)));
typedef float F __attribute__((vector_size(64)));

// Does it for 0 .. U, each a constant: an instruction names its registers so.
template <int U, class Do, int... u>
INLINED inline void each(const Do& what) {
  if constexpr (sizeof...(u) == U) {
    (what(std::integral_constant<int, u>{}), ...);
  } else {
    each<U, Do, u..., sizeof...(u)>(what);
  }
}

#if defined(BNN_EMULATE)
#include "plain_lanes.h"

inline void expand(uint64_t bits, uint8_t* out) {
  for (int i = 0; i < 64; ++i) out[i] = bits >> i & 1 ? 0xff : 1;
}

// The eight tile registers, 16 rows of 64 bytes each.
typedef uint8_t Register[16][64];
thread_local Register registers[8];

// Bytes times bytes, four to a sum. It touches registers alone: nothing that a sanitizer need follow,
// and with one it would take a thousand times as long as the processor does.
__attribute__((noinline, optimize("O3"), no_sanitize("address", "undefined"))) void add_products(
    const Register& a, bool a_signed, const Register& b, bool b_signed, Register& c) {
  for (int r = 0; r < 16; ++r) {
    int32_t sums[16];
    __builtin_memcpy(sums, c[r], 64);
    for (int k = 0; k < 64; ++k) {
      const int32_t x = a_signed ? static_cast<int8_t>(a[r][k]) : a[r][k];
      for (int n = 0; n < 16; ++n) {
        const uint8_t w = b[k / 4][4 * n + k % 4];
        sums[n] += x * (b_signed ? static_cast<int8_t>(w) : w);
      }
    }
    __builtin_memcpy(c[r], sums, 64);
  }
}

inline void configure() {}
inline void release() {}
template <int t>
inline void zero() {
  __builtin_memset(registers[t], 0, sizeof registers[t]);
}
template <int t>
inline void load_tile(const void* from, int64_t stride) {
  for (int r = 0; r < 16; ++r)
    __builtin_memcpy(registers[t][r], static_cast<const uint8_t*>(from) + r * stride, 64);
}
template <int t>
inline void store_tile(void* to, int64_t stride) {
  for (int r = 0; r < 16; ++r)
    __builtin_memcpy(static_cast<uint8_t*>(to) + r * stride, registers[t][r], 64);
}
template <int c, int a, int b>
inline void multiply() {
  add_products(registers[a], true, registers[b], true, registers[c]);
}
// Pixels are not signed; with kSigned what they are multiplied with is.
template <int c, int a, int b, bool kSigned>
inline void multiply_pixels() {
  add_products(registers[a], false, registers[b], kSigned, registers[c]);
}
bool runs_here() { return true; }
#else
#include "avx512_lanes.h"

inline void expand(uint64_t bits, uint8_t* out) {
  _mm512_storeu_si512(out, _mm512_mask_blend_epi8(bits, _mm512_set1_epi8(1), _mm512_set1_epi8(-1)));
}

// The tile instructions as assembly: the intrinsics of gcc 12 cannot name a tile by a constant.
struct Config {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t columns[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr Config kConfig;

inline void configure() {
  asm volatile("ldtilecfg %0" : : "m"(kConfig) : "memory");
}
inline void release() { asm volatile("tilerelease" : : : "memory"); }
template <int t>
inline void zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(t));
}
template <int t>
inline void load_tile(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(t) : "memory");
}
template <int t>
inline void store_tile(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(t) : "memory");
}
template <int c, int a, int b>
inline void multiply() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
}

// Pixels are not signed; with kSigned what they are multiplied with is.
template <int c, int a, int b, bool kSigned>
inline void multiply_pixels() {
  if constexpr (kSigned) {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
  } else {
    asm volatile("tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
  }
}

// The processor says it has tiles (leaf 7, edx bits 24 and 25), and Linux lets us use them: it wants
// to be asked once, because they make its saved state larger.
bool ask() {
  if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") ||
      !__builtin_cpu_supports("avx512dq"))
    return false;
  uint32_t a = 7, b, c = 0, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if ((d >> 24 & 3) != 3) return false;
  constexpr long kRequest = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
bool runs_here() {
  static const bool answer = ask();
  return answer;
}
#endif
