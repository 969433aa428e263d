// The constants of an epilogue, padded to whole lines, and what they make of a panel of sums.
#pragma once

#include <cstdint>
#include <string>

#include "after.h"
#include "lined.h"
#include "product.h"
#include "runner.h"

namespace bnn {

// Throws std::invalid_argument.
void in_limits(const char* name, int64_t value, int64_t low, int64_t high);
void finite(const char* name, const float* from, int64_t n);

class Ending {
 public:
  Ending(const After& after, const Constants& constants, int64_t pairs, int64_t filters);

  const After after;
  const int64_t pairs, filters;
  int64_t sets() const { return after.sum ? 1 : pairs; }
  int64_t bytes() const { return (filters + 7) / 8; }

  // Adds residual, floats and bits to shapes.
  void shape(Shapes& shapes, int64_t height, int64_t width) const;

  // What becomes of one sum, where there is no residual and nothing else to add; and its threshold.
  float value(int64_t pair, int64_t filter, float sum) const;
  float threshold(int64_t set, int sign, int64_t filter) const {
    return thresholds_[(set * after.signs + sign) * padded_ + filter];
  }
  // Whether that rises, or falls, with the sum, for each filter: no curve turns back.
  bool monotonic() const;
  bool falls(int64_t pair, int64_t filter) const { return scale_[pair * padded_ + filter] < 0.0f; }

  // Of `width` filters from `first` on, which begins a byte, or fewer where they end, in the pixels
  // from `pixel` on; `all` is how many pixels a set has. The counts are the caller's to fill in.
  Finish finish(int64_t pair, int64_t first, int64_t width, int64_t pixel, int64_t all,
                const Io& io) const;

 private:
  int64_t padded_;
  Lined<float> scale_, shift_, slope_, each_, before_, curve_, after_, thresholds_;
};

// Rows of sums that lie one after the other: 0, 1, 2 ..
const int32_t* rows_in_order();
constexpr int kRowsInOrder = 256;

}  // namespace bnn
