// Ops whose output pixels stand for stretches of the input: pools, skips, resizes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "pool.h"
#include "real_ops.h"
#include "room.h"

namespace bnn {

void MapShape::check() const {
  const int64_t side = 1 << 16;
  in_limits("height", height, 1, side);
  in_limits("width", width, 1, side);
  in_limits("channels", channels, 1, side);
  in_limits("sets", sets, 1, 4096);
}

// What lies over the border is left out.
Stretches Stretches::sliding(int64_t size, int64_t kernel, int64_t stride, int64_t padding) {
  in_limits("kernel", kernel, 1, 64);
  in_limits("stride", stride, 1, 64);
  in_limits("padding", padding, 0, kernel / 2);
  in_limits("kernel", kernel, 1, size + 2 * padding);
  Stretches s;
  for (int64_t at = -padding; at + kernel <= size + padding; at += stride) {
    s.begin.push_back(static_cast<int32_t>(std::max<int64_t>(at, 0)));
    s.end.push_back(static_cast<int32_t>(std::min(at + kernel, size)));
  }
  return s;
}

Stretches Stretches::dividing(int64_t size, int64_t out) {
  in_limits("size", size, 1, 1 << 16);
  in_limits("out size", out, 1, 1 << 16);
  Stretches s;
  for (int64_t i = 0; i < out; ++i) {
    s.begin.push_back(static_cast<int32_t>(i * size / out));
    s.end.push_back(static_cast<int32_t>(((i + 1) * size + out - 1) / out));
  }
  return s;
}

Windowed::Windowed(const MapShape& in, Stretches rows, Stretches columns, bool largest,
                   int64_t filters, int64_t onto, const Isa& isa)
    : in_(in),
      rows_(std::move(rows)),
      columns_(std::move(columns)),
      largest_(largest),
      filters_(filters),
      onto_(onto),
      ops_(*isa.real) {
  in_.check();
  in_limits("filters", filters, 1, 1 << 16);
  in_limits("onto", onto, 0, 64);
}

Shapes Windowed::shapes() const {
  Shapes s{};
  s.reads = in_.maps();
  if (onto_) s.residual = {onto_, rows_.size(), columns_.size(), filters_, false};
  s.floats = {onto_ ? onto_ : in_.sets, rows_.size(), columns_.size(), filters_, false};
  return s;
}

void Windowed::run(int64_t batch, const Io& io, int threads) const {
  const int64_t tall = rows_.size(), line = columns_.size() * filters_;
  auto work = [&](int64_t item) {
    const int64_t y = item % tall, n = item / tall % batch, set = item / tall / batch;
    const float* image = static_cast<const float*>(io.reads[set]) + n * in_.floats();
    if (!onto_) {
      row(image, y, io.floats + item * line);
      return;
    }
    float* sized = reinterpret_cast<float*>(room<0>(4 * line));
    row(image, y, sized);
    for (int64_t i = 0, at = item * line; i < onto_; ++i, at += batch * tall * line)
      ops_.add(io.residual + at, sized, line, io.floats + at);
  };
  parallel((onto_ ? 1 : in_.sets) * batch * tall, threads, work);
}

void Windowed::row(const float* image, int64_t y, float* to) const {
  Windows w{};
  w.row = in_.width * in_.channels;
  w.from = image + rows_.begin[y] * w.row;
  w.rows = rows_.end[y] - rows_.begin[y];
  w.pixel = in_.channels;
  w.channels = static_cast<int>(std::min(in_.channels, filters_));
  w.left = columns_.begin.data();
  w.right = columns_.end.data();
  w.pixels = static_cast<int>(columns_.size());
  w.out = to;
  w.out_pixel = filters_;
  (largest_ ? ops_.largest : ops_.average)(w);
  for (int64_t p = 0; p < columns_.size() && filters_ > in_.channels; ++p, to += filters_)
    for (int64_t c = in_.channels; c < filters_; c += in_.channels)
      std::memcpy(to + c, to, sizeof(float) * std::min(in_.channels, filters_ - c));
}

Resize::Places::Places(int64_t size, int64_t out) {
  in_limits("out size", out, 1, 1 << 16);
  const double last = static_cast<double>(size - 1);
  for (int64_t i = 0; i < out; ++i) {
    const double at = (static_cast<double>(i) + 0.5) * static_cast<double>(size) /
                          static_cast<double>(out) - 0.5;
    const double inside = std::min(std::max(at, 0.0), last), whole = std::floor(inside);
    before.push_back(static_cast<int32_t>(whole));
    behind.push_back(static_cast<int32_t>(std::min(whole + 1, last)));
    first.push_back(static_cast<float>(1 - (inside - whole)));
    second.push_back(static_cast<float>(inside - whole));
  }
}

Resize::Resize(const MapShape& in, int64_t out_height, int64_t out_width, const Isa& isa)
    : in_((in.check(), in)),
      rows_(in.height, out_height),
      columns_(in.width, out_width),
      ops_(*isa.real) {}

Shapes Resize::shapes() const {
  const int64_t tall = static_cast<int64_t>(rows_.before.size());
  const int64_t wide = static_cast<int64_t>(columns_.before.size());
  Shapes s{};
  s.reads = in_.maps();
  s.floats = {in_.sets, tall, wide, in_.channels, false};
  return s;
}

void Resize::run(int64_t batch, const Io& io, int threads) const {
  const int64_t tall = static_cast<int64_t>(rows_.before.size());
  const int64_t wide = static_cast<int64_t>(columns_.before.size());
  const int64_t line = in_.width * in_.channels;
  auto work = [&](int64_t item) {
    const int64_t y = item % tall, n = item / tall % batch, set = item / tall / batch;
    const float* image = static_cast<const float*>(io.reads[set]) + n * in_.floats();
    ops_.resize({image + rows_.before[y] * line, image + rows_.behind[y] * line, rows_.first[y],
                 rows_.second[y], static_cast<int>(in_.channels), columns_.before.data(),
                 columns_.behind.data(), columns_.first.data(), columns_.second.data(),
                 static_cast<int>(wide),
                 io.floats + item * wide * in_.channels});
  };
  parallel(in_.sets * batch * tall, threads, work);
}

}  // namespace bnn
