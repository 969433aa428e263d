// NEON (64-bit ARM). cnt counts the bits of each byte; 31 words may be added before a byte can be
// full (31 * 8 = 248), then two pairwise additions make them 32-bit.
#include "isa.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace bnn {
namespace neon {

constexpr int kLanes = 4;
typedef int32_t I __attribute__((vector_size(16)));
typedef float F __attribute__((vector_size(16)));
typedef uint32_t Word __attribute__((vector_size(16)));
typedef uint8_t Tally __attribute__((vector_size(16)));

inline uint32_t bits_of(I mask) {
  const uint32x4_t places = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(reinterpret_cast<uint32x4_t>(mask), places));
}
inline uint32_t greater(I a, I b) { return bits_of(a > b); }
inline uint32_t less(F a, F b) { return bits_of(a < b); }

typedef int32_t Count;
constexpr int64_t kMost = INT32_MAX / 2;

#include "lanes.h"

inline I load_counts(const Count* row, int v) { return load<I>(row + v); }
inline I load_whole(const Count* row, int v, int products) {
  return I{} + products - load_counts(row, v) * 2;
}
inline F load_dots(const Count* row, int v, int products) {
  return __builtin_convertvector(I{} + products - load_counts(row, v) * 2, F);
}

#include "finish.h"

constexpr int kTallies = 31;
constexpr int kTileVectors = 4;
constexpr int kTilePixels(int vectors) { return vectors == 4 ? 2 : 4; }

inline Tally tally(Tally sums, Word x) {
  return sums + reinterpret_cast<Tally>(vcntq_u8(reinterpret_cast<uint8x16_t>(x)));
}
inline I total(I totals, Tally sums) {
  const uint16x8_t twos = vpaddlq_u8(reinterpret_cast<uint8x16_t>(sums));
  return reinterpret_cast<I>(vpadalq_u16(reinterpret_cast<uint32x4_t>(totals), twos));
}

inline Word differ(Word a, Word b, Word mask) { return (a ^ b) & mask; }

#include "words.h"

// Registers by name, so that nothing but the step itself is timed.
#define STEP(sum)                        \
  "eor v7.16b, v16.16b, v17.16b\n"       \
  "cnt v7.16b, v7.16b\n"                 \
  "add v" #sum ".16b, v" #sum ".16b, v7.16b\n"
double limit(int64_t rounds) {
  for (int64_t r = 0; r < rounds; ++r)
    asm volatile(STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5)
                 : : : "v0", "v1", "v2", "v3", "v4", "v5", "v7");
  return static_cast<double>(rounds) * 6 * 128;
}
#undef STEP

bool runs_here() { return true; }

const Product kProducts[] = {
    {.name = "words-rows", .about = "read from the padded image", .form = Form::rows,
     .most = kMost, .align = 4, .lay_out = words_lay_out,
     .laid_out = words_laid_out, .panel = words_panel},
    {.name = "words-patches", .about = "each field copied together first", .form = Form::patches,
     .most = kMost, .align = 4, .lay_out = words_lay_out,
     .laid_out = words_laid_out, .panel = words_panel},
};

constexpr int kTileSize = 6, kTilePieces = 1;
constexpr bool kByRows = false;
inline F splat(float x) { return vdupq_n_f32(x); }
inline F fused(F a, F b, F c) { return vfmaq_f32(c, a, b); }

#include "real_lanes.h"

constexpr int kStemTile = 4;
inline I low_half(I x) { return reinterpret_cast<I>(reinterpret_cast<Word>(x) << 16) >> 16; }
inline I add_pairs(I sum, I x, I w) {
  return sum + low_half(x) * low_half(w) + (x >> 16) * (w >> 16);
}

#include "stem_lanes.h"

}  // namespace neon

const Isa kNeon = {
    "neon",     "NEON", neon::runs_here, neon::kProducts,   2,
    neon::finish, neon::pack, neon::limit,     "eor + cnt + add",
    &neon::kReal, &neon::kStem,
};

}  // namespace bnn
#endif
