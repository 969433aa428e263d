// AMX int8 (Sapphire Rapids and newer): signs as bytes of +1 and -1, a tile of 16 pixels times a
// tile of 16 filters over 64 channels in one tdpbssd (16 cycles, 1,024 products a cycle).
//
// The image is stored as bytes; 16 positions of it that lie equally far apart are a tile, wherever
// they are, so nothing is copied for a field. Weights stay bits in memory (bytes would not stay in the
// second cache), and are expanded for 64 positions at a time, while other tiles are multiplied.
// What is beyond the end of a run is multiplied by weights of zero.
#include "isa.h"

#include <type_traits>

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

#include "amx_registers.h"

// What products count in: not mismatches here, but the dot products themselves.
typedef int32_t Count;
constexpr int64_t kMost = 1 << 22;  // and whatever is made of it is exact in float32

#include "lanes.h"

inline I load_whole(const Count* row, int v, int) { return load<I>(row + v); }
inline F dots_of(I dots, F) { return __builtin_convertvector(dots, F); }
inline F load_dots(const Count* row, int v, int) { return dots_of(load<I>(row + v), F{}); }

// More mismatches than a limit: a dot product below `products - 2 * limit`.
template <int kWidth>
struct Limits {
  I limits[kWidth / kLanes];

  Limits(const int32_t* from, int products) {
    UNROLLED
    for (int v = 0; v < kWidth / kLanes; ++v)
      limits[v] = I{} + products - load<I>(from + v * kLanes) * 2;
  }
  inline uint64_t exceeded(const Count* dots) const {
    uint64_t bits = 0;
    UNROLLED
    for (int v = 0; v < kWidth / kLanes; ++v)
      bits |= uint64_t{greater(limits[v], load<I>(dots + v * kLanes))} << (v * kLanes);
    return bits;
  }
};
#define BNN_OWN_LIMITS

#include "finish.h"
#undef BNN_OWN_FIRST
#include "finish_rows.h"
#undef BNN_OWN_LIMITS

void store(const uint8_t* first, const uint8_t*, int64_t bytes, uint8_t* out) {
  for (int64_t i = 0; i < bytes; i += 8, out += 64) {
    uint64_t bits;
    __builtin_memcpy(&bits, first + i, 8);
    expand(bits, out);
  }
}

void store_lines(const uint8_t* row, int64_t pixels, const Lines& to, uint8_t* out) {
  for (int64_t line = 0; line < to.count; ++line, row += 8, out += to.plane) {
    const uint8_t* from = row;
    for (int64_t i = 0; i < pixels; ++i, from += 8 * to.count) {
      uint64_t bits;
      __builtin_memcpy(&bits, from, 8);
      __builtin_prefetch(out + 64 * (i + 16), 1);
      expand(bits, out + 64 * i);
    }
  }
}

// A tile of weights is 16 rows, one for 4 channels, of 16 filters times 4 channels: 64 bits a row.
// [16 filters][64 channels][16 rows] of such words.
void lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  for (int first = 0; first < width; first += 16)
    for (int64_t chunk = 0; chunk < bytes; chunk += 8)
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

// Some 500 cycles: not for each panel.
constexpr Mode kTiles = {configure, release};

constexpr int kUnits = 6;     // tiles of pixels at a time: with two more that is all registers
constexpr int kAhead = 8;     // tiles of weights are expanded so many before they are multiplied
constexpr int kRing = 16;     // and kept so long where they are not needed again
constexpr int kTogether = 8;  // pixels that are finished at once by a function

#include "amx_ending.h"

// Weights as they are multiplied: all tiles of 16 filters, one group after the other.
struct Weights {
  const uint8_t* bits;
  uint8_t* tiles;
  int chunks, last;  // tiles of a run; and how many rows of the last are not beyond its end
  int all, mask;
  alignas(64) int32_t begin[16];  // sums: signs past the last channel agree, and do not count
  bool whole;                     // there are none

  explicit Weights(const Panel& p)
      : bits(p.weights), tiles(p.scratch), chunks(static_cast<int>((p.runs[0].bytes + 63) / 64)),
        last(static_cast<int>((p.runs[0].bytes + 63) % 64 + 1) / 4),
        all(p.width / 16 * p.n_runs * chunks), mask(p.count > kUnits ? -1 : kRing - 1) {
    const int32_t spare = static_cast<int32_t>(p.n_runs * p.runs[0].bytes) - p.products;
    whole = spare == 0;
    for (int32_t& sum : begin) sum = -spare;
  }

  inline uint8_t* tile(int i) const { return tiles + 1024 * int64_t{i & mask}; }
  // After the last tile it once more: somewhere to read from, for tiles that nobody multiplies.
  inline const uint8_t* bits_of(int i) const {
    return bits + 128 * int64_t{i < all ? i : all - 1};
  }

  // The rows first .. end of tile i.
  static inline void expand_rows(const uint8_t* from, uint8_t* to, int first, int end) {
    UNROLLED
    for (int row = first; row < end; ++row) {
      uint64_t word;
      __builtin_memcpy(&word, from + 8 * row, 8);
      expand(word, to + 64 * row);
    }
  }

  // What is beyond the end of a run is zero.
  inline void clear(int i) const {
    if (last != 16 && (i + 1) % chunks == 0)
      __builtin_memset(tile(i) + 64 * last, 0, 64 * (16 - last));
  }
};

// U tiles of 16 positions times all filters. Weights are expanded a while before they are
// multiplied: a tile that was stored just before could not be loaded yet. What the loop reads is in
// variables that no store can change: to read it again and again was a fifth of the time.
template <int U, bool kExpand, class How>
void tiles(const Panel& p, const int64_t* units, const Weights& given, Turns<How>& turns) {
  constexpr int kPixels = kUnits, kWeights = kUnits + 1;  // the registers after the sums
  const Weights weights = given;
  const int64_t step = p.step, row = turns.row();
  const uint8_t* const input = p.input;
  const Run* const runs = p.runs;
  const int n_runs = p.n_runs;
  const bool shares = How::kWay == Way::called && turns.waiting().count != 0;
  int i = 0;
  for (int first = 0; first < p.width; first += 16 * How::kLines) {
    EndingOf<How> before(p, turns.finish(), turns.waiting());
    bool later = false;
    for (int filter = first; filter < first + 16 * How::kLines; filter += 16) {
      if (weights.whole) {
        each<U>([&](auto u) INLINED { zero<u>(); });
      } else {
        each<U>([&](auto u) INLINED { load_tile<u>(given.begin, 0); });
      }
      for (int r = 0; r < n_runs; ++r) {
        const uint8_t* at = input + runs[r].offset;
        for (int chunk = 0; chunk < weights.chunks; ++chunk, ++i, at += 64) {
          const uint8_t* const bits = weights.bits_of(i + kAhead);
          uint8_t* const ahead = weights.tile(i + kAhead);
          load_tile<kWeights>(weights.tile(i), 64);
          each<U>([&](auto u) INLINED {
            load_tile<kPixels>(at + units[u], step);
            multiply<u, kPixels, kWeights>();
            if (kExpand) Weights::expand_rows(bits, ahead, 16 * u / U, 16 * (u + 1) / U);
            if (!kExpand && later) before.some();
          });
          if (kExpand) weights.clear(i + kAhead);
          if (shares) turns.share();
          later = true;
        }
      }
      int32_t* const to = turns.to(filter);
      each<U>([&](auto u) INLINED { store_tile<u>(to + u * 16 * row, 4 * row); });
    }
    before.rest();
    turns.made(first);
  }
}

template <bool kExpand, class How, int U = kUnits>
void so_many(int count, const Panel& p, int unit, const Weights& weights, Turns<How>& turns) {
  if (U == count) return tiles<U, kExpand>(p, p.units + unit, weights, turns);
  if constexpr (U > 1) so_many<kExpand, How, U - 1>(count, p, unit, weights, turns);
}

// A few tiles in a turn, as many as in the others, or one less.
template <class How>
void all_tiles(const Panel& p, const Finish& f) {
  Turns<How> turns(p, f);
  const Weights weights(p);
  for (int i = 0; i < kAhead; ++i) {
    Weights::expand_rows(weights.bits_of(i), weights.tile(i), 0, 16);
    weights.clear(i);
  }
  const int n = (p.count + kUnits - 1) / kUnits;
  for (int turn = 0; turn < n; ++turn) {
    const int first = p.count * turn / n, end = p.count * (turn + 1) / n;
    turns.begin(first, end, weights.all);
    if (turn == 0) {
      so_many<true>(end - first, p, first, weights, turns);
    } else {
      so_many<false>(end - first, p, first, weights, turns);
    }
  }
  EndingOf<How>(p, turns.finish(), turns.waiting()).rest();
  turns.call(turns.waiting().count);
}

void panel(const Panel& p) { all_tiles<How<Way::plain>>(p, {}); }

template <int kLines>
void floats(const Panel& p, const Finish& f) {
  if (adds_two(f))
    return f.slope ? all_tiles<How<Way::two, kLines, true>>(p, f) : all_tiles<How<Way::two, kLines>>(p, f);
  return f.slope ? all_tiles<How<Way::one, kLines, true>>(p, f) : all_tiles<How<Way::one, kLines>>(p, f);
}

void whole(const Panel& p, const Finish& f) {
  switch (lines_together(p, f)) {
    case 0: return all_tiles<How<Way::called>>(p, f);
    case 1: return all_tiles<How<Way::signs>>(p, f);
    case 2: return floats<2>(p, f);
    default: return floats<4>(p, f);
  }
}

int64_t scratch(int64_t bytes, int width) { return 8 * bytes * width + 1024 * (kAhead + kRing); }

#include "amx_stem.h"

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
    {.name = "bytes", .about = "weights kept as bits, expanded as they are multiplied",
     .form = Form::positions, .most = kMost, .unit = 16, .grow = 8, .align = 8, .store = store,
     .store_lines = store_lines, .lay_out = lay_out, .laid_out = laid_out, .scratch = scratch,
     .panel = panel, .whole = whole, .mode = &kTiles},
};

}  // namespace amx

const StemOps kAmxStem = {
    .bytes = true, .together = true, .laid_out = amx::stem::laid_out,
    .lay_out = amx::stem::lay_out, .scratch = amx::stem::scratch, .row = amx::stem::row,
    .mode = &amx::kTiles,
};

const Isa kAmx = {
    "amx",      "AMX int8, with AVX-512BW", amx::runs_here, amx::kProducts,      1,
    amx::finish, amx::pack,                 amx::limit,     "tdpbssd on +1 and -1 as bytes",
    &kAvx512Real,
    &kAmxStem,
};

}  // namespace bnn
#if !defined(BNN_EMULATE)
#pragma GCC pop_options
#endif
#endif
