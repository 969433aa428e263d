// Any 64-bit machine: vectors of 16 bytes as the compiler makes them, bits counted by arithmetic.
#include "isa.h"

namespace bnn {
namespace portable {

constexpr int kLanes = 4;
typedef int32_t I __attribute__((vector_size(16)));
typedef float F __attribute__((vector_size(16)));
typedef uint32_t Word __attribute__((vector_size(16)));
typedef uint8_t Tally __attribute__((vector_size(16)));

#include "plain_lanes.h"

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

constexpr int kTallies = 31;  // words of at most 8 set bits a byte
constexpr int kTileVectors = 2;
constexpr int kTilePixels(int) { return 2; }

inline Tally tally(Tally sums, Word x) {
  x = x - ((x >> 1) & 0x55555555u);
  x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
  x = (x + (x >> 4)) & 0x0f0f0f0fu;
  return sums + reinterpret_cast<Tally>(x);
}

inline I total(I totals, Tally sums) {
  const Word words = reinterpret_cast<Word>(sums);
  const Word twos = (words & 0x00ff00ffu) + ((words >> 8) & 0x00ff00ffu);
  return totals + reinterpret_cast<I>((twos & 0xffffu) + (twos >> 16));
}

inline Word differ(Word a, Word b, Word mask) { return (a ^ b) & mask; }

#include "words.h"

double limit(int64_t rounds) {
  Tally sums[4] = {};
  Word x = Word{} + 0x12345678u;
  for (int64_t r = 0; r < rounds; ++r)
    for (Tally& sum : sums) {
      asm volatile("" : "+m"(x));
      sum = tally(sum, x ^ 0x0f1e2d3cu);
    }
  for (Tally& sum : sums) asm volatile("" : "+m"(sum));
  return static_cast<double>(rounds) * 4 * 128;
}

bool runs_here() { return true; }

const Product kProducts[] = {
    {.name = "words-rows", .about = "read from the padded image", .form = Form::rows,
     .most = kMost, .align = 4, .lay_out = words_lay_out,
     .laid_out = words_laid_out, .panel = words_panel},
    {.name = "words-patches", .about = "each field copied together first", .form = Form::patches,
     .most = kMost, .align = 4, .lay_out = words_lay_out,
     .laid_out = words_laid_out, .panel = words_panel},
};

constexpr int kTileSize = 2, kTilePieces = 1;
constexpr bool kByRows = false;
inline F splat(float x) { return F{x, x, x, x}; }
inline F fused(F a, F b, F c) {
  for (int i = 0; i < kLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}

#include "real_lanes.h"

constexpr int kStemTile = 2;
inline I low_half(I x) { return reinterpret_cast<I>(reinterpret_cast<Word>(x) << 16) >> 16; }
inline I add_pairs(I sum, I x, I w) {
  return sum + low_half(x) * low_half(w) + (x >> 16) * (w >> 16);
}

#include "stem_lanes.h"

}  // namespace portable

const Isa kPortable = {
    "portable",
    "any 64-bit machine",
    portable::runs_here,
    portable::kProducts,
    2,
    portable::finish,
    portable::pack,
    portable::limit,
    "xor, the arithmetic population count of bytes, add",
    &portable::kReal,
    &portable::kStem,
};

}  // namespace bnn
