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

// A row of output pixels.
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
  uint8_t* scratch;
  float* out;              // [blocks][pixels][kStemPiece]
};

// The largest of left[i] .. right[i] of a row goes to pixel i, unless it has a larger one.
struct StemPool {
  const float* from;  // [][kStemPiece]
  const int32_t *left, *right;
  int pixels;
  bool begin;  // it has none yet
  float* out;  // [pixels][kStemPiece]
};

struct StemOps {
  bool bytes;     // the image is stored as it is; else its pixels as int16
  bool together;  // a row of all blocks is best made at once; else row after row of a block
  int64_t (*laid_out)(const StemWindow&);  // bytes of the weights of a block: whole lines
  // Weights: [filters][rows][run]; of filters that are not there, zero.
  void (*lay_out)(const StemWindow&, const int16_t* weights, int64_t filters, uint8_t* out);
  int64_t (*scratch)(const StemWindow&, int pixels);
  void (*row)(const StemRow&);
  void (*largest)(const StemPool&);
  const Mode* mode = nullptr;
};

}  // namespace bnn
