// AMX int8 (Sapphire Rapids and newer): signs as bytes of +1 and -1, a tile of 16 pixels times a
// tile of 16 filters over 64 channels in one tdpbssd (16 cycles, 1,024 products a cycle).
//
// Weights stay bits in memory (bytes would not stay in the second cache) and are expanded once for
// each panel of 64 pixels, which then runs from that copy. vpmovm2b turns 64 bits into 64 bytes of
// 0 or -1; or-ing 1 makes them +1 or -1.
//
// A field is padded to 64 signs with +1 on both sides, so of `padded` products `dot` is the sum and
//   mismatches = (padded - dot) / 2
#include "isa.h"

#if defined(__x86_64__)
#if !defined(BNN_EMULATE)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq")
#endif

namespace bnn {
namespace amx {

constexpr int kLanes = 16;
typedef int32_t I __attribute__((vector_size(64)));
typedef float F __attribute__((vector_size(64)));

#if defined(BNN_EMULATE)
inline uint32_t bits_of(I mask) {
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(mask[i] & 1) << i;
  return bits;
}
inline uint32_t greater(I a, I b) { return bits_of(a > b); }
inline uint32_t less(F a, F b) { return bits_of(a < b); }

inline void expand(uint64_t bits, uint8_t* out) {
  for (int i = 0; i < 64; ++i) out[i] = bits >> i & 1 ? 0xff : 1;
}

// The eight tile registers, 16 rows of 64 bytes each.
thread_local int8_t tiles[8][16][64];

inline void configure() {}
inline void release() {}
template <int t>
inline void zero() {
  __builtin_memset(tiles[t], 0, sizeof tiles[t]);
}
template <int t>
inline void load_tile(const void* from, int64_t stride) {
  for (int r = 0; r < 16; ++r)
    __builtin_memcpy(tiles[t][r], static_cast<const uint8_t*>(from) + r * stride, 64);
}
template <int t>
inline void store_tile(void* to, int64_t stride) {
  for (int r = 0; r < 16; ++r)
    __builtin_memcpy(static_cast<uint8_t*>(to) + r * stride, tiles[t][r], 64);
}
template <int c, int a, int b>
inline void multiply() {
  for (int r = 0; r < 16; ++r)
    for (int n = 0; n < 16; ++n) {
      int32_t sum;
      __builtin_memcpy(&sum, tiles[c][r] + 4 * n, 4);
      for (int k = 0; k < 64; ++k) sum += tiles[a][r][k] * tiles[b][k / 4][4 * n + k % 4];
      __builtin_memcpy(tiles[c][r] + 4 * n, &sum, 4);
    }
}
bool runs_here() { return true; }
#else
inline uint32_t greater(I a, I b) {
  return _mm512_cmpgt_epi32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
}
inline uint32_t less(F a, F b) {
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), _CMP_LT_OQ);
}

inline void expand(uint64_t bits, uint8_t* out) {
  const __m512i bytes = _mm512_movm_epi8(bits);
  _mm512_storeu_si512(out, _mm512_or_si512(bytes, _mm512_set1_epi8(1)));
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

typedef int32_t Count;
constexpr int64_t kMost = INT32_MAX / 2;

#include "lanes.h"

inline I load_counts(const Count* row, int v) { return load<I>(row + v); }
inline F load_dots(const Count* row, int v, int products) {
  return __builtin_convertvector(I{} + products - load_counts(row, v) * 2, F);
}

#include "finish.h"

void store(const uint8_t* first, const uint8_t*, int64_t bytes, uint8_t* out) {
  for (int64_t i = 0; i < bytes; i += 8) {
    uint64_t bits;
    __builtin_memcpy(&bits, first + i, 8);
    expand(bits, out + 8 * i);
  }
}

// A tile of weights is 16 rows, one for 4 channels, of 16 filters times 4 channels: 64 bits a row.
// [64 channels][16 filters][16 rows] of such words.
void lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  for (int64_t chunk = 0; chunk < bytes; chunk += 8)
    for (int first = 0; first < width; first += 16)
      for (int row = 0; row < 16; ++row, out += 8) {
        uint64_t word = 0;
        for (int f = first; f < first + 16 && f < filters; ++f) {
          const uint8_t byte = weights[f * bytes + chunk + row / 2];
          word |= uint64_t(row % 2 ? byte >> 4 : byte & 15) << (4 * (f - first));
        }
        __builtin_memcpy(out, &word, 8);
      }
}

int64_t laid_out(int64_t bytes, int width) { return bytes * width; }
int64_t scratch(int64_t bytes, int width) { return 8 * bytes * width; }

inline void keep(const int32_t (&dots)[16][16], int padded, int pixels, int32_t* counts,
                 int width) {
  for (int p = 0; p < pixels; ++p)
    save(counts + int64_t{p} * width, (I{} + padded - load<I>(dots[p])) >> 1);
}

// 32 pixels (fewer are wanted: the buffer has room for whole panels) and 16 G filters.
template <int G>
void tile(const Panel& panel, int pixel, int group) {
  const int64_t bytes = panel.runs[0].bytes, stride = bytes;
  const uint8_t* fields = panel.input + panel.units[0] + pixel * stride;
  const uint8_t* weights = panel.scratch + group * 1024;
  const int groups = panel.width / 16;
  zero<0>(), zero<1>(), zero<2>(), zero<3>();
  for (int64_t k = 0; k < bytes; k += 64, weights += groups * 1024) {
    load_tile<4>(fields + k, stride);
    load_tile<5>(fields + k + 16 * stride, stride);
    load_tile<6>(weights, 64);
    multiply<0, 4, 6>();
    multiply<1, 5, 6>();
    if (G == 2) {
      load_tile<7>(weights + 1024, 64);
      multiply<2, 4, 7>();
      multiply<3, 5, 7>();
    }
  }
  alignas(64) int32_t dots[16][16];
  int32_t* counts = static_cast<int32_t*>(panel.counts) + int64_t{pixel} * panel.width + 16 * group;
  const int padded = static_cast<int>(bytes);
  const int left = panel.count - pixel, upper = left < 16 ? left : 16;
  const int lower = left < 32 ? left - upper : 16;
  store_tile<0>(dots, 64), keep(dots, padded, upper, counts, panel.width);
  store_tile<1>(dots, 64), keep(dots, padded, lower, counts + 16 * panel.width, panel.width);
  if (G == 2) {
    store_tile<2>(dots, 64), keep(dots, padded, upper, counts + 16, panel.width);
    store_tile<3>(dots, 64), keep(dots, padded, lower, counts + 16 * panel.width + 16, panel.width);
  }
}

void panel(const Panel& panel) {
  const int64_t words = panel.runs[0].bytes / 64 * panel.width;
  for (int64_t i = 0; i < words; ++i) {
    uint64_t bits;
    __builtin_memcpy(&bits, panel.weights + 8 * i, 8);
    expand(bits, panel.scratch + 64 * i);
  }
  configure();
  for (int pixel = 0; pixel < panel.count; pixel += 32) {
    if (panel.width == 16) {
      tile<1>(panel, pixel, 0);
    } else {
      for (int group = 0; group < panel.width / 16; group += 2) tile<2>(panel, pixel, group);
    }
  }
  release();
}

// Tiles multiplied one after the other; one tdpbssd is 16 * 16 * 64 products.
double limit(int64_t rounds) {
  alignas(64) static uint8_t bytes[1024];
  for (int i = 0; i < 16; ++i) expand(0x9e3779b97f4a7c15u * (i + 1), bytes + 64 * i);
  configure();
  load_tile<4>(bytes, 64), load_tile<5>(bytes, 64), load_tile<6>(bytes, 64);
  load_tile<7>(bytes, 64);
  zero<0>(), zero<1>(), zero<2>(), zero<3>();
  for (int64_t r = 0; r < rounds; ++r) {
    multiply<0, 4, 6>();
    multiply<1, 5, 6>();
    multiply<2, 4, 7>();
    multiply<3, 5, 7>();
  }
  release();
  return static_cast<double>(rounds) * 4 * 16384;
}

const Product kProducts[] = {
    {.name = "bytes", .about = "weights kept as bits, expanded for each panel",
     .form = Form::patches, .most = kMost, .grow = 8, .align = 8, .store = store,
     .lay_out = lay_out, .laid_out = laid_out, .scratch = scratch, .panel = panel},
};

}  // namespace amx

const Isa kAmx = {
    "amx",      "AMX int8, with AVX-512BW", amx::runs_here, amx::kProducts,      1,
    amx::finish, amx::pack,                 amx::limit,     "tdpbssd on +1 and -1 as bytes",
    &kAvx512Real,
    &kAvx512Stem,
};

}  // namespace bnn
#if !defined(BNN_EMULATE)
#pragma GCC pop_options
#endif
#endif
