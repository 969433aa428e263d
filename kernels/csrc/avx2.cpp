// AVX2 (Haswell, Zen and newer). There is no population count of vectors, so a shuffle looks it up.
//
// vpshufb looks up 32 four-bit indices in a table of 16 bytes. The table of an input nibble a holds,
// for each weight nibble w, the population count of a ^ w: one shuffle is xor and count at once for
// 4 signs of 32 filters (the "lut" step, shuffle + add for 128 products: the limit loop below).
//
// Counts of 4 signs need 3 bits of a byte, so a table can hold two: that of one output pixel in the
// low nibble and that of its neighbour in the high one ("pairs"). Three look-ups may be added before
// a nibble can overflow (3 * 4 = 12); then
//
//   low  += x & 0x0f   (bytes)
//   high += x >> 4     (16-bit lanes)
//
// The shift leaves the low nibble of the upper byte in the lower byte, on purpose: `low` knows how
// much that is, so it is taken off once at the end, and the mask saved. 9 vector operations count
// 768 products; shuffle + add would take 12. After 21 such groups (21 * 12 = 252) a byte is full,
// and is spilled to 16-bit counts: that is why a panel runs over its pixels 63 nibbles at a time,
// which also keeps the weights it needs (4 KB) in the first cache.
//
// Shuffle throughput: 1 a cycle on Haswell to Skylake, 2 on Ice Lake and newer and on Zen.
#include "isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

// No lambdas below (gcc does not hand them the target) and nothing that runs when the library loads.
#pragma GCC push_options
#pragma GCC target("avx2")

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

#include "finish.h"

constexpr int kGroups = 21;   // groups of three nibbles before a byte may be full
constexpr int kSegments = 64;

// Table n, at 16 n bytes: entry w counts (n & 15) ^ w in its low nibble, (n >> 4) ^ w in its high.
struct Tables {
  alignas(64) uint8_t of[256][16] = {};
  constexpr Tables() {
    for (int n = 0; n < 256; ++n)
      for (int w = 0; w < 16; ++w)
        of[n][w] = static_cast<uint8_t>(__builtin_popcount((n & 15) ^ w) +
                                        16 * __builtin_popcount((n >> 4) ^ w));
  }
};
constexpr Tables kTables;

inline __m128i table(uint16_t place) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(&kTables.of[0][0] + place));
}
inline __m256i bytes_at(const uint8_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// Stretches of a field, in places (two bytes each); together at most kGroups groups.
struct Chunk {
  struct { int32_t offset, nibbles; } segments[kSegments];
  int n = 0, groups = 0, nibbles = 0;

  // Takes as much of a stretch as there is room for, and says how much.
  int32_t take(int32_t offset, int32_t left) {
    const int32_t room = 3 * (kGroups - groups), taken = left < room ? left : room;
    segments[n++] = {offset, taken};
    groups += (taken + 2) / 3;
    nibbles += taken;
    return taken;
  }
  bool full() const { return groups == kGroups || n == kSegments; }
};

struct Sums {
  __m256i low, high;
};

inline void add(Sums& sums, __m256i x) {
  sums.high = _mm256_add_epi16(sums.high, _mm256_srli_epi16(x, 4));
  sums.low = _mm256_add_epi8(sums.low, _mm256_and_si256(x, _mm256_set1_epi8(15)));
}

inline void spill(__m256i counts, uint16_t* to, bool first) {
  __m256i* at = reinterpret_cast<__m256i*>(to);
  if (!first) counts = _mm256_add_epi16(counts, _mm256_loadu_si256(at));
  _mm256_storeu_si256(at, counts);
}

// Even bytes are filters 0..15 of their vector and odd bytes 16..31: see `lay_out`.
inline void spill(const Sums& sums, uint16_t* one, uint16_t* two, bool first) {
  const __m256i byte = _mm256_set1_epi16(255);
  const __m256i odd = _mm256_srli_epi16(sums.low, 8);
  const __m256i high = _mm256_sub_epi16(sums.high, _mm256_slli_epi16(odd, 4));
  spill(_mm256_and_si256(sums.low, byte), one, first);
  spill(odd, one + 16, first);
  spill(_mm256_and_si256(high, byte), two, first);
  spill(_mm256_srli_epi16(high, 8), two + 16, first);
}

// One unit, 32 G filters: `n` look-ups, one group of at most three.
template <int G, int n>
inline void group(const uint16_t* places, const uint8_t* weights, Sums (&sums)[G]) {
  __m256i x[G];
  for (int j = 0; j < n; ++j) {
    const __m256i t = _mm256_broadcastsi128_si256(table(places[j]));
    for (int g = 0; g < G; ++g) {
      const __m256i counts = _mm256_shuffle_epi8(t, bytes_at(weights + 32 * (j * G + g)));
      x[g] = j ? _mm256_add_epi8(x[g], counts) : counts;
    }
  }
  for (int g = 0; g < G; ++g) add(sums[g], x[g]);
}

template <int G>
void chunk_wide(const Chunk& chunk, const Panel& panel, const uint8_t* weights, bool first) {
  for (int unit = 0; unit < panel.count; ++unit) {
    const uint16_t* field = reinterpret_cast<const uint16_t*>(panel.input + panel.units[unit]);
    const uint8_t* w = weights;
    Sums sums[G] = {};
    for (int s = 0; s < chunk.n; ++s) {
      const uint16_t* places = field + chunk.segments[s].offset;
      int left = chunk.segments[s].nibbles;
      for (; left >= 3; left -= 3, places += 3, w += 3 * 32 * G) group<G, 3>(places, w, sums);
      if (left == 2) group<G, 2>(places, w, sums);
      if (left == 1) group<G, 1>(places, w, sums);
      w += left * 32 * G;
    }
    uint16_t* counts = static_cast<uint16_t*>(panel.counts) + int64_t{unit} * 2 * 32 * G;
    for (int g = 0; g < G; ++g)
      spill(sums[g], counts + 32 * g, counts + 32 * (G + g), first);
  }
}

// 16 filters: the lower half of a vector is one unit and the upper half the next.
template <int n>
inline void group_of_two(const uint16_t* one, const uint16_t* two, const uint8_t* weights,
                         Sums& sums) {
  __m256i x;
  for (int j = 0; j < n; ++j) {
    const __m256i t = _mm256_inserti128_si256(_mm256_castsi128_si256(table(one[j])), table(two[j]), 1);
    const __m256i w = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + 16 * j)));
    const __m256i counts = _mm256_shuffle_epi8(t, w);
    x = j ? _mm256_add_epi8(x, counts) : counts;
  }
  add(sums, x);
}

void chunk_narrow(const Chunk& chunk, const Panel& panel, const uint8_t* weights, bool first) {
  for (int unit = 0; unit < panel.count; unit += 2) {
    const int other = unit + 1 < panel.count ? unit + 1 : unit;
    const uint16_t* one = reinterpret_cast<const uint16_t*>(panel.input + panel.units[unit]);
    const uint16_t* two = reinterpret_cast<const uint16_t*>(panel.input + panel.units[other]);
    const uint8_t* w = weights;
    Sums sums = {};
    for (int s = 0; s < chunk.n; ++s) {
      const int32_t offset = chunk.segments[s].offset;
      int k = 0;
      const int n = chunk.segments[s].nibbles;
      for (; k + 3 <= n; k += 3)
        group_of_two<3>(one + offset + k, two + offset + k, w + 16 * k, sums);
      if (n - k == 2) group_of_two<2>(one + offset + k, two + offset + k, w + 16 * k, sums);
      if (n - k == 1) group_of_two<1>(one + offset + k, two + offset + k, w + 16 * k, sums);
      w += 16 * n;
    }
    // Even bytes are filters 0..7 and odd bytes 8..15; the halves are the two units.
    alignas(32) uint16_t counts[64];
    spill(sums, counts, counts + 32, true);
    uint16_t* to = static_cast<uint16_t*>(panel.counts) + int64_t{unit} * 2 * 16;
    for (int u = 0; u < (other != unit ? 2 : 1); ++u)
      for (int pixel = 0; pixel < 2; ++pixel)
        for (int odd = 0; odd < 2; ++odd) {
          const __m128i c = _mm_load_si128(
              reinterpret_cast<__m128i*>(counts + 32 * pixel + 16 * odd + 8 * u));
          __m128i* at = reinterpret_cast<__m128i*>(to + (2 * u + pixel) * 16 + 8 * odd);
          _mm_storeu_si128(at, first ? c : _mm_add_epi16(c, _mm_loadu_si128(at)));
        }
  }
}

void run_chunk(const Chunk& chunk, const Panel& panel, const uint8_t* weights, bool first) {
  if (panel.width == 64) {
    chunk_wide<2>(chunk, panel, weights, first);
  } else if (panel.width == 32) {
    chunk_wide<1>(chunk, panel, weights, first);
  } else {
    chunk_narrow(chunk, panel, weights, first);
  }
}

void pairs_panel(const Panel& panel) {
  Chunk chunk;
  const uint8_t* weights = panel.weights;
  for (int r = 0; r < panel.n_runs; ++r) {
    int32_t offset = static_cast<int32_t>(panel.runs[r].offset / 2);
    const int32_t end = offset + static_cast<int32_t>(panel.runs[r].bytes / 2);
    while (offset < end) {
      offset += chunk.take(offset, end - offset);
      if (!chunk.full() && (offset < end || r + 1 < panel.n_runs)) continue;
      run_chunk(chunk, panel, weights, weights == panel.weights);
      weights += int64_t{chunk.nibbles} * panel.width;
      chunk.n = chunk.groups = chunk.nibbles = 0;
    }
  }
}

inline __m256i wide_bytes(const uint8_t* from) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Two places for each byte: 16 times the number of the table for its low nibbles, then its high.
void pairs_store(const uint8_t* first, const uint8_t* second, int64_t bytes, uint8_t* out) {
  const __m256i nibble = _mm256_set1_epi16(15);
  int64_t i = 0;
  for (; i + 16 <= bytes; i += 16, out += 64) {
    const __m256i a = wide_bytes(first + i), b = wide_bytes(second + i);
    const __m256i low = _mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(a, nibble), 4),
                                        _mm256_slli_epi16(_mm256_and_si256(b, nibble), 8));
    const __m256i high = _mm256_or_si256(
        _mm256_andnot_si256(nibble, a), _mm256_slli_epi16(_mm256_andnot_si256(nibble, b), 4));
    const __m256i even = _mm256_unpacklo_epi16(low, high), odd = _mm256_unpackhi_epi16(low, high);
    __m256i* to = reinterpret_cast<__m256i*>(out);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
  }
  for (; i < bytes; ++i, out += 4) {
    const uint16_t places[2] = {
        static_cast<uint16_t>((first[i] & 15) << 4 | (second[i] & 15) << 8),
        static_cast<uint16_t>((first[i] & 0xf0) | (second[i] & 0xf0) << 4)};
    __builtin_memcpy(out, places, 4);
  }
}

// [nibble][width] bytes. In a vector of 32 (or, for a width of 16, in half of one) the even bytes
// are its first filters and the odd bytes the others, so that 16-bit lanes split them in order.
void pairs_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  const int vector = width < 32 ? width : 32;
  for (int64_t nibble = 0; nibble < 2 * bytes; ++nibble)
    for (int place = 0; place < width; ++place) {
      const int in = place % vector;
      const int filter = place - in + in / 2 + in % 2 * (vector / 2);
      const uint8_t byte = filter < filters ? weights[filter * bytes + nibble / 2] : 0;
      *out++ = nibble % 2 ? byte >> 4 : byte & 15;
    }
}

int64_t pairs_laid_out(int64_t bytes, int width) { return 2 * bytes * width; }

// Shuffle + add, as one register after the other comes free.
double limit(int64_t rounds) {
  __m256i sums[8] = {}, t = _mm256_set1_epi8(3), w = _mm256_set1_epi8(5);
  for (int64_t r = 0; r < rounds; ++r)
    for (int i = 0; i < 8; ++i) {
      __m256i counts;
      asm volatile("vpshufb %2, %1, %0" : "=x"(counts) : "x"(t), "x"(w));
      asm volatile("vpaddb %1, %0, %0" : "+x"(sums[i]) : "x"(counts));
    }
  for (__m256i& sum : sums) asm volatile("" : : "x"(sum));
  return static_cast<double>(rounds) * 8 * 128;
}

bool runs_here() { return __builtin_cpu_supports("avx2"); }

const Product kProducts[] = {
    {"pairs-rows", "two pixels to a look-up, read from the padded image", Form::rows, false, 2, 4,
     1, pairs_store, nullptr, pairs_lay_out, pairs_laid_out, nullptr, pairs_panel},
    {"pairs-patches", "two pixels to a look-up, each field copied together first", Form::patches,
     false, 2, 4, 1, pairs_store, nullptr, pairs_lay_out, pairs_laid_out, nullptr, pairs_panel},
};

}  // namespace avx2

const Isa kAvx2 = {
    "avx2",
    "AVX2",
    avx2::runs_here,
    avx2::kProducts,
    2,
    avx2::finish,
    avx2::pack,
    avx2::limit,
    "vpshufb (xor and count of 4 signs by table) + vpaddb",
};

}  // namespace bnn
#pragma GCC pop_options
#endif
