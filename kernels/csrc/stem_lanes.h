// Pixels in lanes. Included by each instruction set inside its namespace, after finish.h, and after
// it has defined
//
//   kStemTile       pixels in a tile: with 16 filters its sums, a line of weights and a pair of
//                   values fit the registers
//   I add_pairs(I sum, I x, I w)    sum + the product of both low halves + that of both high ones
//
// and gives `kStem`.

#include "stem_windows.h"

namespace stem {

// Taps are taken two by two: what lies side by side in the image is multiplied and added up by one
// instruction. Where a run of them is odd, a weight of zero meets the next value. [pair][filter][2].
int64_t laid_out(const StemWindow& window) {
  return (window.pairs() * 4 * kLine + 63) / 64 * 64;
}

void lay_out(const StemWindow& window, const int16_t* weights, int64_t filters, uint8_t* out) {
  __builtin_memset(out, 0, laid_out(window));
  const int64_t pairs = window.pairs() / window.rows;
  for (int64_t f = 0; f < filters; ++f)
    for (int64_t y = 0; y < window.rows; ++y)
      for (int64_t i = 0; i < window.run; ++i, ++weights)
        __builtin_memcpy(out + ((y * pairs + i / 2) * kLine + f) * 4 + i % 2 * 2, weights, 2);
}

// The sums of a row.
int64_t scratch(const StemWindow&, int pixels, int, int) { return int64_t{pixels} * kLine * 4; }

inline I both(const int16_t* from) { return I{} + load<int32_t>(from); }

// A row of one block.
struct Block {
  const int16_t* input;
  int64_t step;
  const int64_t* offsets;
  int pairs;
  const int16_t* weights;
  const int32_t* whole;
  const float* part;
  const int32_t* columns;
  float* out;     // corrected, or ..
  int32_t* sums;  // .. as they are
};

template <int P>
inline void tile(const Block& row, int pixel) {
  const int16_t* at[P];
  I sum[P][kVectors];
  UNROLLED
  for (int p = 0; p < P; ++p) {
    at[p] = row.input + (pixel + p) * row.step;
    UNROLLED
    for (int v = 0; v < kVectors; ++v) sum[p][v] = I{};
  }
  const int16_t* weights = row.weights;
  const int64_t* const end = row.offsets + row.pairs;
  for (const int64_t* o = row.offsets; o < end; ++o, weights += 2 * kLine) {
    I w[kVectors];
    UNROLLED
    for (int v = 0; v < kVectors; ++v) w[v] = load<I>(weights + v * 2 * kLanes);
    UNROLLED
    for (int p = 0; p < P; ++p) {
      const I x = both(at[p] + *o);
      UNROLLED
      for (int v = 0; v < kVectors; ++v) sum[p][v] = add_pairs(sum[p][v], x, w[v]);
    }
  }
  if (row.sums) {
    UNROLLED
    for (int p = 0; p < P; ++p)
      UNROLLED
      for (int v = 0; v < kVectors; ++v)
        save(row.sums + (pixel + p) * kLine + v * kLanes, sum[p][v]);
    return;
  }
  const int32_t *columns = row.columns + pixel, *whole = row.whole;  // no store can change them
  const float* part = row.part;
  float* out = row.out + pixel * kLine;
  UNROLLED
  for (int p = 0; p < P; ++p) {
    const int64_t c = columns[p];
    UNROLLED
    for (int v = 0; v < kVectors; ++v)
      save(out + p * kLine + v * kLanes,
           corrected(sum[p][v], load<I>(whole + c + v * kLanes),
                     load<F>(part + c + v * kLanes)));
  }
}

// `n` tiles of `size` pixels, at most P. Returns the pixel after them.
template <int P>
int tiles(const Block& row, int size, int n, int pixel) {
  if constexpr (P > 1) {
    if (size < P) return tiles<P - 1>(row, size, n, pixel);
  }
  for (; n > 0; --n, pixel += P) tile<P>(row, pixel);
  return pixel;
}

// As few tiles as will do, whose sizes differ by one at most.
void row(const StemRow& r) {
  const int n = (r.pixels + kStemTile - 1) / kStemTile, size = r.pixels / n, larger = r.pixels % n;
  const int64_t weights = laid_out(r.window);
  int32_t* sums = r.straight() ? nullptr : reinterpret_cast<int32_t*>(r.scratch);
  for (int b = 0; b < r.blocks; ++b) {
    const Block block{reinterpret_cast<const int16_t*>(r.input),
                      r.step,
                      r.offsets,
                      static_cast<int>(r.window.pairs()),
                      reinterpret_cast<const int16_t*>(r.weights + b * weights),
                      r.whole + b * r.corrections,
                      r.part + b * r.corrections,
                      r.columns,
                      r.goals->out + int64_t{b} * r.windows * kLine,
                      sums};
    r.ask(b, r.soon_first, r.soon_end);
    const int pixel = larger ? tiles<kStemTile>(block, size + 1, larger, 0) : 0;
    tiles<kStemTile>(block, size, n - larger, pixel);
    if (sums) give(r, b, 0, r.windows, Plain{sums});
  }
}

}  // namespace stem

constexpr StemOps kStem = {
    .bytes = false, .together = false, .laid_out = stem::laid_out, .lay_out = stem::lay_out,
    .scratch = stem::scratch, .row = stem::row,
};
