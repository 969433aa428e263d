// AVX-512 with VPOPCNTDQ (Ice Lake, Sapphire Rapids, Zen 4 and newer).
//
// vpopcntd zmm: 1 a cycle, port 5 alone on Intel; vpxord, vpaddd and vpternlogd: 2 a cycle, ports 0
// and 5. The plain step (xor, count, add) takes 3 operations for 512 products: 1.5 cycles, which is
// the limit loop below.
//
// By carries of running xors ("prefix", counting.h) two words take 5 operations: 2.5 cycles, and more
// than the limit loop reaches.
#include "isa.h"

#if defined(__x86_64__)
#if !defined(BNN_EMULATE)
#include <immintrin.h>
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni,avx512bitalg,avx512vpopcntdq")
#endif

namespace bnn {
namespace avx512 {

constexpr int kLanes = 16;
typedef int32_t I __attribute__((vector_size(64)));
typedef float F __attribute__((vector_size(64)));
typedef uint32_t Word __attribute__((vector_size(64)));
typedef I Tally;

#if defined(BNN_EMULATE)
#include "plain_lanes.h"
inline I count(Word x) {
  I counts;
  for (int i = 0; i < kLanes; ++i) counts[i] = __builtin_popcount(x[i]);
  return counts;
}
inline I count_halves(Word x) { return count(x & 65535) + (count(x >> 16) << 16); }
inline Word carry(Word before, Word middle, Word now) {
  return (middle & ~now) | (~middle & before);
}
inline I low_half(I x) { return reinterpret_cast<I>(reinterpret_cast<Word>(x) << 16) >> 16; }
inline I add_pairs(I sum, I x, I w) {
  return sum + low_half(x) * low_half(w) + (x >> 16) * (w >> 16);
}
inline Word differ(Word a, Word b, Word mask) { return (a ^ b) & mask; }
inline void settle(Word&, I&) {}
inline Word running(Word words) {
  for (int i = 1; i < kLanes; ++i) words[i] ^= words[i - 1];
  return words;
}
inline Word last_of(Word words) { return Word{} + words[kLanes - 1]; }
inline Word permuted(Word words, Word index) {
  uint8_t from[64], which[64], to[64];
  __builtin_memcpy(from, &words, 64);
  __builtin_memcpy(which, &index, 64);
  for (int i = 0; i < 64; ++i) to[i] = from[which[i]];
  __builtin_memcpy(&words, to, 64);
  return words;
}
inline F splat(float x) {
  F all;
  for (int i = 0; i < kLanes; ++i) all[i] = x;
  return all;
}
inline F fused(F a, F b, F c) {
  for (int i = 0; i < kLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
bool runs_here() { return true; }
#else
#include "avx512_lanes.h"
inline I count(Word x) {
  return reinterpret_cast<I>(_mm512_popcnt_epi32(reinterpret_cast<__m512i>(x)));
}
// Of the lower and the upper half of each lane.
inline I count_halves(Word x) {
  return reinterpret_cast<I>(_mm512_popcnt_epi16(reinterpret_cast<__m512i>(x)));
}
// before ^ (middle & (before ^ ~now)): middle chooses between ~now and before.
inline Word carry(Word before, Word middle, Word now) {
  constexpr int kTable = 0x74;  // [before][middle][now]: m=0 gives before, m=1 gives not now
  return reinterpret_cast<Word>(_mm512_ternarylogic_epi32(
      reinterpret_cast<__m512i>(before), reinterpret_cast<__m512i>(middle),
      reinterpret_cast<__m512i>(now), kTable));
}
// sum + the product of both low halves + that of both high ones.
inline I add_pairs(I sum, I x, I w) {
  return reinterpret_cast<I>(_mm512_dpwssd_epi32(reinterpret_cast<__m512i>(sum),
                                                 reinterpret_cast<__m512i>(x),
                                                 reinterpret_cast<__m512i>(w)));
}
inline Word differ(Word a, Word b, Word mask) {
  constexpr int kTable = 0x28;  // [a][b][mask]: (a ^ b) & mask
  return reinterpret_cast<Word>(_mm512_ternarylogic_epi32(
      reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b), reinterpret_cast<__m512i>(mask),
      kTable));
}
inline F splat(float x) { return _mm512_set1_ps(x); }
inline F fused(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
// Nothing; but gcc computes what is settled before it goes on, and keeps it in registers.
inline void settle(Word& sums, I& carries) { asm volatile("" : "+v"(sums), "+v"(carries)); }

// The running xor of 16 words: each step adds what lies 1, 2, 4, 8 words before.
inline Word running(Word words) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i x = reinterpret_cast<__m512i>(words);
  x = _mm512_xor_si512(x, _mm512_maskz_alignr_epi32(0xffff, x, zero, 15));
  x = _mm512_xor_si512(x, _mm512_maskz_alignr_epi32(0xffff, x, zero, 14));
  x = _mm512_xor_si512(x, _mm512_maskz_alignr_epi32(0xffff, x, zero, 12));
  return reinterpret_cast<Word>(_mm512_xor_si512(x, _mm512_maskz_alignr_epi32(0xffff, x, zero, 8)));
}
inline Word last_of(Word words) {
  return reinterpret_cast<Word>(
      _mm512_permutexvar_epi32(_mm512_set1_epi32(15), reinterpret_cast<__m512i>(words)));
}
// The bytes of words that index names.
inline Word permuted(Word words, Word index) {
  return reinterpret_cast<Word>(_mm512_permutexvar_epi8(reinterpret_cast<__m512i>(index),
                                                        reinterpret_cast<__m512i>(words)));
}
bool runs_here() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vpopcntdq");
}
#endif

typedef int32_t Count;
constexpr int64_t kMost = 1 << 22;  // and whatever is made of it is exact in float32

#include "lanes.h"

inline I load_counts(const Count* row, int v) { return load<I>(row + v); }
// Whole numbers below 2^24: the fused step is exact.
inline F dots_of(I counts, F products) {
  return fused(__builtin_convertvector(counts, F), F{} - 2.0f, products);
}
inline I load_whole(const Count* row, int v, int products) {
  return I{} + products - load_counts(row, v) * 2;
}
inline F load_dots(const Count* row, int v, int products) {
  return dots_of(load_counts(row, v), F{} + static_cast<float>(products));
}

#include "finish.h"
#undef BNN_OWN_FIRST
#include "finish_rows.h"

constexpr int32_t kInOrder[] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

#include "counting.h"
#include "neighbours.h"
#include "weave.h"

#if defined(BNN_EMULATE)
double limit(int64_t rounds) {
  I sum = {};
  for (int64_t r = 0; r < rounds; ++r) sum += count(Word{} + static_cast<uint32_t>(r));
  asm volatile("" : "+m"(sum));
  return static_cast<double>(rounds) * 512;
}
#else
// Registers by name, so that nothing but the step itself is timed.
#define STEP(sum)                            \
  "vpxord %%zmm15, %%zmm14, %%zmm1" #sum "\n" \
  "vpopcntd %%zmm1" #sum ", %%zmm1" #sum "\n" \
  "vpaddd %%zmm1" #sum ", %%zmm" #sum ", %%zmm" #sum "\n"
double limit(int64_t rounds) {
  for (int64_t r = 0; r < rounds; ++r)
    asm volatile(STEP(0) STEP(1) STEP(2) STEP(3)
                 : : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm10", "xmm11", "xmm12", "xmm13");
  return static_cast<double>(rounds) * 4 * 512;
}
#undef STEP
#endif

const Product kProducts[] = {
    {.name = "words-rows", .about = "read from the padded image", .form = Form::rows,
     .most = kMost, .align = 4, .lay_out = words_lay_out,
     .laid_out = words_laid_out, .panel = panel_of<Plain>, .whole = words_whole},
    {.name = "words-bands", .about = "read from bands, where fields are in one stretch",
     .form = Form::bands, .most = kMost, .align = 4, .weave = weave<false>,
     .lay_out = words_lay_out, .laid_out = words_laid_out, .panel = panel_of<Plain>,
     .whole = words_whole},
    {.name = "prefix-bands", .about = "carries of running xors: 5 operations for 2 words",
     .form = Form::bands, .most = Prefix<0>::kMost, .align = 4, .column = 4, .pixels = 60,
     .weave = weave<true>, .lay_out = prefix_lay_out, .laid_out = words_laid_out,
     .panel = panel_of<Prefix<0>>, .whole = prefix_whole},
    {.name = "pairs-rows", .about = "two neighbours of 16 channels to a word, from the padded image",
     .form = Form::rows, .most = 32767, .unit = 2, .pixel_bytes = 2, .pixels = 128,
     .lay_out = pairs_lay_out, .laid_out = pairs_laid_out, .panel = pairs_panel,
     .whole = pairs_whole},
};

constexpr int kTileSize = 12, kTilePieces = 2;
constexpr bool kByRows = true;
#include "real_lanes.h"

constexpr int kStemTile = 14;
#include "stem_lanes.h"

}  // namespace avx512

const RealOps kAvx512Real = avx512::kReal;
const StemOps kAvx512Stem = avx512::kStem;

const Isa kAvx512 = {
    "avx512",
    "AVX-512 with VPOPCNTDQ",
    avx512::runs_here,
    avx512::kProducts,
    4,
    avx512::finish,
    avx512::pack,
    avx512::limit,
    "vpxord + vpopcntd + vpaddd",
    &kAvx512Real,
    &kAvx512Stem,
};

}  // namespace bnn
#if !defined(BNN_EMULATE)
#pragma GCC pop_options
#endif
#endif
