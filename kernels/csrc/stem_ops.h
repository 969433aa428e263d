// What an instruction set offers for a convolution on pixels: plain data, and two functions on it.
//
// All of them give the same bits: sums are whole numbers, and each float step is rounded once.
#pragma once

#include <cstdint>

namespace bnn {

constexpr int kStemPiece = 16;  // filters that are computed together

// A row of output pixels. Taps are taken two by two: what lies side by side in the image is
// multiplied and added up by one instruction.
struct StemRow {
  const int16_t* input;    // where the window of the first pixel begins
  int64_t step;            // values from one window to the next
  const int64_t* offsets;  // of each pair of values in a window
  int pairs;
  const int16_t* weights;  // [pairs][kStemPiece][2]
  const int32_t* whole;    // added to the sums: the whole part of a correction ..
  const float* part;       // .. and, after they became floats, the rest of it
  const int32_t* columns;  // where in both that of each pixel is
  int pixels;
  float* out;              // [pixels][kStemPiece]
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
  void (*row)(const StemRow&);
  void (*largest)(const StemPool&);
};

}  // namespace bnn
