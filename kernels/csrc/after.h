// What happens to a result before it leaves the tile: kernels/epilogue.py, and its constants.
#pragma once

#include <cstdint>

namespace bnn {

enum class Curve { none, relu, prelu };
enum class Residual { none, one, each };

// kernels/epilogue.py.
struct After {
  bool floats;
  int signs;
  bool sum;
  Curve inner;
  Residual residual;
  bool outer;  // the step is there
  Curve curve; // and its curve is this

  bool raw() const { return !floats && signs == 0; }
};

// What the epilogue needs, each [pairs or sets][filters]; null where it does not.
struct Constants {
  const float *scale, *shift, *slope;  // of each pair
  const float* each;                   // [pairs]
  const float *before, *curve, *after; // of each set
  const float* thresholds;             // [sets][signs][filters]
};

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

}  // namespace bnn
