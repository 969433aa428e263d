#include "ending.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace bnn {
namespace {

Lined<float> padded(const char* name, const float* from, int64_t rows, int64_t filters,
                          int64_t width, float fill = 0.0f) {
  Lined<float> out(from ? rows * width : 0, fill);
  if (from) finite(name, from, rows * filters);
  for (int64_t r = 0; from && r < rows; ++r)
    std::copy_n(from + r * filters, filters, out.data() + r * width);
  return out;
}

constexpr std::array<int32_t, kRowsInOrder> in_order() {
  std::array<int32_t, kRowsInOrder> rows{};
  for (int i = 0; i < kRowsInOrder; ++i) rows[i] = i;
  return rows;
}
constexpr std::array<int32_t, kRowsInOrder> kInOrder = in_order();

}  // namespace

const int32_t* rows_in_order() { return kInOrder.data(); }

void in_limits(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high)
    throw std::invalid_argument(std::string(name) + " is " + std::to_string(low) + " to " +
                                std::to_string(high) + "; got " + std::to_string(value));
}

void finite(const char* name, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (!std::isfinite(from[i]))
      throw std::invalid_argument("constants are finite numbers; found " +
                                  std::to_string(from[i]) + " in " + name);
}

Ending::Ending(const After& a, const Constants& c, int64_t n_pairs, int64_t n_filters)
    : after(a), pairs(n_pairs), filters(n_filters), padded_(round_up(n_filters, kNarrowest)) {
  scale_ = padded("scale", c.scale, pairs, filters, padded_);
  shift_ = padded("shift", c.shift, pairs, filters, padded_);
  slope_ = padded("slope", c.slope, pairs, filters, padded_);
  each_ = padded("each", c.each, pairs, 1, 1);
  before_ = padded("before", c.before, sets(), filters, padded_);
  curve_ = padded("curve", c.curve, sets(), filters, padded_);
  after_ = padded("after", c.after, sets(), filters, padded_);
  thresholds_ = padded("thresholds", c.thresholds, sets() * after.signs, filters, padded_,
                       -std::numeric_limits<float>::infinity());
  if (after.inner == Curve::relu) slope_.assign(pairs * padded_, 0.0f);
  if (after.outer && after.curve == Curve::relu) curve_.assign(sets() * padded_, 0.0f);
}

void Ending::shape(Shapes& s, int64_t height, int64_t width) const {
  if (after.residual != Residual::none)
    s.residual = {after.residual == Residual::one ? 1 : pairs, height, width, filters, false};
  if (after.floats) s.floats = {sets(), height, width, filters, false};
  if (after.signs) s.bits = {sets() * after.signs, height, width, bytes(), true};
}

float Ending::value(int64_t pair, int64_t filter, float y) const {
  const int64_t p = pair * padded_ + filter, s = (after.sum ? 0 : pair) * padded_ + filter;
  if (!slope_.empty() && y < 0.0f) y = y * slope_[p];
  y = y * scale_[p];
  y = y + shift_[p];
  if (after.outer) {
    y = y + before_[s];
    if (!curve_.empty() && y < 0.0f) y = y * curve_[s];
    y = y + after_[s];
  }
  return y;
}

bool Ending::monotonic() const {
  const auto rises = [](float slope) { return slope >= 0.0f; };
  return std::all_of(slope_.begin(), slope_.end(), rises) &&
         std::all_of(curve_.begin(), curve_.end(), rises);
}

Finish Ending::finish(int64_t pair, int64_t first, int64_t width, int64_t pixel, int64_t all,
                      const Io& io) const {
  const int64_t set = after.sum ? 0 : pair;
  const int64_t p = pair * padded_ + first, s = set * padded_ + first;
  Finish f{};
  f.rows = rows_in_order();
  f.width = static_cast<int>(width);
  f.channels = static_cast<int>(std::min(width, filters - first));
  f.floats_stride = f.each_stride = f.one_stride = filters;
  f.sign_stride = all * bytes();
  f.bits_stride = bytes();
  f.signs = after.signs;
  f.first = pair == 0;
  f.last = pair + 1 == pairs;
  f.scale = scale_.data() + p;
  f.shift = shift_.data() + p;
  if (!slope_.empty()) f.slope = slope_.data() + p;
  if (after.residual == Residual::each) {
    f.each = io.residual + (pair * all + pixel) * filters + first;
    f.each_scale = each_[pair];
  }
  if (after.residual == Residual::one) f.one = io.residual + pixel * filters + first;
  if (after.outer) {
    f.before = before_.data() + s;
    f.after = after_.data() + s;
    if (!curve_.empty()) f.curve = curve_.data() + s;
  }
  if (after.floats) f.floats = io.floats + (set * all + pixel) * filters + first;
  if (after.signs) {
    f.bits = io.bits + (set * after.signs * all + pixel) * bytes() + first / 8;
    f.thresholds = thresholds_.data() + set * after.signs * padded_ + first;
    f.thresholds_stride = padded_;
  }
  return f;
}

}  // namespace bnn
