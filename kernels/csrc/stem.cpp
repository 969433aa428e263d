#include "stem.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "pool.h"
#include "room.h"

namespace bnn {
namespace {

constexpr int64_t kStrip = 64 << 10;  // bytes of an image that are stored at a time
constexpr int kMostGoals = 64;  // rows of a pool that have the same row: as many as a pool is high

Stretches pooled(const StemShape& s, int64_t size) {
  if (s.pool) return Stretches::sliding(size, s.pool, s.pool_stride, s.pool_padding);
  return Stretches::dividing(size, size);
}

int widest(const Stretches& windows) {
  int most = 1;
  for (int64_t i = 0; i < windows.size(); ++i)
    most = std::max(most, windows.end[i] - windows.begin[i]);
  return most;
}

}  // namespace

// Sums are exact: 255 times the 196 largest weights, 32,768 each, is below 2^31.
void StemShape::check() const {
  const int64_t side = 1 << 16;
  in_limits("height", height, 1, side);
  in_limits("width", width, 1, side);
  in_limits("channels", channels, 1, 4);
  in_limits("filters", filters, 1, side);
  in_limits("kernel", kernel, 1, 7);
  in_limits("stride", stride, 1, 64);
  in_limits("padding", padding, 0, kernel - 1);
  in_limits("pool", pool, 0, kMostGoals);
  if (height + 2 * padding < kernel || width + 2 * padding < kernel)
    throw std::invalid_argument("the kernel is larger than the padded image");
  if (!pool && (pool_stride != 1 || pool_padding))
    throw std::invalid_argument("without a pool, its stride is 1 and its padding 0");
}

Stem::Cuts::Cuts(const StemShape& s, int64_t size) {
  for (int64_t i = 0; i < s.out(size); ++i) {
    const int64_t at = i * s.stride - s.padding;
    const int64_t from = std::max<int64_t>(0, -at), to = std::min(s.kernel, size - at);
    size_t n = 0;
    while (n < begin.size() && (begin[n] != from || end[n] != to)) ++n;
    if (n == begin.size()) begin.push_back(from), end.push_back(to);
    of.push_back(static_cast<int32_t>(n));
  }
}

Stem::Stem(const StemShape& shape, const After& after, const Isa& isa, const int16_t* weights,
           const float* mean, const Constants& constants)
    : shape_((shape.check(), shape)),
      ending_(after, constants, 1, shape.filters),
      ops_(*isa.stem),
      finish_(isa.real->finish),
      rows_(shape, shape.height),
      columns_(shape, shape.width),
      tall_(pooled(shape, shape.out(shape.height))),
      wide_(pooled(shape, shape.out(shape.width))),
      blocks_((shape.filters + kStemPiece - 1) / kStemPiece),
      line_((shape.width + 2 * shape.padding) * shape.channels),
      window_{shape.kernel, shape.kernel * shape.channels, line_},
      value_(ops_.bytes ? 1 : 2),
      together_(ops_.together ? blocks_ : 1),
      strip_(std::max<int64_t>(1, (kStrip / value_ / line_ - shape.kernel) / shape.stride + 1)),
      widest_(widest(wide_)),
      even_(even()),
      alive_(std::min(std::max<int64_t>(shape.pool + shape.pool_stride - 1, 1) / shape.pool_stride,
                      tall_.size())) {
  for (int64_t c = 0; c < shape.channels; ++c)
    if (!(mean[c] >= 0 && mean[c] <= 255))
      throw std::invalid_argument("a mean of pixels is 0 to 255; got " + std::to_string(mean[c]));
  lay_out(weights);
  correct(weights, mean);
}

Stem::Even Stem::even() const {
  Even best{0, 0, static_cast<int>(shape_.pool_stride)};
  for (int i = 0, first = 0; i < wide_.size(); ++i) {
    const int begin = wide_.begin[i], before = wide_.begin[std::max(0, i - 1)];
    const int32_t cut = columns_.of[begin];
    const bool same = wide_.end[i] - begin == widest_ && columns_.of[wide_.end[i] - 1] == cut;
    if (!same || i == first || begin - before != best.apart || columns_.of[before] != cut)
      first = same ? i : i + 1;
    if (i + 1 - first > best.end - best.first) best = {first, i + 1, best.apart};
  }
  return best;
}

void Stem::lay_out(const int16_t* weights) {
  for (int64_t y = 0; y < window_.rows; ++y)
    for (int64_t i = 0; i < window_.run; i += 2) offsets_.push_back(y * line_ + i);
  const int64_t block = ops_.laid_out(window_);
  weights_.resize(blocks_ * block + kCacheLine);
  for (int64_t b = 0, f = 0; b < blocks_; ++b, f += kStemPiece)
    ops_.lay_out(window_, weights + f * window_.rows * window_.run,
                 std::min<int64_t>(kStemPiece, shape_.filters - f), weights_.data() + b * block);
}

// A window sums weight * pixel; wanted is weight * (pixel - mean), of the taps inside the image.
void Stem::correct(const int16_t* weights, const float* mean) {
  const StemShape& s = shape_;
  const int64_t wide = static_cast<int64_t>(columns_.begin.size());
  const int64_t cuts = static_cast<int64_t>(rows_.begin.size()) * wide;
  whole_.resize(blocks_ * cuts * kStemPiece);
  part_.resize(whole_.size());
  for (int32_t column : columns_.of) places_.push_back(column * kStemPiece);
  for (int64_t f = 0; f < s.filters; ++f)
    for (int64_t cut = 0; cut < cuts; ++cut) {
      double sum = 0;
      for (int64_t y = rows_.begin[cut / wide]; y < rows_.end[cut / wide]; ++y)
        for (int64_t x = columns_.begin[cut % wide]; x < columns_.end[cut % wide]; ++x)
          for (int64_t c = 0; c < s.channels; ++c)
            sum -= double{mean[c]} * weights[((f * s.kernel + y) * s.kernel + x) * s.channels + c];
      const int64_t at = (f / kStemPiece * cuts + cut) * kStemPiece + f % kStemPiece;
      const double whole = std::floor(sum + 0.5);
      whole_[at] = static_cast<int32_t>(whole);
      part_[at] = static_cast<float>(sum - whole);
    }
}

Shapes Stem::shapes() const {
  Shapes s{};
  s.reads = {1, shape_.height, shape_.width, shape_.channels, true};
  ending_.shape(s, tall_.size(), wide_.size());
  return s;
}

void Stem::run(int64_t batch, const Io& io, int threads) const {
  const int64_t tall = tall_.size(), all = batch * tall * wide_.size();
  const int64_t parts = batch >= threads ? 1 : std::min<int64_t>(tall, 2 * threads);
  const uint8_t* images = static_cast<const uint8_t*>(io.reads[0]);
  auto work = [&](int64_t item) {
    const int64_t n = item / parts, at = item % parts;
    const uint8_t* image = images + n * shape_.height * shape_.width * shape_.channels;
    part({image, at * tall / parts, (at + 1) * tall / parts, n * tall, all, io});
  };
  parallel(batch * parts, threads, work);
}

// Rows of the padded image from `row` on, which may lie over the border.
template <class Value>
void Stem::store_as(const uint8_t* image, int64_t row, int64_t rows, Value* to) const {
  const int64_t border = shape_.padding * shape_.channels, values = line_ - 2 * border;
  for (int64_t y = row - shape_.padding; rows > 0; --rows, ++y, to += line_) {
    if (y < 0 || y >= shape_.height) {
      std::fill_n(to, line_, Value{0});
      continue;
    }
    const uint8_t* from = image + y * values;
    std::fill_n(to, border, Value{0});
    for (int64_t i = 0; i < values; ++i) to[border + i] = from[i];
    std::fill_n(to + border + values, border, Value{0});
  }
  std::fill_n(reinterpret_cast<uint8_t*>(to), kStemBeyond, uint8_t{0});
}

void Stem::store(const uint8_t* image, int64_t row, int64_t rows, uint8_t* to) const {
  if (ops_.bytes) return store_as(image, row, rows, to);
  store_as(image, row, rows, reinterpret_cast<int16_t*>(to));
}

void Stem::part(const Part& p) const {
  const StemShape& s = shape_;
  const int64_t last = tall_.end[p.end - 1];
  uint8_t* stored =
      room<0>(((strip_ - 1) * s.stride + s.kernel) * line_ * value_ + kStemBeyond);
  int64_t next = p.first;  // the first output row that is not complete
  const Entered mode(ops_.mode);
  for (int64_t first = tall_.begin[next]; first < last; first += strip_) {
    const int64_t end = std::min(first + strip_, last);
    store(p.image, first * s.stride, (end - 1 - first) * s.stride + s.kernel, stored);
    int64_t then = next;
    for (int64_t block = 0; block < blocks_; block += together_)
      then = strip(p, stored, first, end, block, next);
    next = then;
  }
}

// The rows first .. end of the convolution, of the blocks that are made together, go to the rows of
// the pool that have them. Returns the output row that comes next.
int64_t Stem::strip(const Part& p, const uint8_t* stored, int64_t first, int64_t end,
                    int64_t block, int64_t next) const {
  const int64_t piece = wide_.size() * kStemPiece;
  float* held = reinterpret_cast<float*>(room<1>(4 * alive_ * blocks_ * piece)) + block * piece;
  StemGoal goals[kMostGoals];
  for (int64_t y = first; y < end; ++y) {
    int rows = 0;
    int64_t newest = 0;
    for (int64_t to = next; to < p.end && tall_.begin[to] <= y; ++to) {
      goals[rows++] = {held + to % alive_ * blocks_ * piece, tall_.begin[to] == y};
      newest = to;
    }
    if (!rows) continue;  // no window of the pool has it
    const uint8_t* input = stored + (y - first) * shape_.stride * line_ * value_;
    convolve(p, input, y, block, {goals, rows, newest});
    for (; next < p.end && tall_.end[next] == y + 1; ++next)
      for (int64_t b = 0; b < together_; ++b)
        finish(p, next, block + b, held + (next % alive_ * blocks_ + b) * piece);
  }
  return next;
}

// Lines of the newest row of the output are asked for while it waits for rows of the convolution.
void Stem::convolve(const Part& p, const uint8_t* input, int64_t row, int64_t block,
                    const Goals& to) const {
  const int64_t wide = static_cast<int64_t>(columns_.begin.size()) * kStemPiece;
  const int64_t corrections = static_cast<int64_t>(rows_.begin.size()) * wide;
  const int64_t correction = block * corrections + rows_.of[row] * wide;
  const int pixels = static_cast<int>(places_.size()), blocks = static_cast<int>(together_);
  const Finish f = ending_.finish(0, block * kStemPiece, kStemPiece,
                                  (p.row + to.newest) * wide_.size(), p.all, p.io);
  const int64_t asking = std::max<int64_t>(1, tall_.end[to.newest] - tall_.begin[to.newest] - 1);
  const int64_t at = std::min(row - tall_.begin[to.newest], asking);
  ops_.row({.input = input,
            .step = shape_.stride * shape_.channels,
            .window = window_,
            .offsets = offsets_.data(),
            .blocks = blocks,
            .weights = weights_.data() + block * ops_.laid_out(window_),
            .whole = whole_.data() + correction,
            .part = part_.data() + correction,
            .corrections = corrections,
            .columns = places_.data(),
            .pixels = pixels,
            .left = wide_.begin.data(),
            .right = wide_.end.data(),
            .windows = static_cast<int>(wide_.size()),
            .widest = widest_,
            .even = even_.first,
            .even_end = even_.end,
            .apart = even_.apart,
            .goals = to.first,
            .rows = to.count,
            .scratch = room<2>(ops_.scratch(window_, pixels, blocks, widest_)),
            .soon = f.floats,
            .soon_stride = f.floats_stride,
            .soon_first = static_cast<int>(at * wide_.size() / asking),
            .soon_end = static_cast<int>(std::min(at + 1, asking) * wide_.size() / asking)});
}

void Stem::finish(const Part& p, int64_t row, int64_t block, const float* sums) const {
  const int64_t pixels = wide_.size();
  for (int64_t x = 0; x < pixels; x += kRowsInOrder) {
    Finish f = ending_.finish(0, block * kStemPiece, kStemPiece, (p.row + row) * pixels + x, p.all,
                              p.io);
    f.counts = sums + x * kStemPiece;
    f.row_counts = kStemPiece;
    f.pixels = static_cast<int>(std::min<int64_t>(kRowsInOrder, pixels - x));
    finish_(f);
  }
}

}  // namespace bnn
