// AVX2 (Haswell, Zen and newer). There is no population count of vectors, so a shuffle looks it up:
// avx2_pairs.h, where the lanes are filters, and avx2_filters.h, where they are pixels.
//
// Shuffle throughput: 1 a cycle on Haswell to Skylake, 2 on Ice Lake and newer and on Zen.
#include "isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

// No lambdas below (gcc does not hand them the target) and nothing that runs when the library loads.
#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace bnn {
namespace avx2 {

constexpr int kLanes = 8;
typedef int32_t I __attribute__((vector_size(32)));
typedef float F __attribute__((vector_size(32)));

inline uint32_t greater(I a, I b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(a > b)));
}
inline uint32_t less(F a, F b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(a < b)));
}

typedef uint16_t Count;
constexpr int64_t kMost = 65534;

#include "lanes.h"

// A row of counts has the 16 filters of each vector in this order, so that the two unpack
// instructions, which work within 128 bits, widen filters 0..7 and 8..15.
constexpr int kOrder[16] = {0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15};

inline I load_counts(const Count* row, int v) {
  const __m256i counts = load<__m256i>(row + v / 16 * 16), none = {};
  return reinterpret_cast<I>(v % 16 ? _mm256_unpackhi_epi16(counts, none)
                                    : _mm256_unpacklo_epi16(counts, none));
}
// Fused, and exact all the same: these are whole numbers below 2^24.
inline I load_whole(const Count* row, int v, int products) {
  return I{} + products - load_counts(row, v) * 2;
}
inline F load_dots(const Count* row, int v, int products) {
  const __m256 counts = _mm256_cvtepi32_ps(reinterpret_cast<__m256i>(load_counts(row, v)));
  return _mm256_fnmadd_ps(counts, _mm256_set1_ps(2), _mm256_set1_ps(static_cast<float>(products)));
}

// 16 counts at a time: c > limit where the larger of c and limit + 1 is c. Packing two vectors of
// limits gives the order of a row of counts.
template <int kWidth>
struct Limits {
  __m256i least[kWidth / 16];

  Limits(const int32_t* from, int) {
    UNROLLED
    for (int i = 0; i < kWidth / 16; ++i)
      least[i] = _mm256_packus_epi32(above(from + 16 * i), above(from + 16 * i + 8));
  }
  static inline __m256i above(const int32_t* from) {
    return _mm256_add_epi32(load<__m256i>(from), _mm256_set1_epi32(1));
  }
  inline __m256i exceeded(const Count* counts, int i) const {
    const __m256i c = load<__m256i>(counts + 16 * i);
    return _mm256_cmpeq_epi16(_mm256_max_epu16(c, least[i]), c);
  }
  inline uint64_t exceeded(const Count* counts) const {
    uint64_t bits = 0;
    UNROLLED
    for (int i = 0; i < kWidth / 16; i += 2) {
      const __m256i more = kWidth > 16 ? exceeded(counts, i + 1) : __m256i{};
      const __m256i bytes = _mm256_packs_epi16(exceeded(counts, i), more);
      const __m256i in_order =
          _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
      bits |= uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(in_order))} << 16 * i;
    }
    return bits;
  }
};
#define BNN_OWN_LIMITS

#include "finish.h"

#include "avx2_pairs.h"
#include "avx2_filters.h"

// Registers by name, so that nothing but the step itself is timed.
#define STEP(sum) "vpshufb %%ymm15, %%ymm14, %%ymm13\nvpaddb %%ymm13, %%ymm" #sum ", %%ymm" #sum "\n"
double limit(int64_t rounds) {
  for (int64_t r = 0; r < rounds; ++r)
    asm volatile(STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
                 : : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm13");
  return static_cast<double>(rounds) * 8 * 128;
}
#undef STEP

bool runs_here() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

const Product kProducts[] = {
    {.name = "pairs-rows", .about = "two pixels to a look-up, read from the padded image",
     .form = Form::rows, .most = kMost, .unit = 2, .grow = 4, .store = pairs_store,
     .lay_out = pairs_lay_out, .laid_out = pairs_laid_out, .panel = pairs_panel},
    {.name = "pairs-patches", .about = "two pixels to a look-up, each field copied together first",
     .form = Form::patches, .most = kMost, .unit = 2, .grow = 4, .store = pairs_store,
     .lay_out = pairs_lay_out, .laid_out = pairs_laid_out, .panel = pairs_panel},
    {.name = "filters-planes", .about = "two filters to a look-up, read from planes of nibbles",
     .form = Form::planes, .most = kMost, .unit = 16, .grow = 2, .lay_out = filters_lay_out,
     .laid_out = filters_laid_out, .panel = filters_panel},
};

constexpr int kTileSize = 6, kTilePieces = 1;
constexpr bool kByRows = false;
inline F splat(float x) { return _mm256_set1_ps(x); }
inline F fused(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }

#include "real_lanes.h"

// Zen 3 takes 5.1 cycles for the 8 products and 8 additions of a tile, on registers alone: 25
// multiply-accumulates a cycle. Larger tiles, or another order, do not change that.
constexpr int kStemTile = 4;
inline I add_pairs(I sum, I x, I w) {
  return sum + reinterpret_cast<I>(_mm256_madd_epi16(reinterpret_cast<__m256i>(x),
                                                     reinterpret_cast<__m256i>(w)));
}

#include "stem_lanes.h"

}  // namespace avx2

const Isa kAvx2 = {
    "avx2",
    "AVX2 with FMA",
    avx2::runs_here,
    avx2::kProducts,
    3,
    avx2::finish,
    avx2::pack,
    avx2::limit,
    "vpshufb (xor and count of 4 signs by table) + vpaddb",
    &avx2::kReal,
    &avx2::kStem,
};

}  // namespace bnn
#pragma GCC pop_options
#endif
