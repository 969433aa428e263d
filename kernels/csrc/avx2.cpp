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

// The sums as 16-bit counts. Even bytes are a vector's first 16 filters and odd bytes the others,
// both in kOrder (see `pairs_lay_out`); `one` and `two` are the pixels of the unit.
struct Counts {
  __m256i one_even, one_odd, two_even, two_odd;
};
inline Counts split(const Sums& sums) {
  const __m256i byte = _mm256_set1_epi16(255);
  const __m256i odd = _mm256_srli_epi16(sums.low, 8);
  const __m256i high = _mm256_sub_epi16(sums.high, _mm256_slli_epi16(odd, 4));
  return {_mm256_and_si256(sums.low, byte), odd, _mm256_and_si256(high, byte),
          _mm256_srli_epi16(high, 8)};
}
inline void spill(__m256i counts, uint16_t* to, bool first) {
  save(to, first ? counts : _mm256_add_epi16(counts, load<__m256i>(to)));
}

// The tables of one place: of a unit, in both halves; or of two units, one in each half.
inline __m256i tables(const uint16_t* const (&fields)[1], int64_t place) {
  return _mm256_broadcastsi128_si256(table(fields[0][place]));
}
inline __m256i tables(const uint16_t* const (&fields)[2], int64_t place) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(table(fields[0][place])),
                                 table(fields[1][place]), 1);
}
inline __m256i weights_at(const uint8_t* from, const uint16_t* const (&)[1]) {
  return load<__m256i>(from);
}
inline __m256i weights_at(const uint8_t* from, const uint16_t* const (&)[2]) {
  return _mm256_broadcastsi128_si256(load<__m128i>(from));
}

// A group of n look-ups for U vectors of one unit (32 filters) or of two (16 filters).
template <int n, int U, int H>
inline void group(const uint16_t* const (&fields)[U][H], int64_t place, const uint8_t* weights,
                  Sums (&sums)[U]) {
  __m256i w[n];
  for (int j = 0; j < n; ++j) w[j] = weights_at(weights + 32 / H * j, fields[0]);
  for (int u = 0; u < U; ++u) {
    __m256i x = _mm256_shuffle_epi8(tables(fields[u], place), w[0]);
    for (int j = 1; j < n; ++j)
      x = _mm256_add_epi8(x, _mm256_shuffle_epi8(tables(fields[u], place + j), w[j]));
    add(sums[u], x);
  }
}

// The same for G vectors of filters and one unit.
template <int n, int G>
inline void group_wide(const uint16_t* places, const uint8_t* weights, Sums (&sums)[G]) {
  __m256i x[G];
  for (int j = 0; j < n; ++j) {
    const __m256i t = _mm256_broadcastsi128_si256(table(places[j]));
    for (int g = 0; g < G; ++g) {
      const __m256i counts = _mm256_shuffle_epi8(t, load<__m256i>(weights + 32 * (j * G + g)));
      x[g] = j ? _mm256_add_epi8(x[g], counts) : counts;
    }
  }
  for (int g = 0; g < G; ++g) add(sums[g], x[g]);
}

template <int U, int H>
inline void chunk_sums(const Chunk& chunk, const uint16_t* const (&fields)[U][H],
                       const uint8_t* w, Sums (&sums)[U]) {
  for (int s = 0; s < chunk.n; ++s) {
    int64_t place = chunk.segments[s].offset;
    int left = chunk.segments[s].nibbles;
    for (; left >= 3; left -= 3, place += 3, w += 3 * 32 / H) group<3>(fields, place, w, sums);
    if (left == 2) group<2>(fields, place, w, sums);
    if (left == 1) group<1>(fields, place, w, sums);
    w += left * 32 / H;
  }
}

inline const uint16_t* field(const Panel& panel, int unit) {
  return reinterpret_cast<const uint16_t*>(panel.input + panel.units[unit]);
}

// 32 G filters: one unit after the other, whose tables serve all.
template <int G>
void chunk_wide(const Chunk& chunk, const Panel& panel, const uint8_t* weights, bool first) {
  for (int unit = 0; unit < panel.count; ++unit) {
    const uint16_t* places = field(panel, unit);
    const uint8_t* w = weights;
    Sums sums[G] = {};
    for (int s = 0; s < chunk.n; ++s) {
      const uint16_t* place = places + chunk.segments[s].offset;
      int left = chunk.segments[s].nibbles;
      for (; left >= 3; left -= 3, place += 3, w += 96 * G) group_wide<3>(place, w, sums);
      if (left == 2) group_wide<2>(place, w, sums);
      if (left == 1) group_wide<1>(place, w, sums);
      w += left * 32 * G;
    }
    uint16_t* to = static_cast<uint16_t*>(panel.counts) + int64_t{2} * unit * panel.width;
    for (int g = 0; g < G; ++g, to += 32) {
      const Counts counts = split(sums[g]);
      spill(counts.one_even, to, first);
      spill(counts.one_odd, to + 16, first);
      spill(counts.two_even, to + panel.width, first);
      spill(counts.two_odd, to + panel.width + 16, first);
    }
  }
}

// 32 filters (H = 1) or 16 (H = 2: the lower half of a vector is one unit, the upper half the next):
// U vectors side by side, which share the loads of the weights; then the rest with fewer.
template <int U, int H>
inline void chunk_units(const Chunk& chunk, const Panel& panel, const uint8_t* weights, int unit,
                        bool first) {
  const int last = panel.count - 1;
  for (; unit + H * (U - 1) <= last; unit += H * U) {
    const uint16_t* fields[U][H];
    for (int u = 0; u < H * U; ++u)
      fields[u / H][u % H] = field(panel, unit + u < last ? unit + u : last);
    Sums sums[U] = {};
    chunk_sums(chunk, fields, weights, sums);
    uint16_t* to = static_cast<uint16_t*>(panel.counts) + int64_t{2} * unit * panel.width;
    for (int u = 0; u < U; ++u, to += 64) {
      const Counts c = split(sums[u]);
      if (H == 1) {
        spill(c.one_even, to, first);
        spill(c.one_odd, to + 16, first);
        spill(c.two_even, to + 32, first);
        spill(c.two_odd, to + 48, first);
      } else {
        spill(_mm256_permute2x128_si256(c.one_even, c.one_odd, 0x20), to, first);
        spill(_mm256_permute2x128_si256(c.two_even, c.two_odd, 0x20), to + 16, first);
        if (unit + 2 * u == last) continue;
        spill(_mm256_permute2x128_si256(c.one_even, c.one_odd, 0x31), to + 32, first);
        spill(_mm256_permute2x128_si256(c.two_even, c.two_odd, 0x31), to + 48, first);
      }
    }
  }
  if constexpr (U > 1) {
    if (unit <= last) chunk_units<U - 1, H>(chunk, panel, weights, unit, first);
  }
}

void pairs_panel(const Panel& panel) {
  Chunk chunk;
  const uint8_t* weights = panel.weights;
  bool first = true;
  for (int r = 0; r < panel.n_runs; ++r) {
    int32_t offset = static_cast<int32_t>(panel.runs[r].offset / 2);
    const int32_t end = offset + static_cast<int32_t>(panel.runs[r].bytes / 2);
    while (offset < end) {
      offset += chunk.take(offset, end - offset);
      if (!chunk.full() && (offset < end || r + 1 < panel.n_runs)) continue;
      if (panel.width == 64) chunk_wide<2>(chunk, panel, weights, first);
      if (panel.width == 32) chunk_units<4, 1>(chunk, panel, weights, 0, first);
      if (panel.width == 16) chunk_units<3, 2>(chunk, panel, weights, 0, first);
      weights += int64_t{chunk.nibbles} * panel.width;
      first = false;
      chunk.n = chunk.groups = chunk.nibbles = 0;
    }
  }
}

// The other way round ("filters"): the lanes are pixels, 16 of them in both halves of a vector, and
// the tables are those of weight nibbles, two filters to a table, two tables to a vector. So four
// vectors are 16 filters, and no lane is idle where a layer has no more of them.
template <int n>
inline void filters_group(const uint8_t* field, const Run* runs, const uint8_t* tables,
                         Sums (&sums)[4]) {
  __m256i pixels[n];
  UNROLLED
  for (int j = 0; j < n; ++j)
    pixels[j] = _mm256_broadcastsi128_si256(load<__m128i>(field + runs[j].offset));
  UNROLLED
  for (int g = 0; g < 4; ++g) {
    __m256i x = _mm256_shuffle_epi8(load<__m256i>(tables + 32 * g), pixels[0]);
    UNROLLED
    for (int j = 1; j < n; ++j)
      x = _mm256_add_epi8(
          x, _mm256_shuffle_epi8(load<__m256i>(tables + 128 * j + 32 * g), pixels[j]));
    add(sums[g], x);
    asm volatile("" : "+x"(sums[g].low), "+x"(sums[g].high));  // or gcc begins all four, and spills
  }
}

// The sums of four vectors of tables, turned into a row of counts for each pixel: three rounds in
// which every row meets the one four further on make columns of rows. The halves stay apart.
inline void turn(const Sums (&sums)[4], uint16_t* to, int64_t stride, bool first) {
  __m256i rows[8], next[8];
  UNROLLED
  for (int g = 0; g < 4; ++g) {
    const __m256i odd = _mm256_and_si256(sums[g].low, _mm256_set1_epi16(-256));
    rows[2 * g] = sums[g].low;
    rows[2 * g + 1] = _mm256_sub_epi16(sums[g].high, _mm256_srli_epi16(odd, 4));
  }
  UNROLLED
  for (int round = 0; round < 3; ++round) {
    UNROLLED
    for (int i = 0; i < 4; ++i) {
      next[2 * i] = _mm256_unpacklo_epi8(rows[i], rows[i + 4]);
      next[2 * i + 1] = _mm256_unpackhi_epi8(rows[i], rows[i + 4]);
    }
    UNROLLED
    for (int i = 0; i < 8; ++i) rows[i] = next[i];
  }
  UNROLLED
  for (int i = 0; i < 8; ++i, to += 2 * stride) {
    spill(_mm256_unpacklo_epi8(rows[i], __m256i{}), to, first);
    spill(_mm256_unpackhi_epi8(rows[i], __m256i{}), to + stride, first);
  }
}

void filters_panel(const Panel& panel) {
  const uint8_t* weights = panel.weights;
  for (int filter = 0; filter < panel.width; filter += 16, weights += int64_t{128} * panel.n_runs)
    for (int unit = 0; unit < panel.count; ++unit) {
      const uint8_t *field = panel.input + panel.units[unit], *w = weights;
      uint16_t* to = static_cast<uint16_t*>(panel.counts) + filter;
      to += int64_t{16} * unit * panel.width;
      for (int r = 0, end; r < panel.n_runs; r = end) {
        const Run* run = panel.runs + r;
        end = panel.n_runs - r > 3 * kGroups ? r + 3 * kGroups : panel.n_runs;
        Sums sums[4] = {};
        int left = end - r;
        for (; left >= 3; left -= 3, run += 3, w += 384) filters_group<3>(field, run, w, sums);
        if (left == 2) filters_group<2>(field, run, w, sums);
        if (left == 1) filters_group<1>(field, run, w, sums);
        turn(sums, to, panel.width, r == 0);
      }
    }
}

// For each 16 filters [nibble][4][2]: the table of two of them. The first table of a vector is for
// the first half of a row of counts, in the order that rows have.
void filters_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  for (int block = 0; block < width; block += 16)
    for (int64_t nibble = 0; nibble < 2 * bytes; ++nibble)
      for (int pair = 0; pair < 8; ++pair, out += 16) {
        int number = 0;
        for (int i = 0; i < 2; ++i) {
          const int filter = block + kOrder[pair % 2 * 8 + pair / 2 * 2 + i];
          const uint8_t byte = filter < filters ? weights[filter * bytes + nibble / 2] : 0;
          number |= (nibble % 2 ? byte >> 4 : byte & 15) << 4 * i;
        }
        __builtin_memcpy(out, kTables.of[number], 16);
      }
}

int64_t filters_laid_out(int64_t bytes, int width) { return 16 * bytes * width; }

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
// become the first row of counts and the odd bytes the next, in the order that rows have.
void pairs_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  const int vector = width < 32 ? width : 32;
  for (int64_t nibble = 0; nibble < 2 * bytes; ++nibble)
    for (int place = 0; place < width; ++place) {
      const int in = place % vector, row = in / 2 + in % 2 * (vector / 2);
      const int filter = place - in + row / 16 * 16 + kOrder[row % 16];
      const uint8_t byte = filter < filters ? weights[filter * bytes + nibble / 2] : 0;
      *out++ = nibble % 2 ? byte >> 4 : byte & 15;
    }
}

int64_t pairs_laid_out(int64_t bytes, int width) { return 2 * bytes * width; }

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
