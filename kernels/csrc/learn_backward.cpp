// Both gradients of a binary convolution, in additions alone.
//
// One side of each is +1 and -1, so a sum over 4 terms has one of 16 values. They are written down
// once (a table of vectors), and each use is one look-up and one addition where there were four
// multiplications and additions:
//
//   to the weights  a table holds 4 pixels, lanes are filters; signs of a channel are the index
//   to the input    a table holds 4 filters, lanes are pixels; signs of weights are the index
//
// Each table serves every place of the kernel and every channel. An addition from memory is 32
// products, and two of them are loaded in a cycle; multiply-adds are 8, and two in a cycle too.
#include "learn.h"

#include <algorithm>

#include "lined.h"
#include "pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

namespace bnn {
namespace learn {
namespace {

#include "learn_vector.h"
#include "learn_layout.h"
#include "learn_tables.h"

constexpr int64_t kImages = 16;    // of an item

struct Work {
  const Backward& b;
  const Layout& at;
  std::vector<int32_t> looks;  // [filters / 16][ky][phase][channels][kx of the phase][4 groups]
  std::vector<float> parts;    // [items][ky][kx][filters / 16][channels][16]

  int64_t weights() const { return at.s.kernel * at.s.kernel * at.s.filters * at.s.channels; }
  void find_looks();
  void gradient(int64_t image, float* rows) const;
  void planes(int64_t image, uint8_t* line, uint8_t* to) const;
  void to_weights(const float* rows, const uint8_t* planes, float* table, float* sums) const;
  void strip_to_weights(const float* rows, const uint8_t* planes, int64_t y, int64_t x,
                        int64_t filter, float* table, float* sums) const;
  void to_input(const float* rows, float* table, float* out) const;
  void filter_tables(const float* rows, int64_t y, int64_t filter, float* table) const;
  template <Estimator E>
  void end(int64_t image, const float* out) const;
  void operator()(int64_t item);
};

void Work::find_looks() {
  const Shape& s = at.s;
  for (int64_t f = 0; f < s.filters; f += kFilters)
    for (int64_t ky = 0; ky < s.kernel; ++ky)
      for (int64_t phase = 0; phase < s.stride; ++phase)
        for (int64_t c = 0; c < s.channels; ++c)
          for (int64_t kx = 0; kx < s.kernel; ++kx) {
            if (at.phase(kx) != phase) continue;
            for (int64_t g = 0; g < 4; ++g) {
              int64_t entry = 0;
              for (int64_t j = 0; j < 4; ++j) {
                const int64_t tap = ((f + 4 * g + j) * s.kernel + ky) * s.kernel + kx;
                entry |= (b.weights[tap * s.pixel_bytes() + c / 8] >> c % 8 & 1) << j;
              }
              looks.push_back((g * kEntries + entry) * at.entry + at.first(phase) - at.shift(kx));
            }
          }
}

// The gradient of the products: [rows][pitch][filters], zero where there is no pixel.
void Work::gradient(int64_t image, float* rows) const {
  const int64_t filters = at.s.filters;
  for (int64_t y = 0; y < at.height; ++y)
    for (int64_t x = 0; x < at.width; ++x) {
      const int64_t from = ((image * at.height + y) * at.width + x) * filters;
      float* to = rows + (y * at.pitch + x) * filters;
      for (int64_t f = 0; f < filters; f += 8) {
        const V r = curved(b.d.dots + from + f, b.d.relu);
        const V v = load<V>(b.by_grad + f) * load<V>(b.grad + from + f) + load<V>(b.by_one + f) +
                    load<V>(b.by_r + f) * r;
        save(to + f, b.d.relu ? (r > 0 ? v : V{}) : v);
      }
    }
}

// The signs of an image: [in_rows][phase][channels][plane_bytes], one bit a column; padding is +1.
void Work::planes(int64_t image, uint8_t* line, uint8_t* to) const {
  const Shape& s = at.s;
  const int64_t bytes = s.pixel_bytes();
  for (int64_t phase = 0; phase < s.stride; ++phase) {
    std::fill(line, line + at.plane_bytes * 8, 0);
    const int64_t first = at.first(phase), x = at.column(phase, 0);
    const int64_t count = (s.width - x + s.stride - 1) / s.stride;
    for (int64_t y = 0; y < s.height; ++y)
      for (int64_t c = 0; c < bytes; ++c) {
        const uint8_t* from = b.bits + ((image * s.height + y) * s.width + x) * bytes + c;
        for (int64_t i = 0; i < count; ++i) line[first + i] = from[i * s.stride * bytes];
        const int64_t row = (y + s.padding) * s.stride + phase;
        uint8_t* plane = to + (row * s.channels + 8 * c) * at.plane_bytes;
        for (int64_t i = 0; i < first + count; i += 32) {
          B v = load<B>(line + i);
          for (int64_t j = 7; j >= 0; --j, v += v)
            save(plane + j * at.plane_bytes + i / 8, top_bits(v));
        }
      }
  }
}

// Adds what `count` rows of G tables each give one place of the kernel, for all channels.
template <int G>
void add_signs(const float* table, int64_t count, const uint8_t* plane, int64_t row, int64_t shift,
               int64_t channels, int64_t bytes, float* sums) {
  for (int64_t c = 0; c < channels; ++c, sums += kFilters) {
    V low = load<V>(sums), high = load<V>(sums + 8);
    const float* t = table;
    for (int64_t r = 0; r < count; ++r, t += G * kTable) {
      // Entries are 64 bytes long: 4 signs at bit 6 are the place of one.
      const uint64_t signs = load<uint64_t>(plane + r * row + c * bytes) >> shift << 6;
      UNROLLED for (int i = 0; i < G; ++i) {
        const uint8_t* entry = reinterpret_cast<const uint8_t*>(t) + (signs >> 4 * i & 15 << 6);
        low += load<V>(entry + i * kTable * 4);
        high += load<V>(entry + i * kTable * 4 + 32);
      }
    }
    save(sums, low);
    save(sums + 8, high);
  }
}

void Work::strip_to_weights(const float* rows, const uint8_t* planes, int64_t y, int64_t x,
                            int64_t filter, float* table, float* sums) const {
  const Shape& s = at.s;
  const int64_t groups = std::min(kColumns, (at.pitch - x) / 4);
  float* to = table;
  for (int64_t r = 0; r < at.group_rows; ++r)
    for (int64_t g = 0; g < groups; ++g, to += kTable) {
      const float* p = rows + ((y + r) * at.pitch + x + 4 * g) * s.filters + filter;
      for (int64_t f = 0; f < kFilters; f += 8)
        write_table(load<V>(p + f), load<V>(p + s.filters + f), load<V>(p + 2 * s.filters + f),
                    load<V>(p + 3 * s.filters + f), to + f, kFilters);
    }
  const auto add = groups == 8 ? add_signs<8> : groups == 6 ? add_signs<6>
                 : groups == 4 ? add_signs<4> : add_signs<2>;
  const int64_t plane_row = s.stride * s.channels * at.plane_bytes;  // of one row of the input
  for (int64_t ky = 0; ky < s.kernel; ++ky)
    for (int64_t kx = 0; kx < s.kernel; ++kx) {
      const int64_t from = x + at.shift(kx);
      const uint8_t* plane = planes + (y * s.stride + ky * s.dilation) * plane_row +
                             at.phase(kx) * s.channels * at.plane_bytes + from / 8;
      add(table, at.group_rows, plane, s.stride * plane_row, from % 8, s.channels, at.plane_bytes,
          sums + ((ky * s.kernel + kx) * s.filters + filter) * s.channels);
    }
}

void Work::to_weights(const float* rows, const uint8_t* planes, float* table, float* sums) const {
  for (int64_t filter = 0; filter < at.s.filters; filter += kFilters)
    for (int64_t y = 0; y < at.height; y += at.group_rows)
      for (int64_t x = 0; x < at.pitch; x += 4 * kColumns)
        strip_to_weights(rows, planes, y, x, filter, table, sums);
}

// 4 tables for 16 filters: entries are rows of a strip, with zeros before, between and behind them.
void Work::filter_tables(const float* rows, int64_t y, int64_t filter, float* table) const {
  for (int64_t r = 0; r < at.vector_rows; ++r)
    for (int64_t x = 0; x < at.pitch; x += 8)
      for (int64_t f = 0; f < kFilters; f += 8) {
        const V scale = load<V>(b.scale + filter + f);
        const float* p = rows + ((y + r) * at.pitch + x) * at.s.filters + filter + f;
        V v[8];
        UNROLLED for (int i = 0; i < 8; ++i) v[i] = load<V>(p + i * at.s.filters) * scale;
        transpose(v);
        float* to = table + f / 4 * kEntries * at.entry + kPad + r * at.table_row + x;
        write_table(v[0], v[1], v[2], v[3], to, at.entry);
        write_table(v[4], v[5], v[6], v[7], to + kEntries * at.entry, at.entry);
      }
}

// The place in a strip of its vector k, in floats: a row is N vectors and the zeros behind them.
template <int N>
constexpr int64_t place(int k) {
  return k / N * (8 * N + kPad) + k % N * 8;
}

// Adds to 4 vectors of every channel what `count` look-ups say. to: those of channel 0.
template <int N>
void add_looks(const float* table, const int32_t* looks, int64_t count, int64_t channels,
               float* const* to, int64_t step) {
  float *a = to[0], *b = to[1], *c = to[2], *d = to[3];
  for (; channels > 0; --channels, a += step, b += step, c += step, d += step) {
    V sum[kVectors] = {load<V>(a), load<V>(b), load<V>(c), load<V>(d)};
    for (const int32_t* end = looks + count; looks < end; looks += 4)
      UNROLLED for (int g = 0; g < 4; ++g) {
        const float* entry = table + looks[g];
        UNROLLED for (int k = 0; k < kVectors; ++k) sum[k] += load<V>(entry + place<N>(k));
      }
    save(a, sum[0]);
    save(b, sum[1]);
    save(c, sum[2]);
    save(d, sum[3]);
  }
}

// out: [channels][in_rows][phase][vectors * 8]
void Work::to_input(const float* rows, float* table, float* out) const {
  const Shape& s = at.s;
  const int64_t row = at.out_row(), channel = at.in_rows * row;
  const auto add = at.vectors == 1 ? add_looks<1> : at.vectors == 2 ? add_looks<2> : add_looks<4>;
  const int64_t strip = at.vector_rows * at.vectors;
  for (int64_t y = 0; y < at.height; y += at.vector_rows) {
    const int32_t* look = looks.data();
    for (int64_t filter = 0; filter < s.filters; filter += kFilters) {
      filter_tables(rows, y, filter, table);
      for (int64_t ky = 0; ky < s.kernel; ++ky)
        for (int64_t phase = 0; phase < s.stride; ++phase) {
          int64_t count = 0;
          for (int64_t kx = 0; kx < s.kernel; ++kx) count += at.phase(kx) == phase ? 4 : 0;
          if (!count) continue;
          for (int64_t k = 0; k < strip; k += kVectors) {
            float* to[kVectors];
            for (int64_t j = 0; j < kVectors; ++j) {
              const int64_t r = (k + j) / at.vectors, x = (k + j) % at.vectors * 8;
              const int64_t line = (y + r) * s.stride + ky * s.dilation;
              to[j] = out + line * row + phase * at.vectors * 8 + x;
            }
            add(table + kPad + 8 * k, look, count, s.channels, to, channel);
          }
          look += s.channels * count;
        }
    }
  }
}

template <Estimator E>
inline V estimated(const float* x, V grad) {
  if (E == Estimator::identity) return grad;
  const V v = load<V>(x), size = v > 0 ? v : -v;
  if (E == Estimator::clipped) return size <= 1 ? grad : V{};
  return size <= 1 ? grad * (2 - (size + size)) : V{};
}

// From planes to pixels, through the estimator, beside the shortcut.
template <Estimator E>
void Work::end(int64_t image, const float* out) const {
  const Shape& s = at.s;
  const int64_t channel = at.in_rows * at.out_row(), step = s.stride * s.channels;
  for (int64_t y = 0; y < s.height; ++y)
    for (int64_t phase = 0; phase < s.stride; ++phase)
      for (int64_t i = 0, x; (x = at.column(phase, i)) < s.width; i += 8) {
        const int64_t n = std::min<int64_t>(8, (s.width - x + s.stride - 1) / s.stride);
        const float* from = out + (y + s.padding) * at.out_row() + phase * at.vectors * 8 + i;
        for (int64_t c = 0; c < s.channels; c += 8, from += 8 * channel) {
          V v[8];
          UNROLLED for (int j = 0; j < 8; ++j) v[j] = load<V>(from + j * channel);
          transpose(v);
          int64_t to = ((image * s.height + y) * s.width + x) * s.channels + c;
          for (int64_t j = 0; j < n; ++j, to += step) {
            V g = estimated<E>(b.x + to, v[j]);
            if (b.shortcut) g += load<V>(b.grad + to);
            if (b.more) g += load<V>(b.dx + to);
            save(b.dx + to, g);
          }
        }
      }
}

void Work::operator()(int64_t item) {
  const Shape& s = at.s;
  static thread_local Lined<float> held;
  static thread_local std::vector<uint8_t> signs;
  const int64_t n_rows = at.rows * at.pitch * s.filters, n_table = at.table_floats();
  const int64_t n_out = s.channels * at.in_rows * at.out_row();
  held.assign(n_rows + n_table + n_out + 16, 0.0f);
  const int64_t n_signs = at.in_rows * s.stride * s.channels * at.plane_bytes;
  signs.assign(n_signs + 8 * at.plane_bytes, 0);
  float *const rows = held.data(), *const table = rows + n_rows, *const out = table + n_table;
  for (int64_t i = item * kImages; i < std::min((item + 1) * kImages, b.batch); ++i) {
    gradient(i, rows);
    planes(i, signs.data() + n_signs, signs.data());
    to_weights(rows, signs.data(), table, parts.data() + item * weights());
    std::fill(table, table + n_table, 0.0f);
    std::fill(out, out + n_out, 0.0f);
    to_input(rows, table, out);
    switch (b.estimator) {
      case Estimator::identity: end<Estimator::identity>(i, out); break;
      case Estimator::clipped: end<Estimator::clipped>(i, out); break;
      case Estimator::polynomial: end<Estimator::polynomial>(i, out); break;
    }
  }
}

// Parts in their order, from [ky][kx][filters / 16][channels][16] to [filters][ky][kx][channels].
void add_parts(const Shape& s, const std::vector<float>& parts, int64_t items, float* dw) {
  const int64_t taps = s.kernel * s.kernel, all = taps * s.filters * s.channels;
  const float* from = parts.data();
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t f = 0; f < s.filters; f += kFilters)
      for (int64_t c = 0; c < s.channels; ++c)
        for (int64_t half = f; half < f + kFilters; half += 8, from += 8) {
          V sum{};
          for (int64_t i = 0; i < items; ++i) sum += load<V>(from + i * all);
          for (int64_t j = 0; j < 8; ++j) dw[((half + j) * taps + tap) * s.channels + c] = sum[j];
        }
}

}  // namespace

bool fits(const Shape& s) {
  const Layout at(s);
  return s.channels % kChannels == 0 && s.filters % kFilters == 0 && s.products() <= 1 << 14 &&
         at.reach() <= kPad && at.pitch <= at.vectors * 8;
}

void backward(const Backward& b, int threads) {
  const Layout at(b.shape);
  const int64_t items = (b.batch + kImages - 1) / kImages;
  Work work{b, at, {}, {}};
  work.find_looks();
  work.parts.assign(items * work.weights(), 0.0f);
  parallel(items, threads, work);
  add_parts(b.shape, work.parts, items, b.dw);
}

}  // namespace learn
}  // namespace bnn

#if defined(__x86_64__)
#pragma GCC pop_options
#endif
