// Bands: the rows of output, each with all that it needs in one stretch of memory.
//
// A field of a convolution is k rows of an image high. A band has the k pixels of each column side
// by side, so that the field of the next pixel begins one column later, and is whole in one stretch:
// it takes k times the memory of the image, not k * k times as fields that are copied one by one.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "copy.h"
#include "kernel.h"
#include "pool.h"
#include "room.h"

namespace bnn {
namespace {

constexpr int64_t kStripPixels = 1 << 14;
constexpr int64_t kSome = 16;  // bands to an item of work: they share lines

Weave weave_of(int64_t lines, int64_t pixel, int64_t column, int64_t columns) {
  Weave w{};
  w.lines = static_cast<int>(lines);
  w.bytes = round_up(columns * column, 64);
  w.stored = kLead + w.bytes + 64;
  w.period = column / std::gcd(column, int64_t{64});
  w.step = w.period * 64 / column * pixel;
  for (int64_t i = 0; i < w.period; ++i)
    for (int64_t line = 0; line < lines; ++line) {
      Weave::Piece piece{{}, {}, -1};
      for (int64_t b = 0; b < 64; ++b) {
        const int64_t at = i * 64 + b, inside = at % column - line * pixel;
        if (inside < 0 || inside >= pixel) continue;
        const int64_t from = at / column * pixel + inside;
        if (piece.from < 0) piece.from = from;
        piece.index[b] = static_cast<uint8_t>(from - piece.from);
        piece.mask[b] = 255;
      }
      piece.from = std::max<int64_t>(piece.from, 0);
      w.pieces.push_back(piece);
    }
  return w;
}

// How far the lines are read: each piece to its end.
int64_t reach(const Weave& w) {
  int64_t most = 0;
  for (int64_t i = 0; i < w.bytes / 64; ++i)
    for (int64_t line = 0; line < w.lines; ++line) {
      const int64_t from = w.pieces[i % w.period * w.lines + line].from;
      most = std::max(most, i / w.period * w.step + from + 64);
    }
  return most;
}

}  // namespace

void Kernel::plan_bands() {
  const int64_t wide = shape.width + 2 * shape.padding, pixel = shape.pixel_bytes();
  pixel_stored_ = round_up(shape.kernel * pixel, product_.column);  // of a column
  columns_ = round_up(wide, shape.dilation) / shape.dilation;
  const int64_t columns = columns_ * shape.dilation;
  weave_ = weave_of(shape.kernel, pixel, pixel_stored_, columns);
  line_stored_ = round_up(std::max(reach(weave_), columns * pixel), 64);
  weave_.apart = shape.dilation * line_stored_;
  weave_.next = shape.stride * line_stored_;
  row_stored_ = weave_.stored;
  run_bytes_ = shape.kernel * pixel_stored_;
  padded_run_ = field_bytes_ = round_up(run_bytes_, product_.align);
  runs_ = {{0, run_bytes_}};
}

// All strips are alike, but that the last may be shorter.
void Kernel::plan_strip() {
  const int64_t wide = shape.out(shape.width);
  const int64_t most = std::min(kCache / (row_stored_ * shape.inputs), kStripPixels / wide);
  strip_ = std::max<int64_t>(1, most) * wide;
  for (int64_t i = 0; i < strip_; ++i) {
    const int64_t x = i % wide * shape.stride;
    slices_.units.push_back(i / wide * row_stored_ + kLead +
                     (x % shape.dilation * columns_ + x / shape.dilation) * pixel_stored_);
  }
}

// A row of the image with its border, in the order of the columns; the border is there already.
void Kernel::store_line(const uint8_t* from, uint8_t* to) const {
  const int64_t pixel = shape.pixel_bytes(), d = shape.dilation, p = shape.padding;
  if (d == 1) {
    copy(to + p * pixel, from, shape.width * pixel);
    return;
  }
  for (int64_t i = 0; i < shape.width; ++i)
    std::memcpy(to + ((i + p) % d * columns_ + (i + p) / d) * pixel, from + i * pixel, pixel);
}

// The bands first .. end of an image. All lines that they need are stored before the first of them
// is read: a load that finds what was stored just before, in other pieces, has to wait.
void Kernel::store_bands(const uint8_t* image, int64_t first, int64_t end, uint8_t* to) const {
  const int64_t row = shape.width * shape.pixel_bytes(), n = end - first;
  const int64_t top = first * shape.stride - shape.padding;
  const int64_t lines = (n - 1) * shape.stride + (shape.kernel - 1) * shape.dilation + 1;
  uint8_t* stored = room<1>(lines * line_stored_);
  std::memset(stored, 0, lines * line_stored_);
  for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + lines, shape.height); ++y)
    store_line(image + y * row, stored + (y - top) * line_stored_);
  product_.weave(stored, n, weave_, to);
}

// Strip by strip, across the images; a strip in parts that lie in one image each.
void Kernel::run_bands(int64_t batch, const Buffers& buffers, int threads) const {
  const int64_t tall = shape.out(shape.height), wide = shape.out(shape.width);
  const int64_t rows = batch * tall, some = std::min(rows, strip_ / wide);
  const int64_t image = shape.height * shape.width * shape.pixel_bytes();
  const int64_t part = std::min(tall, kSome);
  uint8_t* stored = room<0>(shape.inputs * some * row_stored_);
  for (int64_t first = 0; first < rows; first += some) {
    const int64_t end = std::min(first + some, rows), parts = (tall + part - 1) / part;
    const int64_t begin = first / tall, images = (end - 1) / tall + 1 - begin;
    auto store = [&](int64_t item) {
      const int64_t input = item / (images * parts), n = begin + item / parts % images;
      const int64_t y = item % parts * part;
      const int64_t from = std::max(n * tall + y, first);
      const int64_t to = std::min(n * tall + std::min(y + part, tall), end);
      if (from < to)
        store_bands(buffers.input + (input * batch + n) * image, from - n * tall, to - n * tall,
                    stored + (input * some + from - first) * row_stored_);
    };
    parallel(shape.inputs * images * parts, threads, store);
    compute({stored, some * row_stored_, first * wide, (end - first) * wide}, batch, buffers,
            threads);
  }
}

}  // namespace bnn
