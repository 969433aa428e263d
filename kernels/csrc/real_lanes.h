// Real numbers in lanes. Included by each instruction set inside its namespace, after finish.h, and
// after it has defined
//
//   kTileSize       pixels in a tile of a convolution: with `kTilePieces` pieces of 16 filters
//   kTilePieces     its sums, a line of weights and one value more fit the registers
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

// P pixels times G pieces.
template <int P, int G>
inline void dense_tile(const RealPanel& panel, int pixel, const float* weights, float* sums) {
  constexpr int V = G * kVectors;
  const float* fields[P];
  F total[P][V];
  UNROLLED
  for (int p = 0; p < P; ++p) {
    fields[p] = panel.input + panel.units[pixel + p];
    UNROLLED
    for (int v = 0; v < V; ++v)
      total[p][v] = panel.begin ? F{} : load<F>(sums + p * kSumRow + v * kLanes);
  }
  const int64_t stride = panel.stride;
  const float* next = weights + G * stride + pixel * panel.ahead * kPiece;
  for (int64_t c = 0; c < P * panel.ahead; ++c) __builtin_prefetch(next + c * kPiece, 0, 2);
  for (int64_t i = 0; i < panel.n_points; ++i, weights += kPiece)
    multiply<P, G>(total, fields, panel.points[i], weights, stride);
  for (const RealRun* run = panel.runs; run < panel.runs + panel.n_runs; ++run) {
    const float* at[P];
    UNROLLED
    for (int p = 0; p < P; ++p) at[p] = fields[p] + run->offset;
    for (int64_t c = 0; c < run->floats; ++c, weights += kPiece)
      multiply<P, G>(total, at, c, weights, stride);
  }
  UNROLLED
  for (int p = 0; p < P; ++p)
    UNROLLED
    for (int v = 0; v < V; ++v) save(sums + p * kSumRow + v * kLanes, total[p][v]);
}

// `n` tiles of `size` pixels, at most P.
template <int P, int G>
int dense_tiles(const RealPanel& panel, int size, int n, int pixel, const float* weights,
                float* sums) {
  if constexpr (P > 1) {
    if (size < P) return dense_tiles<P - 1, G>(panel, size, n, pixel, weights, sums);
  }
  for (; n > 0; --n, pixel += P) dense_tile<P, G>(panel, pixel, weights, sums + pixel * kSumRow);
  return pixel;
}

// All pixels, in as few tiles as will do, whose sizes differ by one at most.
template <int P, int G>
void dense_tiles(const RealPanel& panel, const float* weights, float* sums) {
  const int n = (panel.pixels + P - 1) / P, size = panel.pixels / n, larger = panel.pixels % n;
  const int pixel =
      larger ? dense_tiles<P, G>(panel, size + 1, larger, 0, weights, sums) : 0;
  dense_tiles<P, G>(panel, size, n - larger, pixel, weights, sums);
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
