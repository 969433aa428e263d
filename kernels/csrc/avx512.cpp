// AVX-512 with VPOPCNTDQ (Ice Lake, Sapphire Rapids, Zen 4 and newer).
//
// vpopcntd zmm: 1 a cycle, port 5 alone on Intel; vpxord, vpaddd and vpternlogd: 2 a cycle, ports 0
// and 5. The plain step (xor, count, add) takes 3 operations for 512 products: 1.5 cycles, which is
// the limit loop below.
//
// "prefix" counts with fewer. Let s_k be the xor of the first k words of (input ^ weight). A full
// adder over s_{k-2}, x_{k-1}, x_k gives the sum bit s_k and a carry that counts twice. Xor is
// linear, so with inputs and weights stored as running xors (P and Q), s_k = P_k ^ Q_k is one
// operation, and with m = s_{k-1} the carry is m ? ~s_k : s_{k-2}, one vpternlogd. Two words cost two
// xors, a ternary, a count and an add: 5 operations for 1,024 products, 2.5 cycles.
//   mismatches = popcount(s_last) + 2 * the popcounts of all carries
#include "isa.h"

#if defined(__x86_64__)
#if !defined(BNN_EMULATE)
#include <immintrin.h>
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vpopcntdq")
#endif

namespace bnn {
namespace avx512 {

constexpr int kLanes = 16;
typedef int32_t I __attribute__((vector_size(64)));
typedef float F __attribute__((vector_size(64)));
typedef uint32_t Word __attribute__((vector_size(64)));
typedef I Tally;

#if defined(BNN_EMULATE)
inline uint32_t bits_of(I mask) {
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(mask[i] & 1) << i;
  return bits;
}
inline uint32_t greater(I a, I b) { return bits_of(a > b); }
inline uint32_t less(F a, F b) { return bits_of(a < b); }
inline I count(Word x) {
  I counts;
  for (int i = 0; i < kLanes; ++i) counts[i] = __builtin_popcount(x[i]);
  return counts;
}
inline Word carry(Word before, Word middle, Word now) {
  return (middle & ~now) | (~middle & before);
}
inline Word differ(Word a, Word b, Word mask) { return (a ^ b) & mask; }
inline void settle(Word&, I&) {}
inline void prefix_words(uint8_t* patch, int64_t bytes) {
  for (int64_t k = 4; k < bytes; k += 4)
    for (int i = 0; i < 4; ++i) patch[k + i] ^= patch[k - 4 + i];
}
bool runs_here() { return true; }
#else
inline uint32_t greater(I a, I b) {
  return _mm512_cmpgt_epi32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
}
inline uint32_t less(F a, F b) {
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), _CMP_LT_OQ);
}
inline I count(Word x) {
  return reinterpret_cast<I>(_mm512_popcnt_epi32(reinterpret_cast<__m512i>(x)));
}
// before ^ (middle & (before ^ ~now)): middle chooses between ~now and before.
inline Word carry(Word before, Word middle, Word now) {
  constexpr int kTable = 0x74;  // [before][middle][now]: m=0 gives before, m=1 gives not now
  return reinterpret_cast<Word>(_mm512_ternarylogic_epi32(
      reinterpret_cast<__m512i>(before), reinterpret_cast<__m512i>(middle),
      reinterpret_cast<__m512i>(now), kTable));
}
inline Word differ(Word a, Word b, Word mask) {
  constexpr int kTable = 0x28;  // [a][b][mask]: (a ^ b) & mask
  return reinterpret_cast<Word>(_mm512_ternarylogic_epi32(
      reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b), reinterpret_cast<__m512i>(mask),
      kTable));
}
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
// The running xor down the words of a patch, in place.
inline void prefix_words(uint8_t* patch, int64_t bytes) {
  __m512i before = _mm512_setzero_si512();
  for (int64_t k = 0; k < bytes; k += 64) {
    const __mmask16 there = bytes - k < 64 ? (1u << (bytes - k) / 4) - 1 : 0xffff;
    const Word words = reinterpret_cast<Word>(_mm512_maskz_loadu_epi32(there, patch + k));
    const __m512i sums = _mm512_xor_si512(reinterpret_cast<__m512i>(running(words)), before);
    _mm512_mask_storeu_epi32(patch + k, there, sums);
    before = _mm512_maskz_permutexvar_epi32(0xffff, _mm512_set1_epi32(15), sums);
  }
}
bool runs_here() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vpopcntdq");
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

constexpr int kTallies = 0;  // lanes of 32 bits do not fill
constexpr int kTileVectors = 4;
constexpr int kTilePixels(int vectors) { return vectors == 4 ? 4 : 8; }

inline Tally tally(Tally sums, Word x) { return sums + count(x); }
inline I total(I totals, Tally sums) { return totals + sums; }

#include "words.h"

void prefix_seal(uint8_t* patch, int64_t bytes) { prefix_words(patch, bytes); }

void prefix_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  words_lay_out(weights, filters, bytes, width, out);
  for (int64_t k = 4; k < bytes; k += 4)
    for (int f = 0; f < width; ++f) {
      uint32_t before, word;
      __builtin_memcpy(&before, out + ((k - 4) * width + 4 * f), 4);
      __builtin_memcpy(&word, out + (k * width + 4 * f), 4);
      word ^= before;
      __builtin_memcpy(out + (k * width + 4 * f), &word, 4);
    }
}

template <int P, int G>
inline void prefix_tile(const Panel& panel, int unit) {
  const uint8_t* fields[P];
  UNROLLED
  for (int p = 0; p < P; ++p) fields[p] = panel.input + panel.units[unit + p];
  const int64_t row = int64_t{64} * G;
  const uint8_t* weights = panel.weights;
  I carries[P][G] = {};
  Word sums[P][G] = {};
  for (int64_t k = 0; k < panel.runs[0].bytes; k += 8, weights += 2 * row) {
    UNROLLED
    for (int p = 0; p < P; ++p) {
      const Word x = word_at(fields[p] + k), y = word_at(fields[p] + k + 4);
      UNROLLED
      for (int g = 0; g < G; ++g) {
        const Word middle = x ^ load<Word>(weights + 64 * g);
        const Word now = y ^ load<Word>(weights + row + 64 * g);
        carries[p][g] += count(carry(sums[p][g], middle, now));
        sums[p][g] = now;
        settle(sums[p][g], carries[p][g]);
      }
    }
  }
  int32_t* counts = static_cast<int32_t*>(panel.counts) + int64_t{unit} * panel.width;
  UNROLLED
  for (int p = 0; p < P; ++p)
    UNROLLED
    for (int g = 0; g < G; ++g)
      save(counts + p * panel.width + g * kLanes, count(sums[p][g]) + 2 * carries[p][g]);
}

template <int P, int G>
inline void prefix_units(const Panel& panel, int unit) {
  for (; unit + P <= panel.count; unit += P) prefix_tile<P, G>(panel, unit);
  if constexpr (P > 1) {
    if (unit < panel.count) prefix_units<P - 1, G>(panel, unit);
  }
}

void prefix_panel(const Panel& panel) {
  if (panel.width == 64) {
    prefix_units<3, 4>(panel, 0);
  } else if (panel.width == 32) {
    prefix_units<6, 2>(panel, 0);
  } else {
    prefix_units<8, 1>(panel, 0);
  }
}

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
    {"words-rows", "read from the padded image", Form::rows, kMost, 1, 1, 4, words_store, nullptr,
     words_lay_out, words_laid_out, nullptr, words_panel},
    {"words-patches", "each field copied together first", Form::patches, kMost, 1, 1, 4,
     words_store, nullptr, words_lay_out, words_laid_out, nullptr, words_panel},
    {"prefix", "carries of running xors: 5 operations for 2 words", Form::patches, kMost, 1, 1, 8,
     words_store, prefix_seal, prefix_lay_out, words_laid_out, nullptr, prefix_panel},
};

constexpr int kTileSize = 12, kTilePieces = 2;
#if defined(BNN_EMULATE)
inline F splat(float x) {
  F all;
  for (int i = 0; i < kLanes; ++i) all[i] = x;
  return all;
}
inline F fused(F a, F b, F c) {
  for (int i = 0; i < kLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
#else
inline F splat(float x) { return _mm512_set1_ps(x); }
inline F fused(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
#endif

#include "real_lanes.h"

constexpr int kStemTile = 14;
#if defined(BNN_EMULATE)
inline I low_half(I x) { return reinterpret_cast<I>(reinterpret_cast<Word>(x) << 16) >> 16; }
inline I add_pairs(I sum, I x, I w) {
  return sum + low_half(x) * low_half(w) + (x >> 16) * (w >> 16);
}
#else
inline I add_pairs(I sum, I x, I w) {
  return sum + reinterpret_cast<I>(_mm512_madd_epi16(reinterpret_cast<__m512i>(x),
                                                     reinterpret_cast<__m512i>(w)));
}
#endif

#include "stem_lanes.h"

}  // namespace avx512

const RealOps kAvx512Real = avx512::kReal;
const StemOps kAvx512Stem = avx512::kStem;

const Isa kAvx512 = {
    "avx512",
    "AVX-512 with VPOPCNTDQ",
    avx512::runs_here,
    avx512::kProducts,
    3,
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
