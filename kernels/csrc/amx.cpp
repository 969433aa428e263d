// AMX int8 (Sapphire Rapids and newer): signs as bytes of +1 and -1, a tile of 16 pixels times a
// tile of 16 filters over 64 channels in one tdpbssd (16 cycles, 1,024 products a cycle).
//
// The image is stored as bytes; 16 positions of it that lie equally far apart are a tile, wherever
// they are, so nothing is copied for a field. Weights stay bits in memory (bytes would not stay in the
// second cache), and are expanded for 64 positions at a time, while other tiles are multiplied.
// What is beyond the end of a run is multiplied by weights of zero.
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
#include "finish_rows.h"
#undef BNN_OWN_LIMITS

void store(const uint8_t* first, const uint8_t*, int64_t bytes, uint8_t* out) {
  for (int64_t i = 0; i < bytes; i += 8, out += 64) {
    uint64_t bits;
    __builtin_memcpy(&bits, first + i, 8);
    expand(bits, out);
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

constexpr int kAhead = 8;      // tiles of weights are expanded so many before they are multiplied
constexpr int kRing = 16;      // and kept so long where they are not needed again
constexpr int kTogether = 8;   // pixels that are finished at once

// Weights as they are multiplied: all tiles of 16 filters, one group after the other.
struct Weights {
  const uint8_t* bits;
  uint8_t* tiles;
  int chunks, last;  // tiles of a run; and how many rows of the last are not beyond its end
  int all, mask;
  alignas(64) int32_t begin[16];  // sums: signs past the last channel agree, and do not count

  explicit Weights(const Panel& p)
      : bits(p.weights), tiles(p.scratch), chunks(static_cast<int>((p.runs[0].bytes + 63) / 64)),
        last(static_cast<int>((p.runs[0].bytes + 63) % 64 + 1) / 4),
        all(p.width / 16 * p.n_runs * chunks), mask(p.count > 4 ? -1 : kRing - 1) {
    const int32_t spare = static_cast<int32_t>(p.n_runs * p.runs[0].bytes) - p.products;
    for (int32_t& sum : begin) sum = -spare;
  }

  uint8_t* tile(int i) const { return tiles + 1024 * (i & mask); }

  // A quarter of tile i, if there is one. What is beyond the end of a run is zero.
  inline void expand_quarter(int i, int quarter) const {
    if (i >= all) return;
    const uint8_t* from = bits + 128 * i + 32 * quarter;
    uint8_t* to = tile(i) + 256 * quarter;
    UNROLLED
    for (int row = 0; row < 4; ++row) {
      uint64_t word;
      __builtin_memcpy(&word, from + 8 * row, 8);
      expand(word, to + 64 * row);
    }
    if (last == 16 || (i + 1) % chunks) return;
    for (int row = last > 4 * quarter ? last - 4 * quarter : 0; row < 4; ++row)
      __builtin_memset(to + 64 * row, 0, 64);
  }
};

// What is done while tiles are multiplied: dot products of the positions before are finished.
struct Before {
  const Finish* f = nullptr;
  End end = nullptr;
  Counted dots{};  // in rows as the panel counts positions
  int pixel = 0, until = 0, due = 0;

  // A share of them is due; a few are finished together.
  inline void finish_share(int share) {
    due += share;
    if (due < kTogether) return;
    finish(due);
    due = 0;
  }

  inline void finish(int some) {
    const int next = pixel + some < until ? pixel + some : until;
    if (next > pixel) end(*f, {dots.first, dots.stride, f->rows + pixel}, pixel, next);
    pixel = next;
  }
};

// U tiles of 16 positions times all filters. Weights are expanded a while before they are multiplied: a
// tile that was stored just before could not be loaded yet.
template <int U, bool kExpand>
void tiles(const Panel& p, const int64_t* units, const Weights& weights, int32_t* dots,
           Before& before) {
  const int share = (before.until - before.pixel + weights.all - 1) / weights.all;
  const int64_t step = p.step, stride = int64_t{4} * p.width;
  const int chunks = weights.chunks;
  int i = 0;
  for (int filter = 0; filter < p.width; filter += 16) {
    load_tile<0>(weights.begin, 0);
    if constexpr (U > 1) load_tile<1>(weights.begin, 0);
    if constexpr (U > 2) load_tile<2>(weights.begin, 0);
    if constexpr (U > 3) load_tile<3>(weights.begin, 0);
    for (int r = 0; r < p.n_runs; ++r) {
      const uint8_t* at = p.input + p.runs[r].offset;
      for (int chunk = 0; chunk < chunks; ++chunk, ++i, at += 64) {
        load_tile<6>(weights.tile(i), 64);
        load_tile<4>(at + units[0], step);
        multiply<0, 4, 6>();
        if (kExpand) weights.expand_quarter(i + kAhead, 0);
        if constexpr (U > 1) {
          load_tile<5>(at + units[1], step);
          multiply<1, 5, 6>();
        }
        if (kExpand) weights.expand_quarter(i + kAhead, 1);
        if constexpr (U > 2) {
          load_tile<4>(at + units[2], step);
          multiply<2, 4, 6>();
        }
        if (kExpand) weights.expand_quarter(i + kAhead, 2);
        if constexpr (U > 3) {
          load_tile<5>(at + units[3], step);
          multiply<3, 5, 6>();
        }
        if (kExpand) weights.expand_quarter(i + kAhead, 3);
        if (share) before.finish_share(share);
      }
    }
    int32_t* to = dots + filter;
    store_tile<0>(to, stride);
    if constexpr (U > 1) store_tile<1>(to + 16 * p.width, stride);
    if constexpr (U > 2) store_tile<2>(to + 32 * p.width, stride);
    if constexpr (U > 3) store_tile<3>(to + 48 * p.width, stride);
  }
}

template <bool kExpand>
void tiles(const Panel& p, int unit, const Weights& weights, int32_t* dots, Before& before) {
  const int64_t* units = p.units + unit;
  switch (p.count - unit) {
    case 1: return tiles<1, kExpand>(p, units, weights, dots, before);
    case 2: return tiles<2, kExpand>(p, units, weights, dots, before);
    case 3: return tiles<3, kExpand>(p, units, weights, dots, before);
    default: return tiles<4, kExpand>(p, units, weights, dots, before);
  }
}

// Four tiles at a time; `to(unit)` says where their dot products go, `done(unit)` that they are there.
template <class To, class Done>
void all_tiles(const Panel& p, Before& before, const To& to, const Done& done) {
  const Weights weights(p);
  for (int i = 0; i < kAhead; ++i)
    for (int quarter = 0; quarter < 4; ++quarter) weights.expand_quarter(i, quarter);
  tiles<true>(p, 0, weights, to(0), before);
  done(0);
  for (int unit = 4; unit < p.count; unit += 4) {
    tiles<false>(p, unit, weights, to(unit), before);
    done(unit);
  }
}

void panel(const Panel& p) {
  Before nothing;
  int32_t* const dots = static_cast<int32_t*>(p.counts);
  all_tiles(p, nothing, [&](int unit) { return dots + unit * 16 * p.width; }, [](int) {});
}

void whole(const Panel& p, const Finish& f) {
  alignas(64) int32_t room[2][64 * kWidest];
  const auto to = [&](int unit) { return room[unit / 4 % 2]; };
  Before before;
  before.f = &f, before.end = tile_end(f);
  all_tiles(p, before, to, [&](int unit) {
    before.finish(f.pixels);  // what is left of those before
    before.dots = {to(unit) - int64_t{unit} * 16 * p.width, p.width, nullptr};
    while (before.until < f.pixels && f.rows[before.until] < 16 * (unit + 4)) ++before.until;
  });
  before.finish(f.pixels);
}

int64_t scratch(int64_t bytes, int width) { return 8 * bytes * width; }

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
     .lay_out = lay_out, .laid_out = laid_out, .scratch = scratch, .panel = panel,
     .whole = whole, .mode = &kTiles},
};

}  // namespace amx

const StemOps kAmxStem = {
    .bytes = true, .together = true, .laid_out = amx::stem::laid_out,
    .lay_out = amx::stem::lay_out, .scratch = amx::stem::scratch, .row = amx::stem::row,
    .largest = kAvx512Stem.largest, .mode = &amx::kTiles,
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
