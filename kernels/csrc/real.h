// What an instruction set offers for real numbers: plain data, and a table of functions on it.
//
// All of them give the same bits: a sum over a window or a vector is one chain of float32 additions
// (in a convolution, of fused multiply-adds) in the order of memory, however wide a vector is.
#pragma once

#include <cstdint>

#include "product.h"

namespace bnn {

constexpr int kPiece = kNarrowest;              // filters whose weights lie side by side
constexpr int kSumRow = kWidest + kPiece;       // floats in a row of sums
constexpr int kRealPixels = 64;                 // pixels in a panel of a convolution, at most

// A stretch of floats of a field that lie side by side.
struct RealRun {
  int64_t offset;  // from the first float of the field
  int64_t floats;
};

// Some output pixels times some pieces of 16 filters. Sums are begun, or go on from what is there,
// so that the weights of a few runs serve all pixels while they are in the first cache.
struct RealPanel {
  const float* input;
  const int64_t* units;  // floats from input to the field of each pixel
  int pixels;
  int first_row, row;    // of them, how many are equally far apart: the first ones, then so many each
  int64_t step;          // floats from one of those to the next
  const RealRun* runs;
  int n_runs;
  const int64_t* points;  // where the runs are short, each float's offset too
  int n_points;
  const float* weights;  // of the first piece: [floats of the runs][16]
  int64_t stride;        // floats from the weights of one piece to those of the next
  int pieces;
  int64_t ahead;         // of the weights that follow, so many lines are asked for at each pixel
  bool begin;
  float* sums;           // [pixels][kSumRow]
};

// A row of windows over a map: what is in columns left[i] .. right[i] of some rows becomes pixel i.
struct Windows {
  const float* from;  // column 0 of the first row
  int64_t row;        // floats from one row to the next
  int rows;
  int64_t pixel;      // and from one pixel to the next
  int channels;       // of them, how many are wanted
  const int32_t *left, *right;
  int pixels;
  float* out;
  int64_t out_pixel;
};

// A row between two rows, each pixel between two columns: so much of the one, so much of the other.
struct Between {
  const float *upper, *lower;
  float up, down;
  int channels;
  const int32_t *left, *right;
  const float *first, *second;  // of the left and of the right column
  int pixels;
  float* out;
};

// Branches, of which `count` values are mixed.
struct Weighing {
  const float* const* branches;
  int n;
  const float* weights;  // null: their mean
  int64_t count;
  float* out;
};

struct RealOps {
  void (*finish)(const Finish&);            // of sums, which are floats
  void (*dense)(const RealPanel&);          // every filter sees every channel
  void (*depthwise)(const RealPanel&);      // filter i sees channel i
  void (*average)(const Windows&);
  void (*largest)(const Windows&);
  void (*resize)(const Between&);
  void (*weigh)(const Weighing&);
  // out = own * branch + rest * aggregate
  void (*gate)(const float* branch, const float* aggregate, float own, float rest, int64_t count,
               float* out);
  void (*add)(const float* a, const float* b, int64_t count, float* out);
};

}  // namespace bnn
