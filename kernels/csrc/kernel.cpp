#include "kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace bnn {
namespace {

constexpr int64_t kMost = int64_t{1} << 31;

void in_range(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high)
    throw std::invalid_argument(std::string(name) + " is " + std::to_string(low) + " to " +
                                std::to_string(high) + "; got " + std::to_string(value));
}

std::vector<float> padded(const float* from, int64_t rows, int64_t filters, int64_t width,
                          float fill) {
  std::vector<float> out(from ? rows * width : 0, fill);
  for (int64_t r = 0; from && r < rows; ++r) {
    for (int64_t f = 0; f < filters; ++f)
      if (!std::isfinite(from[r * filters + f]))
        throw std::invalid_argument("constants are finite numbers; found " +
                                    std::to_string(from[r * filters + f]));
    std::copy_n(from + r * filters, filters, out.data() + r * width);
  }
  return out;
}

// Bits past the last channel would be counted as if they were channels.
void spare_is_clear(const char* name, const uint8_t* from, int64_t bytes, const Shape& shape) {
  const int64_t pixel = shape.pixel_bytes();
  const int used = static_cast<int>(shape.channels - 8 * (pixel - 1));
  uint8_t any = 0;
  for (int64_t i = pixel - 1; used < 8 && i < bytes; i += pixel) any |= from[i] >> used;
  if (any)
    throw std::invalid_argument(std::string("the bits of ") + name +
                                " past the last channel are clear; some are set");
}

}  // namespace

void Kernel::check_spare(int64_t batch, const uint8_t* input) const {
  const int64_t pixels = shape.inputs * batch * shape.height * shape.width;
  spare_is_clear("the input", input, pixels * shape.pixel_bytes(), shape);
}

void Shape::check() const {
  const int64_t side = 1 << 16;
  in_range("height", height, 1, side);
  in_range("width", width, 1, side);
  in_range("channels", channels, 1, side);
  in_range("filters", filters, 1, side);
  in_range("kernel", kernel, 1, 7);
  in_range("stride", stride, 1, 64);
  in_range("dilation", dilation, 1, 64);
  in_range("padding", padding, 0, 1024);
  in_range("inputs", inputs, 1, 64);
  in_range("bases", bases, 1, 64);
  if (own && inputs != bases) throw std::invalid_argument("own wants an input per base");
  const int64_t reach = dilation * (kernel - 1) + 1;
  if (height + 2 * padding < reach || width + 2 * padding < reach)
    throw std::invalid_argument("the kernel is larger than the padded image");
}

std::string misfit(const Shape& s, const Product& product) {
  if (s.products() > product.most)
    return "counts at most " + std::to_string(product.most) + " products, not " +
           std::to_string(s.products());
  if (product.form == Form::patches) return "";
  const double image = static_cast<double>(s.height + 2 * s.padding) * (s.width + 2 * s.padding) *
                       s.pixel_bytes() * product.grow;
  return image < kMost ? "" : "the image is larger than it can address";
}

Kernel::Kernel(const Shape& s, const After& a, const Isa& isa, const Product& product,
               const uint8_t* weights, const Constants& constants)
    : shape(s), after(a), isa_(isa), product_(product) {
  shape.check();
  if (const std::string why = misfit(shape, product); !why.empty())
    throw std::invalid_argument(std::string(isa.name) + " " + product.name + " " + why);
  plan_runs();
  plan_blocks();
  plan_slices();
  lay_out(weights);
  keep(constants);
  find_limits();
}

void Kernel::plan_runs() {
  pixel_stored_ = shape.pixel_bytes() * product_.grow;
  const int64_t wide = shape.width + 2 * shape.padding;
  row_stored_ = wide * pixel_stored_;
  if (product_.form == Form::patches) {
    run_bytes_ = shape.field_bytes();
    padded_run_ = field_bytes_ = round_up(run_bytes_, product_.align);
    runs_ = {{0, field_bytes_ * product_.grow}};
    return;
  }
  if (product_.form == Form::planes) {
    columns_ = round_up(wide, shape.stride) / shape.stride;
    row_stored_ = columns_ * shape.stride * pixel_stored_;
    pixel_stored_ = 1;
    for (int64_t y = 0; y < shape.kernel; ++y)
      for (int64_t x = 0; x < shape.dilation * shape.kernel; x += shape.dilation)
        for (int64_t nibble = 0; nibble < 2 * shape.pixel_bytes(); ++nibble)
          runs_.push_back({shape.dilation * y * row_stored_ +
                               (nibble * shape.stride + x % shape.stride) * columns_ +
                               x / shape.stride, 1});
    run_bytes_ = padded_run_ = field_bytes_ = shape.field_bytes();
    return;
  }
  const int64_t together = shape.dilation == 1 ? shape.kernel : 1;  // pixels that lie side by side
  for (int64_t y = 0; y < shape.kernel; ++y)
    for (int64_t x = 0; x < shape.kernel; x += together)
      runs_.push_back({shape.dilation * (y * row_stored_ + x * pixel_stored_),
                       together * pixel_stored_});
  run_bytes_ = together * shape.pixel_bytes();
  padded_run_ = round_up(run_bytes_, product_.align);
  field_bytes_ = padded_run_ * static_cast<int64_t>(runs_.size());
}

void Kernel::plan_blocks() {
  padded_ = round_up(shape.filters, kNarrowest);
  int64_t weights = 0;
  for (int first = 0; first < padded_;) {
    int width = kWidest;
    while (width > padded_ - first) width /= 2;
    Block block{first, width, static_cast<int>(std::min<int64_t>(width, shape.filters - first)), {}};
    for (int64_t base = 0; base < shape.bases;) {
      const int64_t most = shape.own ? 1 : std::min<int64_t>(kWidest / width, shape.bases - base);
      Cut cut{base, static_cast<int>(most), width, weights};
      while (cut.width < cut.bases * width) cut.width *= 2;
      weights += round_up(product_.laid_out(field_bytes_, cut.width), 64);
      base += cut.bases;
      block.cuts.push_back(cut);
    }
    blocks_.push_back(std::move(block));
    first += width;
  }
  weights_.resize(weights + 64);
  int widest = kNarrowest;
  for (const Block& block : blocks_)
    for (const Cut& cut : block.cuts) widest = std::max(widest, cut.width);
  panel_pixels_ = kPanelPixels * kWidest / widest;
}

// In the padded image the units of a slice are wherever its pixels are; patches lie in a row.
void Kernel::plan_slices() {
  if (product_.form == Form::patches) {
    for (int i = 0; i < panel_pixels_; ++i) {
      units_.push_back(i * field_bytes_ * product_.grow);
      rows_.push_back(i);
    }
    return;
  }
  const int64_t wide = shape.out(shape.width), all = shape.pixels();
  const int64_t step = product_.form == Form::planes ? 1 : shape.stride * pixel_stored_;
  const int most = static_cast<int>(kPerPixel * panel_pixels_ / product_.unit);
  std::vector<int64_t> begins;
  for (int64_t pixel = 0, p = 0; pixel < all; pixel = p) {
    const int64_t end = std::min(pixel + panel_pixels_, all);
    begins.push_back(static_cast<int64_t>(units_.size()));
    int n = 0;
    for (; p < end && n < most; ++n) {
      const int64_t y = p / wide, x = p % wide;
      units_.push_back(shape.stride * y * row_stored_ + x * step);
      for (int i = 0; i < product_.unit && x + i < wide && p < end; ++i, ++p)
        rows_.push_back(n * product_.unit + i);
    }
    slices_.push_back({0, nullptr, nullptr, n, pixel, static_cast<int>(p - pixel)});
  }
  for (size_t i = 0; i < slices_.size(); ++i) {
    slices_[i].units = units_.data() + begins[i];
    slices_[i].rows = rows_.data() + slices_[i].first_pixel;
  }
}

void Kernel::lay_out(const uint8_t* weights) {
  const int64_t bytes = shape.field_bytes();
  spare_is_clear("weights", weights, shape.bases * shape.filters * bytes, shape);
  uint8_t* to = weights_.data() + (64 - reinterpret_cast<uintptr_t>(weights_.data()) % 64) % 64;
  first_weight_ = to;
  std::vector<uint8_t> rows(kWidest * field_bytes_);
  for (const Block& block : blocks_)
    for (const Cut& cut : block.cuts) {
      std::fill(rows.begin(), rows.end(), 0);
      for (int i = 0; i < cut.bases * block.channels; ++i) {
        const int64_t base = i / block.channels, f = i % block.channels;
        const uint8_t* from =
            weights + ((cut.base + base) * shape.filters + block.first + f) * bytes;
        uint8_t* row = rows.data() + (base * block.width + f) * field_bytes_;
        for (int64_t at = 0; at < bytes; at += run_bytes_, row += padded_run_)
          std::memcpy(row, from + at, run_bytes_);
      }
      product_.lay_out(rows.data(), cut.bases * block.width, field_bytes_, cut.width,
                       to + cut.weights);
    }
}

void Kernel::keep(const Constants& c) {
  const int64_t pairs = shape.pairs(), filters = shape.filters;
  scale_ = padded(c.scale, pairs, filters, padded_, 0.0f);
  shift_ = padded(c.shift, pairs, filters, padded_, 0.0f);
  slope_ = padded(c.slope, pairs, filters, padded_, 0.0f);
  each_ = padded(c.each, pairs, 1, 1, 0.0f);
  before_ = padded(c.before, sets(), filters, padded_, 0.0f);
  curve_ = padded(c.curve, sets(), filters, padded_, 0.0f);
  after_ = padded(c.after, sets(), filters, padded_, 0.0f);
  thresholds_ = padded(c.thresholds, sets() * after.signs, filters, padded_,
                       -std::numeric_limits<float>::infinity());
  if (after.inner == Curve::relu) slope_.assign(pairs * padded_, 0.0f);
  if (after.outer && after.curve == Curve::relu) curve_.assign(sets() * padded_, 0.0f);
}

// The epilogue of one value, step by step as finish.h has it; for where there is no residual.
float Kernel::value(int64_t pair, int64_t set, int64_t filter, int64_t count) const {
  const int64_t p = pair * padded_ + filter, s = set * padded_ + filter;
  float y = static_cast<float>(shape.products() - 2 * count);
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

// Where only signs are asked, and y rises or falls with the count, the threshold becomes a limit on
// the count. It is found by trying: so it agrees with the float steps, rounding and all.
void Kernel::find_limits() {
  const bool alone = !after.sum || shape.pairs() == 1;
  if (after.floats || after.signs == 0 || !alone || after.residual != Residual::none) return;
  for (float slope : slope_) if (slope < 0.0f) return;
  for (float slope : curve_) if (slope < 0.0f) return;
  const int64_t n = shape.products();
  std::vector<int32_t> limits(shape.pairs() * after.signs * padded_, static_cast<int32_t>(n));
  std::vector<uint64_t> flips(shape.pairs() * after.signs * blocks_.size(), 0);
  for (int64_t pair = 0; pair < shape.pairs(); ++pair)
    for (int64_t s = 0; s < after.signs; ++s) {
      const int64_t row = pair * after.signs + s;
      for (size_t b = 0; b < blocks_.size(); ++b)
        for (int64_t f = blocks_[b].first; f < blocks_[b].first + blocks_[b].channels; ++f) {
          if (!std::isfinite(value(pair, pair, f, 0)) || !std::isfinite(value(pair, pair, f, n)))
            return;
          const float threshold = thresholds_[row * padded_ + f];
          const bool falls = scale_[pair * padded_ + f] >= 0.0f;  // y, as the count rises
          int64_t low = -1, high = n;  // the largest count of the first kind is in [low, high]
          while (low < high) {
            const int64_t middle = low + (high - low + 1) / 2;
            if ((value(pair, pair, f, middle) < threshold) == falls) {
              high = middle - 1;
            } else {
              low = middle;
            }
          }
          limits[row * padded_ + f] = static_cast<int32_t>(low);
          if (!falls) flips[row * blocks_.size() + b] |= uint64_t{1} << (f - blocks_[b].first);
        }
    }
  limits_ = std::move(limits);
  flips_ = std::move(flips);
}

}  // namespace bnn
