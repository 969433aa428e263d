#include "real_conv.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "copy.h"
#include "pool.h"
#include "room.h"

namespace bnn {
namespace {

constexpr int64_t kCache = 192 << 10;   // bytes of input that are worked on at a time
constexpr int64_t kMostPixels = 4096;   // in a band of several rows
constexpr int64_t kMostBytes = int64_t{1} << 31;  // of a band of one row
constexpr int64_t kChunk = 256;         // weights of a filter that stay in the first cache
constexpr int64_t kShort = 32;          // floats in a run
constexpr size_t kNear = 1 << 20;       // weights that stay in a cache
constexpr int64_t kFirst = 32 << 10;    // bytes that surely stay in the first cache

}  // namespace

void RealShape::check() const {
  const int64_t side = 1 << 16;
  in_limits("height", height, 1, side);
  in_limits("width", width, 1, side);
  in_limits("channels", channels, 1, int64_t{1} << 30);
  in_limits("filters", filters, 1, side);
  in_limits("kernel", kernel, 1, 7);
  in_limits("stride", stride, 1, 64);
  in_limits("dilation", dilation, 1, 64);
  in_limits("padding", padding, 0, 1024);
  in_limits("inputs", inputs, 1, 64);
  in_limits("groups", groups, 1, channels);
  if (channels % groups || filters % groups)
    throw std::invalid_argument("groups divide channels and filters");
  if (height + 2 * padding < reach() || width + 2 * padding < reach())
    throw std::invalid_argument("the kernel is larger than the padded image");
}

RealConv::RealConv(const RealShape& shape, const After& after, const Isa& isa,
                   const float* weights, const Constants& constants)
    : shape_((shape.check(), shape)),
      ending_(after, constants, shape.inputs, shape.filters),
      ops_(*isa.real),
      field_(shape.kernel * shape.kernel * shape.taken()) {
  finite("weights", weights, shape.filters * field_);
  // A depthwise product reads whole lines of channels, also where they end before the line does.
  as_it_is_ = shape.padding == 0 && !(shape.depthwise() && shape.channels % kPiece);
  one_ = as_it_is_ && shape.kernel == 1 && shape.stride == 1;
  wide_ = shape.width + 2 * shape.padding;
  row_ = shape.out(shape.width);
  plan_runs();
  plan_points();
  plan_blocks();
  plan_bands();
  lay_out(weights);
}

Shapes RealConv::shapes() const {
  Shapes s{};
  s.reads = {shape_.inputs, shape_.height, shape_.width, shape_.channels, false};
  ending_.shape(s, shape_.out(shape_.height), shape_.out(shape_.width));
  return s;
}

void RealConv::plan_runs() {
  const RealShape& s = shape_;
  const bool row = s.dilation == 1 && s.groups == 1;  // the columns of a window lie side by side
  const int64_t columns = row ? 1 : s.kernel, together = row ? s.kernel * s.channels : s.taken();
  for (int64_t y = 0; y < s.kernel; ++y)
    for (int64_t x = 0; x < columns; ++x)
      for (int64_t c = 0; c < together; c += kChunk)
        runs_.push_back({(y * wide_ + x) * s.dilation * s.channels + c,
                         std::min(kChunk, together - c)});
  int64_t begin = 0;
  for (const RealRun& run : runs_) {
    if (chunks_.empty() || chunks_.back().floats + run.floats > kChunk)
      chunks_.push_back({static_cast<int>(&run - runs_.data()), 0, begin, 0});
    ++chunks_.back().n;
    chunks_.back().floats += run.floats;
    begin += run.floats;
  }
}

// A short loop costs more to end than to run.
void RealConv::plan_points() {
  if (shape_.depthwise() || runs_.size() == 1 || chunks_.size() > 1) return;
  if (runs_[0].floats > kShort) return;
  for (const RealRun& run : runs_)
    for (int64_t c = 0; c < run.floats; ++c) points_.push_back(run.offset + c);
}

void RealConv::plan_blocks() {
  const RealShape& s = shape_;
  int64_t weights = 0;
  for (int64_t first = 0; first < s.filters; first += kWidest) {
    const int64_t channels = std::min<int64_t>(kWidest, s.filters - first);
    Block block{first, round_up(channels, kPiece), {}};
    const bool whole = s.groups == 1 || s.depthwise();
    for (int64_t f = first; f < first + channels;) {
      const int64_t group = f / s.made(), end = std::min((group + 1) * s.made(), first + channels);
      const int64_t pieces = whole ? block.width / kPiece : 1;
      block.parts.push_back({s.depthwise() ? f : group * s.taken(), f - first, weights,
                             static_cast<int>(pieces)});
      weights += pieces * field_ * kPiece;
      f = whole ? first + channels : std::min(f + kPiece, end);
    }
    blocks_.push_back(std::move(block));
  }
  weights_.resize(weights + kPiece);
}

void RealConv::plan_bands() {
  const RealShape& s = shape_;
  const int64_t out_wide = s.out(s.width), out_tall = s.out(s.height);
  const int64_t row = wide_ * s.channels * static_cast<int64_t>(sizeof(float));
  if (!as_it_is_ && row > kMostBytes / (s.reach() * s.inputs))
    throw std::invalid_argument("a row of windows is larger than this can hold");
  const int64_t fit = (kCache / (row * s.inputs) - s.reach()) / s.stride + 1;
  if (one_) {  // the rows of other images may follow, and nothing is stored
    band_ = std::max(fit, kRealPixels / out_wide);
  } else {
    const int64_t most = std::max<int64_t>(1, std::min(fit, out_tall));
    band_ = (out_tall + (out_tall + most - 1) / most - 1) / ((out_tall + most - 1) / most);
  }
  band_ = std::max<int64_t>(1, std::min(band_, kMostPixels / out_wide));
  for (int64_t y = 0; y < band_; ++y)
    for (int64_t x = 0; x < out_wide; ++x)
      units_.push_back((y * wide_ + x) * s.stride * s.channels);
}

// [part][chunk][piece][y, x and channel][16], in the order in which they are read.
void RealConv::lay_out(const float* weights) {
  for (const Block& block : blocks_)
    for (size_t i = 0; i < block.parts.size(); ++i) {
      const Part& part = block.parts[i];
      const bool last = i + 1 == block.parts.size();
      const int64_t end = last ? std::min(block.first + block.width, shape_.filters)
                               : block.first + block.parts[i + 1].column;
      for (int64_t f = block.first + part.column; f < end; ++f) {
        const int64_t n = f - block.first - part.column;
        float* to = weights_.data() + part.weights + n % kPiece;
        for (const Chunk& chunk : chunks_) {
          const int64_t before = chunk.begin * part.pieces + n / kPiece * chunk.floats;
          for (int64_t k = 0; k < chunk.floats; ++k)
            to[(before + k) * kPiece] = weights[f * field_ + chunk.begin + k];
        }
      }
    }
}

// Rows of input for `rows` rows of output, with their border.
void RealConv::store(const float* image, int64_t row, int64_t rows, float* to) const {
  const RealShape& s = shape_;
  const int64_t pad = s.padding * s.channels, inner = s.width * s.channels;
  const int64_t first = row * s.stride - s.padding;
  const int64_t end = first + (rows - 1) * s.stride + s.reach();
  for (int64_t y = first; y < end; ++y, to += wide_ * s.channels) {
    if (y < 0 || y >= s.height) {
      std::memset(to, 0, sizeof(float) * wide_ * s.channels);
      continue;
    }
    for (int64_t i = 0; i < pad; ++i) to[i] = to[pad + inner + i] = 0.0f;
    copy(reinterpret_cast<uint8_t*>(to + pad), reinterpret_cast<const uint8_t*>(image + y * inner),
         static_cast<int64_t>(sizeof(float)) * inner);
  }
}

void RealConv::run(int64_t batch, const Io& io, int threads) const {
  const RealShape& s = shape_;
  const int64_t out_wide = s.out(s.width), out_tall = s.out(s.height);
  const int64_t images = one_ ? 1 : batch, rows = one_ ? batch * out_tall : out_tall;
  const int64_t line = wide_ * s.channels, image = s.height * s.width * s.channels;
  const int64_t stored = ((band_ - 1) * s.stride + s.reach()) * line + kPiece;
  const int64_t bands = (rows + band_ - 1) / band_, items = images * bands;
  const int64_t blocks = static_cast<int64_t>(blocks_.size());
  const int64_t parts =
      threads == 1 ? 1 : std::min(blocks, std::max<int64_t>(1, 4 * threads / items));
  auto work = [&](int64_t item) {
    const int64_t part = item % parts, n = item / parts / bands;
    const int64_t row = item / parts % bands * band_, tall = std::min(band_, rows - row);
    float* to = as_it_is_ ? nullptr : reinterpret_cast<float*>(room<0>(4 * s.inputs * stored));
    const float* inputs[64];
    for (int64_t i = 0; i < s.inputs; ++i) {
      const float* from = static_cast<const float*>(io.reads[i]) + n * image;
      inputs[i] = as_it_is_ ? from + row * s.stride * line : to + i * stored;
      if (!as_it_is_) store(from, row, tall, to + i * stored);
    }
    const Band band{inputs, (n * rows + row) * out_wide, tall * out_wide, images * rows * out_wide};
    const int64_t panels = (band.pixels + kRealPixels - 1) / kRealPixels;
    for (int64_t b = part * blocks / parts; b < (part + 1) * blocks / parts; ++b)
      for (int64_t p = 0; p < panels; ++p)
        panel(band, blocks_[b], p * band.pixels / panels, (p + 1) * band.pixels / panels, io);
  };
  parallel(items * parts, threads, work);
}

void RealConv::panel(const Band& band, const Block& block, int64_t first, int64_t end,
                     const Io& io) const {
  alignas(64) float sums[kRealPixels * kSumRow];
  alignas(64) float sum[kRealPixels * kWidest];
  const int pixels = static_cast<int>(end - first);
  const bool ahead = ending_.after.floats && band.all * shape_.filters * 4 > kFirst;
  for (int64_t i = 0; i < shape_.inputs; ++i) {
    Finish f = ending_.finish(i, block.first, block.width, band.first + first, band.all, io);
    for (int p = 0; ahead && p < pixels; ++p)  // to be there to be written
      for (int c = 0; c < f.channels; c += kPiece)
        __builtin_prefetch(f.floats + p * f.floats_stride + c, 1);
    add_up(band.inputs[i], block, first, pixels, sums);
    f.counts = sums;
    f.row_counts = kSumRow;
    f.pixels = pixels;
    f.sum = ending_.after.sum && shape_.inputs > 1 ? sum : nullptr;
    ops_.finish(f);
  }
}

// A chunk of weights serves all pixels before the next one comes; but parts of several groups write
// over each other's ends, so each of them is made whole before the next begins.
void RealConv::add_up(const float* input, const Block& block, int64_t first, int pixels,
                      float* sums) const {
  RealPanel p{};
  p.units = units_.data() + first;
  p.pixels = pixels;
  p.row = static_cast<int>(one_ ? kRealPixels : std::min<int64_t>(row_, kRealPixels));
  p.first_row = static_cast<int>(one_ ? kRealPixels : row_ - first % row_);
  p.step = shape_.stride * shape_.channels;
  for (const Part& part : block.parts)
    for (const Chunk& chunk : chunks_) {
      p.input = input + part.channel;
      p.runs = runs_.data() + chunk.first;
      p.n_runs = chunk.n;
      p.points = points_.data();
      p.n_points = static_cast<int>(points_.size());
      p.weights = weights_.data() + part.weights + chunk.begin * part.pieces * kPiece;
      p.stride = chunk.floats * kPiece;
      p.pieces = part.pieces;
      p.ahead = weights_.size() > kNear ? (chunk.floats + pixels - 1) / pixels : 0;
      p.begin = chunk.begin == 0;
      p.sums = sums + part.column;
      (shape_.depthwise() ? ops_.depthwise : ops_.dense)(p);
    }
}

}  // namespace bnn
