#include "kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace bnn {
namespace {

constexpr int64_t kMost = int64_t{1} << 31;
constexpr int64_t kLineBytes = 64;
constexpr int64_t kSummed = 2048;  // positions, whose sums wait for the next base

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
  in_limits("height", height, 1, side);
  in_limits("width", width, 1, side);
  in_limits("channels", channels, 1, side);
  in_limits("filters", filters, 1, side);
  in_limits("kernel", kernel, 1, 7);
  in_limits("stride", stride, 1, 64);
  in_limits("dilation", dilation, 1, 64);
  in_limits("padding", padding, 0, 1024);
  in_limits("inputs", inputs, 1, 64);
  in_limits("bases", bases, 1, 64);
  if (own && inputs != bases) throw std::invalid_argument("own wants an input per base");
  const int64_t reach = dilation * (kernel - 1) + 1;
  if (height + 2 * padding < reach || width + 2 * padding < reach)
    throw std::invalid_argument("the kernel is larger than the padded image");
}

std::string misfit(const Shape& s, const Product& product) {
  if (product.pixel_bytes && (s.pixel_bytes() != product.pixel_bytes || s.stride != 1))
    return "wants stride 1 and channels that fill " + std::to_string(product.pixel_bytes) +
           " bytes, not stride " + std::to_string(s.stride) + " and " +
           std::to_string(s.channels) + " channels";
  if (s.products() > product.most)
    return "counts at most " + std::to_string(product.most) + " products, not " +
           std::to_string(s.products());
  if (product.form == Form::patches || product.form == Form::bands) return "";
  const double image = static_cast<double>(s.height + 2 * s.padding) * (s.width + 2 * s.padding) *
                       s.pixel_bytes() * product.grow;
  return image < kMost ? "" : "the image is larger than it can address";
}

Kernel::Kernel(const Shape& s, const After& a, const Isa& isa, const Product& product,
               const uint8_t* weights, const Constants& constants)
    : shape((s.check(), s)),
      after(a),
      ending_(a, constants, s.pairs(), s.filters),
      isa_(isa),
      product_(product) {
  if (const std::string why = misfit(shape, product); !why.empty())
    throw std::invalid_argument(std::string(isa.name) + " " + product.name + " " + why);
  plan_runs();
  plan_blocks();
  plan_slices();
  find_limits();
  lay_out(weights);
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
  if (product_.form == Form::bands) return plan_bands();
  if (product_.store_lines && pixel_stored_ % kLineBytes == 0) return plan_lines();
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

// Line by line: neighbours lie side by side whatever the number of channels, so they are spread
// over all of a cache; and fields are read from one plane, which stays there, before the next.
void Kernel::plan_lines() {
  lines_.count = pixel_stored_ / kLineBytes;
  pixel_stored_ = kLineBytes;
  row_stored_ = (shape.width + 2 * shape.padding) * kLineBytes;
  lines_.plane = (shape.height + 2 * shape.padding) * row_stored_;
  for (int64_t line = 0; line < lines_.count; ++line)
    for (int64_t y = 0; y < shape.kernel; ++y)
      for (int64_t x = 0; x < shape.kernel; ++x)
        runs_.push_back({line * lines_.plane + shape.dilation * (y * row_stored_ + x * kLineBytes),
                         kLineBytes});
  run_bytes_ = padded_run_ = kLineBytes / product_.grow;
  field_bytes_ = shape.field_bytes();
}

void Kernel::plan_blocks() {
  padded_ = round_up(shape.filters, kNarrowest);
  int64_t weights = 0;
  for (int first = 0; first < padded_;) {
    int width = kWidest;
    while (width > padded_ - first) width /= 2;
    Block block{first, width, static_cast<int>(std::min<int64_t>(width, shape.filters - first)), {}};
    for (int64_t base = 0; base < shape.bases;) {
      const bool alone = shape.own || product_.whole;  // what finishes tiles has no idle lanes
      const int64_t most = alone ? 1 : std::min<int64_t>(kWidest / width, shape.bases - base);
      Cut cut{base, static_cast<int>(most), width, weights};
      while (cut.width < cut.bases * width) cut.width *= 2;
      weights += round_up(product_.laid_out(field_bytes_, cut.width), 64);
      base += cut.bases;
      block.cuts.push_back(cut);
    }
    blocks_.push_back(std::move(block));
    first += width;
  }
  weights_.resize(weights);
  int widest = kNarrowest;
  for (const Block& block : blocks_)
    for (const Cut& cut : block.cuts) widest = std::max(widest, cut.width);
  panel_pixels_ = product_.pixels * kWidest / widest;
}

// In the padded image the units of a slice are wherever its pixels are; patches lie in a row, and
// all strips of bands are alike.
void Kernel::plan_slices() {
  std::vector<int64_t>& units = slices_.units;
  if (product_.form == Form::patches) {
    for (int i = 0; i < panel_pixels_; ++i) units.push_back(i * field_bytes_ * product_.grow);
    return;
  }
  if (product_.form == Form::bands) return plan_strip();
  if (product_.form == Form::positions) return plan_positions();
  const int64_t wide = shape.out(shape.width), all = shape.pixels();
  const int64_t step = product_.form == Form::planes ? 1 : shape.stride * pixel_stored_;
  const int most = static_cast<int>(kPerPixel * panel_pixels_ / product_.unit);
  for (int64_t pixel = 0, p = 0; pixel < all; pixel = p) {
    const int64_t end = std::min(pixel + panel_pixels_, all);
    int n = 0;
    for (; p < end && n < most; ++n) {
      const int64_t y = p / wide, x = p % wide;
      units.push_back(shape.stride * y * row_stored_ + x * step);
      for (int i = 0; i < product_.unit && x + i < wide && p < end; ++i, ++p)
        slices_.rows.push_back(n * product_.unit + i);
    }
    slices_.all.push_back({0, nullptr, nullptr, n, pixel, static_cast<int>(p - pixel)});
  }
  slices_.point();
}

void Kernel::Slices::point() {
  const int64_t* next = units.data();
  for (Slice& slice : all) {
    slice.units = next;
    slice.rows = rows.data() + slice.first_pixel;
    next += slice.n_units;
  }
}

// With each slice the weights are expanded, and its last tiles are finished while none are
// multiplied: 13 slices of 64@56 take a tenth longer than one. Sums of bases stay in a cache.
void Kernel::plan_positions() {
  skip_ = position_row() - shape.out(shape.width);
  slices_ = positions(kPositions);
  const bool summed = after.sum && shape.pairs() > 1;
  if (product_.whole && !after.raw()) large_ = positions(summed ? kSummed : kMost);
}

// Positions from row to row: units either go on through the border, or end with each row, whichever
// are fewer.
int64_t Kernel::position_row() const {
  const int64_t wide = shape.out(shape.width), tall = shape.out(shape.height), unit = product_.unit;
  const int64_t across = shape.width + 2 * shape.padding, padded = round_up(wide, unit);
  return round_up((tall - 1) * across + wide, unit) < tall * padded ? across : padded;
}

// In as few slices as there can be, and these as equal.
Kernel::Slices Kernel::positions(int64_t most) const {
  const int64_t wide = shape.out(shape.width), tall = shape.out(shape.height), unit = product_.unit;
  const int64_t step = shape.stride * pixel_stored_, row = position_row();
  const int64_t row_bytes = shape.stride * row_stored_;
  const int64_t units = (row * (tall - 1) + wide + unit - 1) / unit;
  const int64_t slices = (units * unit + most - 1) / most;
  Slices to;
  for (int64_t i = 0; i < slices; ++i) {
    const int64_t first = units * i / slices, end = units * (i + 1) / slices;
    Slice slice{0, nullptr, nullptr, static_cast<int>(end - first),
                static_cast<int64_t>(to.rows.size()), 0};
    for (int64_t at = first * unit; at < end * unit; ++at) {
      const int64_t y = at / row, x = at % row;
      if (at % unit == 0) to.units.push_back(y * row_bytes + x * step);
      if (x >= wide || y >= tall) continue;
      to.rows.push_back(static_cast<int32_t>(at - first * unit));
      ++slice.pixels;
    }
    to.all.push_back(slice);
  }
  to.point();
  return to;
}

void Kernel::lay_out(const uint8_t* weights) {
  const int64_t bytes = shape.field_bytes(), pixel = shape.pixel_bytes(), k = shape.kernel;
  spare_is_clear("weights", weights, shape.bases * shape.filters * bytes, shape);
  std::vector<uint8_t> rows(kWidest * field_bytes_), inverse(bytes, 255), field(bytes);
  for (int64_t i = pixel - 1; i < bytes; i += pixel)
    inverse[i] = static_cast<uint8_t>(255 >> (8 * pixel - shape.channels));
  for (const Block& block : blocks_)
    for (const Cut& cut : block.cuts) {
      std::fill(rows.begin(), rows.end(), 0);
      for (int i = 0; i < cut.bases * block.channels; ++i) {
        const int64_t base = i / block.channels, f = i % block.channels;
        const int64_t filter = (cut.base + base) * shape.filters + block.first + f;
        const uint8_t* from = weights + filter * bytes;
        if (!inverted_.empty() && inverted_[filter]) {
          for (int64_t at = 0; at < bytes; ++at) field[at] = from[at] ^ inverse[at];
          from = field.data();
        }
        uint8_t* row = rows.data() + (base * block.width + f) * field_bytes_;
        if (product_.form == Form::bands) {  // column by column
          for (int64_t at = 0; at < k * k; ++at)
            std::memcpy(row + at % k * pixel_stored_ + at / k * pixel, from + at * pixel, pixel);
        } else if (lines_.count) {  // line by line
          for (int64_t line = 0; line < pixel; line += run_bytes_)
            for (int64_t at = line; at < bytes; at += pixel, row += run_bytes_)
              std::memcpy(row, from + at, run_bytes_);
        } else {
          for (int64_t at = 0; at < bytes; at += run_bytes_, row += padded_run_)
            std::memcpy(row, from + at, run_bytes_);
        }
      }
      product_.lay_out(rows.data(), cut.bases * block.width, field_bytes_, cut.width,
                       weights_.data() + cut.weights);
    }
}

// Where only signs are asked, and y rises or falls with the count, the threshold becomes a limit on
// the count. It is found by trying: so it agrees with the float steps, rounding and all. Where y
// rises with the count, all weights of that filter are inverted, so that a sign is always set above
// a limit; a base that is used with several inputs has to agree with itself.
void Kernel::find_limits() {
  const bool alone = !after.sum || shape.pairs() == 1;
  if (after.floats || after.signs == 0 || !alone || after.residual != Residual::none) return;
  if (!ending_.monotonic()) return;
  const int64_t n = shape.products(), pairs = shape.pairs(), filters = shape.filters;
  const auto value = [&](int64_t pair, int64_t filter, int64_t count) {
    return ending_.value(pair, filter, static_cast<float>(n - 2 * count));
  };
  Lined<int32_t> limits(pairs * after.signs * padded_, static_cast<int32_t>(n));
  std::vector<uint8_t> inverted(shape.bases * filters);
  for (int64_t pair = 0; pair < pairs; ++pair)
    for (int64_t f = 0; f < filters; ++f) {
      if (!std::isfinite(value(pair, f, 0)) || !std::isfinite(value(pair, f, n))) return;
      uint8_t& rises = inverted[pair % shape.bases * filters + f];  // y, with the count
      if (pair >= shape.bases && rises != ending_.falls(pair, f)) return;
      rises = ending_.falls(pair, f);
      for (int s = 0; s < after.signs; ++s) {
        const float threshold = ending_.threshold(pair, s, f);
        int64_t low = -1, high = n;  // the largest count of the first kind is in [low, high]
        while (low < high) {
          const int64_t middle = low + (high - low + 1) / 2;
          if ((value(pair, f, middle) < threshold) != rises) {
            high = middle - 1;
          } else {
            low = middle;
          }
        }
        const int64_t limit = rises ? n - low - 1 : low;
        limits[(pair * after.signs + s) * padded_ + f] = static_cast<int32_t>(limit);
      }
    }
  limits_ = std::move(limits);
  inverted_ = std::move(inverted);
}

}  // namespace bnn
