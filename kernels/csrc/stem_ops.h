// What an instruction set offers for a convolution on pixels: plain data, and a table of functions
// on it.
//
// All of them give the same bits: sums are whole numbers, and each float step is rounded once.
#pragma once

#include <cstdint>

#include "product.h"

namespace bnn {

constexpr int kStemPiece = 16;  // filters that are computed together: a block
constexpr int kStemBeyond = 32;  // bytes behind the stored image that may be read, and do not count

// Rows of `run` values that lie side by side, `line` values apart.
struct StemWindow {
  int64_t rows, run, line;

  int64_t pairs() const { return rows * ((run + 1) / 2); }
};

// A row of the pool, to which rows of the convolution go one by one.
struct StemGoal {
  float* out;  // [blocks][windows][kStemPiece]
  bool begin;  // it has nothing yet
};

// A row of the convolution, and the windows of the pool along it. The largest of a window goes to
// all rows of the pool that have this row, unless they have a larger one.
struct StemRow {
  const uint8_t* input;    // where the window of the first pixel begins
  int64_t step;            // values from one window to the next
  StemWindow window;
  const int64_t* offsets;  // of each pair of values in a window
  int blocks;
  const uint8_t* weights;  // of each block, as it was laid out
  const int32_t* whole;    // added to the sums: the whole part of a correction ..
  const float* part;       // .. and, after they became floats, the rest of it
  int64_t corrections;     // from those of a block to those of the next
  const int32_t* columns;  // where in both that of each pixel is
  int pixels;
  const int32_t *left, *right;  // of each window, its columns
  int windows, widest;          // .. of which it has so many at most
  int even, even_end, apart;    // windows so wide, so many columns apart, all corrected alike
  const StemGoal* goals;
  int rows;                // of the pool
  uint8_t* scratch;
  // Lines that will be written to soon, if any: to be asked for meanwhile.
  const float* soon;        // of the first block and pixel
  int64_t soon_stride;      // floats to the next pixel; a block is behind the block before it
  int soon_first, soon_end;  // pixels

  inline void ask(int block, int first, int end) const {
    if (!soon) return;
    for (int x = first; x < end; ++x)
      __builtin_prefetch(soon + x * soon_stride + block * kStemPiece, 1);
  }

  // Without a pool a pixel goes where it is wanted at once.
  bool straight() const { return widest == 1 && windows == pixels && rows == 1 && goals->begin; }
};

struct StemOps {
  bool bytes;     // the image is stored as it is; else its pixels as int16
  bool together;  // a row of all blocks is best made at once; else row after row of a block
  int64_t (*laid_out)(const StemWindow&);  // bytes of the weights of a block: whole lines
  // Weights: [filters][rows][run]; of filters that are not there, zero.
  void (*lay_out)(const StemWindow&, const int16_t* weights, int64_t filters, uint8_t* out);
  int64_t (*scratch)(const StemWindow&, int pixels, int blocks, int widest);
  void (*row)(const StemRow&);
  const Mode* mode = nullptr;
};

}  // namespace bnn
