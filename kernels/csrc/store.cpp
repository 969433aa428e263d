// An image with its border, in the form that a product reads where it lies.
#include <algorithm>
#include <cstring>

#include "copy.h"
#include "kernel.h"
#include "room.h"

namespace bnn {
namespace {

// The two nibbles of every step-th byte.
void split(const uint8_t* from, int64_t step, int64_t n, uint8_t* low, uint8_t* high) {
  for (int64_t i = 0; i < n; ++i, from += step) low[i] = *from & 15, high[i] = *from >> 4;
}

// The same of byte b of every word: compilers make vectors of this.
template <class Word>
void split_words(const uint8_t* __restrict from, int64_t b, int64_t n, uint8_t* __restrict low,
                 uint8_t* __restrict high) {
  for (int64_t i = 0; i < n; ++i) {
    Word word;
    __builtin_memcpy(&word, from + i * sizeof word, sizeof word);
    const Word byte = word >> (8 * b) & 255;
    low[i] = byte & 15;
    high[i] = byte >> 4;
  }
}

}  // namespace

// Cuts an image into planes, with its border.
void Kernel::store_planes(const uint8_t* image, uint8_t* to) const {
  std::memset(to, 0, (shape.height + 2 * shape.padding) * row_stored_);
  const int64_t bytes = shape.pixel_bytes(), step = shape.stride * bytes;
  const int64_t plane = shape.stride * columns_;
  for (int64_t i = 0; i < std::min(shape.stride, shape.width); ++i) {
    const int64_t x = i + shape.padding, n = (shape.width - i + shape.stride - 1) / shape.stride;
    const uint8_t* from = image + i * bytes;
    uint8_t* row = to + x % shape.stride * columns_ + x / shape.stride;
    row += shape.padding * row_stored_;
    for (int64_t y = 0; y < shape.height; ++y, from += shape.width * bytes, row += row_stored_)
      for (int64_t b = 0; b < bytes; ++b) {
        uint8_t *low = row + 2 * b * plane, *high = low + plane;
        if (step == 2 && bytes == 2) {
          split_words<uint16_t>(from, b, n, low, high);
        } else if (step == 4 && bytes == 4) {
          split_words<uint32_t>(from, b, n, low, high);
        } else {
          split(from + b, step, n, low, high);
        }
      }
  }
}

// An image as it is packed, with its border.
void Kernel::store_padded(const uint8_t* image, uint8_t* to) const {
  const int64_t row = shape.width * shape.pixel_bytes();
  const int64_t sides = 2 * shape.padding * shape.pixel_bytes();  // the end of a row, and the next
  const int64_t above = shape.padding * row_stored_ + sides / 2;
  std::memset(to, 0, above);
  to += above;
  for (int64_t y = 0; y < shape.height; ++y, image += row, to += row_stored_) {
    copy(to, image, row);
    for (int64_t i = 0; i < sides; ++i) to[row + i] = 0;
  }
  if (shape.padding) std::memset(to, 0, above - sides);
}

// An image in the form of the product, row by row, with its border.
void Kernel::store_rows(const uint8_t* image, uint8_t* to) const {
  const int64_t bytes = shape.pixel_bytes(), row = shape.width * bytes;
  const int64_t wide = shape.width + 2 * shape.padding, raw = (wide + shape.stride) * bytes;
  uint8_t* whole = room<0>(2 * raw);  // a row with its borders; its middle is written row by row
  uint8_t* above = whole + raw;       // a row of border
  std::memset(whole, 0, 2 * raw);
  for (int64_t y = -shape.padding; y < shape.height + shape.padding; ++y, to += row_stored_) {
    const bool border = y < 0 || y >= shape.height;
    if (!border) std::memcpy(whole + shape.padding * bytes, image + y * row, row);
    const uint8_t* padded = border ? above : whole;
    if (lines_.count) {
      product_.store_lines(padded, wide, lines_, to);
    } else {
      product_.store(padded, padded + shape.stride * bytes, row_stored_ / product_.grow, to);
    }
  }
}

}  // namespace bnn
