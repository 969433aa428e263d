// Real numbers in lanes. Included by each instruction set inside its namespace, after finish.h, and
// after it has defined
//
//   kTileSize       pixels in a tile of a convolution: with `kTilePieces` pieces of 16 filters
//   kTilePieces     its sums, a line of weights and one value more fit the registers
//   kByRows         a tile ends with its row: for tiles of more pixels than there are pointers
//   F splat(float)               a vector of one value
//   F fused(F a, F b, F c)       a * b + c, rounded once
//
// and gives `kReal`.

namespace real {

// Sums take the place of counts.
typedef float Count;
constexpr bool kWholeRows = false;
inline F load_dots(const float* row, int v, int) { return load<F>(row + v); }

#include "finish_steps.h"

void finish(const Finish& f) { floats_end<>(f)(f, counted_of(f), 0, f.pixels); }

// One value of each of P pixels times the weights of G pieces.
template <int P, int G>
inline void multiply(F (&total)[P][G * kVectors], const float* const (&at)[P], int64_t c,
                     const float* weights, int64_t stride) {
  constexpr int V = G * kVectors;
  F w[V];
  UNROLLED
  for (int v = 0; v < V; ++v)
    w[v] = load<F>(weights + v / kVectors * stride + v % kVectors * kLanes);
  UNROLLED
  for (int p = 0; p < P; ++p) {
    const F x = splat(at[p][c]);
    UNROLLED
    for (int v = 0; v < V; ++v) total[p][v] = fused(x, w[v], total[p][v]);
  }
}

// A panel's sums, as far as they are known.
template <int P, int V>
inline void begin(const RealPanel& panel, const float* sums, F (&total)[P][V]) {
  UNROLLED
  for (int p = 0; p < P; ++p)
    UNROLLED
    for (int v = 0; v < V; ++v)
      total[p][v] = panel.begin ? F{} : load<F>(sums + p * kSumRow + v * kLanes);
}

template <int P, int V>
inline void end(const F (&total)[P][V], float* sums) {
  UNROLLED
  for (int p = 0; p < P; ++p)
    UNROLLED
    for (int v = 0; v < V; ++v) save(sums + p * kSumRow + v * kLanes, total[p][v]);
}

// Asks for weights that follow.
template <int P, int G>
inline void ask(const RealPanel& panel, int pixel, const float* weights) {
  const float* next = weights + G * panel.stride + pixel * panel.ahead * kPiece;
  for (int64_t c = 0; c < P * panel.ahead; ++c) __builtin_prefetch(next + c * kPiece, 0, 2);
}

// P pixels times G pieces.
template <int P, int G>
inline void dense_tile(const RealPanel& panel, int pixel, const float* weights, float* sums) {
  const float* fields[P];
  F total[P][G * kVectors];
  UNROLLED
  for (int p = 0; p < P; ++p) fields[p] = panel.input + panel.units[pixel + p];
  begin(panel, sums, total);
  ask<P, G>(panel, pixel, weights);
  const int64_t stride = panel.stride;
  for (int64_t i = 0; i < panel.n_points; ++i, weights += kPiece)
    multiply<P, G>(total, fields, panel.points[i], weights, stride);
  const int runs = panel.n_points ? 0 : panel.n_runs;
  for (const RealRun* run = panel.runs; run < panel.runs + runs; ++run) {
    const float* at[P];
    UNROLLED
    for (int p = 0; p < P; ++p) at[p] = fields[p] + run->offset;
    for (int64_t c = 0; c < run->floats; ++c, weights += kPiece)
      multiply<P, G>(total, at, c, weights, stride);
  }
  end(total, sums);
}

// The next n values of each of P pixels that are `step` apart times the weights of G pieces. An
// address is one of three, four or five pixels, and a distance: so they fit the registers.
constexpr int kNear = 3;
template <int n, int P, int G>
inline void multiply_row(F (&total)[P][G * kVectors], const float* (&at)[(P + kNear - 1) / kNear],
                         int64_t step, const float*& weights, int64_t stride) {
  constexpr int V = G * kVectors;
  UNROLLED
  for (int i = 0; i < n; ++i) {
    F w[V];
    UNROLLED
    for (int v = 0; v < V; ++v)
      w[v] = load<F>(weights + i * kPiece + v / kVectors * stride + v % kVectors * kLanes);
    UNROLLED
    for (int p = 0; p < P; ++p) {
      const F x = splat(at[p / kNear][p % kNear * step + i]);
      UNROLLED
      for (int v = 0; v < V; ++v) total[p][v] = fused(x, w[v], total[p][v]);
    }
  }
  weights += n * kPiece;
  UNROLLED
  for (const float*& one : at) one += n;
}

// P pixels of a row times G pieces.
template <int P, int G>
inline void row_tile(const RealPanel& panel, int pixel, const float* weights, float* sums) {
  constexpr int kBases = (P + kNear - 1) / kNear;
  const int64_t step = panel.step, stride = panel.stride;
  const float* const field = panel.input + panel.units[pixel];
  F total[P][G * kVectors];
  begin(panel, sums, total);
  ask<P, G>(panel, pixel, weights);
  for (const RealRun* run = panel.runs; run < panel.runs + panel.n_runs; ++run) {
    const float* at[kBases];
    UNROLLED
    for (int b = 0; b < kBases; ++b) at[b] = field + run->offset + b * kNear * step;
    int64_t left = run->floats;
    for (; left >= 3; left -= 3) multiply_row<3, P, G>(total, at, step, weights, stride);
    for (; left > 0; --left) multiply_row<1, P, G>(total, at, step, weights, stride);
  }
  end(total, sums);
}

// `n` tiles of `size` pixels, at most P; kRow: of a row.
template <bool kRow, int P, int G>
int dense_tiles(const RealPanel& panel, int size, int n, int pixel, const float* weights,
                float* sums) {
  if constexpr (P > 1) {
    if (size < P) return dense_tiles<kRow, P - 1, G>(panel, size, n, pixel, weights, sums);
  }
  for (; n > 0; --n, pixel += P) {
    float* const to = sums + pixel * kSumRow;
    kRow ? row_tile<P, G>(panel, pixel, weights, to) : dense_tile<P, G>(panel, pixel, weights, to);
  }
  return pixel;
}

// The pixels up to `end`, in as few tiles as will do, whose sizes differ by one at most.
template <bool kRow, int P, int G>
int dense_tiles(const RealPanel& panel, int pixel, int end, const float* weights, float* sums) {
  const int pixels = end - pixel, n = (pixels + P - 1) / P, larger = pixels % n;
  if (larger)
    pixel = dense_tiles<kRow, P, G>(panel, pixels / n + 1, larger, pixel, weights, sums);
  return dense_tiles<kRow, P, G>(panel, pixels / n, n - larger, pixel, weights, sums);
}

// Row by row where they are long enough.
template <int P, int G>
void dense_tiles(const RealPanel& panel, const float* weights, float* sums) {
  if (!kByRows || panel.row < P / 2) {
    dense_tiles<false, P, G>(panel, 0, panel.pixels, weights, sums);
    return;
  }
  int end = panel.first_row;
  for (int pixel = 0; pixel < panel.pixels; end += panel.row)
    pixel = dense_tiles<kByRows, P, G>(panel, pixel, end < panel.pixels ? end : panel.pixels,
                                       weights, sums);
}

// A single pixel fills the registers with filters instead.
void dense(const RealPanel& panel) {
  for (int piece = 0; piece < panel.pieces;) {
    const float* weights = panel.weights + piece * panel.stride;
    float* sums = panel.sums + piece * kPiece;
    if (panel.pixels == 1 && panel.pieces - piece >= 4) {
      dense_tiles<1, 4>(panel, weights, sums);
      piece += 4;
    } else if (panel.pieces - piece >= kTilePieces) {
      dense_tiles<kTileSize, kTilePieces>(panel, weights, sums);
      piece += kTilePieces;
    } else {
      dense_tiles<kTileSize, 1>(panel, weights, sums);
      ++piece;
    }
  }
}

template <int P>
void depthwise_tiles(const RealPanel& panel, int pixel, int piece) {
  for (; pixel + P <= panel.pixels; pixel += P) {
    const float* fields[P];
    F total[P][kVectors] = {};
    UNROLLED
    for (int p = 0; p < P; ++p)
      fields[p] = panel.input + panel.units[pixel + p] + piece * kPiece;
    const float* weights = panel.weights + piece * panel.stride;
    for (const RealRun* run = panel.runs; run < panel.runs + panel.n_runs; ++run) {
      UNROLLED
      for (int v = 0; v < kVectors; ++v, weights += kLanes) {
        const F w = load<F>(weights);
        UNROLLED
        for (int p = 0; p < P; ++p)
          total[p][v] = fused(load<F>(fields[p] + run->offset + v * kLanes), w, total[p][v]);
      }
    }
    float* sums = panel.sums + pixel * kSumRow + piece * kPiece;
    UNROLLED
    for (int p = 0; p < P; ++p)
      UNROLLED
      for (int v = 0; v < kVectors; ++v) save(sums + p * kSumRow + v * kLanes, total[p][v]);
  }
}

void depthwise(const RealPanel& panel) {
  const int whole = panel.pixels / 4 * 4;
  for (int piece = 0; piece < panel.pieces; ++piece) {
    depthwise_tiles<4>(panel, 0, piece);
    depthwise_tiles<1>(panel, whole, piece);
  }
}

#include "real_maps.h"

}  // namespace real

constexpr RealOps kReal = {real::finish,  real::dense,  real::depthwise,
                           real::average, real::largest, real::resize,
                           real::weigh,   real::gate,   real::add};
