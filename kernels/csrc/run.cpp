// Running a kernel: how the work is cut into panels and shared among threads.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "copy.h"
#include "kernel.h"
#include "pool.h"
#include "room.h"

namespace bnn {

int64_t Kernel::slices(int64_t pixels) const {
  if (!slices_.all.empty()) return static_cast<int64_t>(slices_.all.size());
  return (pixels + panel_pixels_ - 1) / panel_pixels_;
}

Kernel::Slice Kernel::slice(int64_t index, int64_t pixels) const {
  if (!slices_.all.empty()) return slices_.all[index];
  const int64_t first = index * panel_pixels_;
  const int n = static_cast<int>(std::min(panel_pixels_, pixels - first));
  if (product_.form == Form::bands)
    return {0, slices_.units.data() + first, rows_in_order(), n, first, n};
  const int units = (n + product_.unit - 1) / product_.unit;
  return {first / product_.unit * field_bytes_ * product_.grow, slices_.units.data(), rows_in_order(),
          units, first, n};
}

void Kernel::run(int64_t batch, const Buffers& buffers, int threads) const {
  if (product_.form == Form::patches) {
    run_patches(batch, buffers, threads);
  } else if (product_.form == Form::bands) {
    run_bands(batch, buffers, threads);
  } else {
    run_rows(batch, buffers, threads);
  }
}

Shapes Kernel::shapes() const {
  if (after.raw())
    throw std::invalid_argument("raw dot products are to be looked at: no program has a place for them");
  const int64_t y = shape.out(shape.height), x = shape.out(shape.width);
  Shapes s{};
  s.together = true;
  s.reads = {shape.inputs, shape.height, shape.width, shape.pixel_bytes(), true};
  ending_.shape(s, y, x);
  return s;
}

void Kernel::run(int64_t batch, const Io& io, int threads) const {
  const uint8_t* input = static_cast<const uint8_t*>(io.reads[0]);
  run(batch, Buffers{input, io.residual, nullptr, io.floats, io.bits}, threads);
}

// Image by image: the padded image is stored in the form of the product, then read where it lies.
void Kernel::run_rows(int64_t batch, const Buffers& buffers, int threads) const {
  const int64_t tall = shape.height + 2 * shape.padding;
  const int64_t image = shape.height * shape.width * shape.pixel_bytes();
  const bool as_it_is =  // and no run is read past its end, which may be the end of the input
      shape.padding == 0 && product_.as_packed() && product_.unit == 1 && run_bytes_ == padded_run_;
  const int64_t beyond =  // what is read past the end, or written there
      product_.align * product_.grow + product_.unit * shape.stride * pixel_stored_;
  const int64_t planes = std::max<int64_t>(lines_.count, 1);
  const int64_t stored_bytes = round_up(planes * tall * row_stored_ + beyond, 64);
  uint8_t* stored = as_it_is ? nullptr : room<0>(shape.inputs * stored_bytes);
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t input = 0; input < shape.inputs && !as_it_is; ++input) {
      const uint8_t* from = buffers.input + (input * batch + n) * image;
      uint8_t* to = stored + input * stored_bytes;
      if (product_.form == Form::planes) {
        store_planes(from, to);
      } else if (product_.as_packed()) {
        store_padded(from, to);
      } else {
        store_rows(from, to);
      }
    }
    const Fields fields = as_it_is
        ? Fields{buffers.input + n * image, batch * image, n * shape.pixels(), shape.pixels()}
        : Fields{stored, stored_bytes, n * shape.pixels(), shape.pixels()};
    compute(fields, batch, buffers, threads);
  }
}

// Strip by strip, across the images: each field is copied together first, then stored.
void Kernel::run_patches(int64_t batch, const Buffers& buffers, int threads) const {
  const int64_t bytes = shape.pixel_bytes(), p = shape.padding, k = shape.kernel;
  const int64_t wide = shape.width + 2 * p, tall = shape.height + 2 * p;
  const int64_t image = tall * wide * bytes, images = shape.inputs * batch;
  const uint8_t* padded_images = buffers.input;
  if (p) {
    uint8_t* to = room<0>(images * image);
    auto pad = [&](int64_t i) {
      std::memset(to + i * image, 0, image);
      for (int64_t y = 0; y < shape.height; ++y)
        std::memcpy(to + i * image + ((y + p) * wide + p) * bytes,
                    buffers.input + (i * shape.height + y) * shape.width * bytes,
                    shape.width * bytes);
    };
    parallel(images, threads, pad);
    padded_images = to;
  }
  const int64_t unit = product_.unit, unit_bytes = field_bytes_ * product_.grow;
  const int64_t fit = kCache / (unit_bytes * shape.inputs) * unit;
  const int64_t all = batch * shape.pixels();
  const int64_t strip = std::min(round_up(all, panel_pixels_),
                                 std::max(fit / panel_pixels_ * panel_pixels_, panel_pixels_));
  const int64_t input_bytes = strip / unit * unit_bytes;
  uint8_t* stored = room<2>(shape.inputs * input_bytes);
  const int64_t out_wide = shape.out(shape.width), out_pixels = shape.pixels();
  const int64_t columns = shape.dilation == 1 ? 1 : k, stretch = shape.dilation == 1 ? k * bytes : bytes;
  const bool copied = product_.as_packed();
  const int64_t spare = field_bytes_ - shape.field_bytes();
  for (int64_t first = 0; first < all; first += strip) {
    const int64_t pixels = std::min(strip, all - first), units = (pixels + unit - 1) / unit;
    constexpr int64_t kSome = 64;  // units to an item
    const int64_t items = (units + kSome - 1) / kSome;
    auto store = [&](int64_t item) {
      const int64_t input = item / items, begin = item % items * kSome;
      const int64_t end = std::min(begin + kSome, units);
      uint8_t* fields = room<1>(2 * field_bytes_);
      uint8_t* to = stored + input * input_bytes + begin * unit_bytes;
      const int64_t pixel = first + begin * unit;
      int64_t n = pixel / out_pixels, y = pixel % out_pixels / out_wide, x = pixel % out_wide;
      for (int64_t u = begin; u < end; ++u, to += unit_bytes) {
        for (int64_t i = 0; i < unit; ++i) {
          uint8_t* field = copied ? to : fields + i * field_bytes_;
          if (n < batch) {  // else the second half of the last unit, which nobody reads
            const uint8_t* row = padded_images + (input * batch + n) * image +
                                 (y * wide + x) * shape.stride * bytes;
            for (int64_t j = 0; j < k; ++j, row += shape.dilation * wide * bytes)
              for (int64_t c = 0; c < columns; ++c, field += stretch)
                copy(field, row + c * shape.dilation * bytes, stretch);
            std::memset(field, 0, spare);
          }
          if (++x == out_wide) {
            x = 0;
            if (++y == shape.out(shape.height)) y = 0, ++n;
          }
        }
        if (!copied) product_.store(fields, fields + field_bytes_, field_bytes_, to);
      }
    };
    parallel(shape.inputs * items, threads, store);
    compute({stored, input_bytes, first, pixels}, batch, buffers, threads);
  }
}

// Block by block, so that the weights of one stay in a cache, and panel by panel inside.
void Kernel::compute(const Fields& fields, int64_t batch, const Buffers& buffers,
                     int threads) const {
  const int64_t panels = slices(fields.pixels);
  const int64_t blocks = static_cast<int64_t>(blocks_.size());
  const int64_t parts = threads == 1 ? 1 : std::min(panels, (4 * threads + blocks - 1) / blocks);
  auto work = [&](int64_t item) {
    const int64_t block = item / parts, part = item % parts;
    const Entered mode(product_.mode);
    if (parts == 1 && !large_.all.empty()) {
      for (const Slice& s : large_.all) panel(fields, blocks_[block], s, batch, buffers);
      return;
    }
    for (int64_t i = part * panels / parts; i < (part + 1) * panels / parts; ++i)
      panel(fields, blocks_[block], slice(i, fields.pixels), batch, buffers);
  };
  parallel(blocks * parts, threads, work);
}

void Kernel::panel(const Fields& fields, const Block& block, const Slice& slice, int64_t batch,
                   const Buffers& buffers) const {
  constexpr int64_t kCounts = std::max(kPerPixel * kPanelPixels, kPositions) * kWidest;
  int32_t* counts = reinterpret_cast<int32_t*>(room<4>(kCounts * sizeof(int32_t)));
  float* sum = reinterpret_cast<float*>(room<5>(slice.pixels * block.width * sizeof(float)));
  Panel p{};
  p.units = slice.units;
  p.count = slice.n_units;
  p.runs = runs_.data();
  p.n_runs = static_cast<int>(runs_.size());
  p.step = shape.stride * pixel_stored_;
  p.wide = static_cast<int>(shape.out(shape.width));
  p.left = p.wide - static_cast<int>(slice.first_pixel % p.wide);
  p.skip = skip_;
  p.products = static_cast<int>(shape.products());
  p.counts = counts;
  p.scratch = product_.scratch ? room<3>(product_.scratch(field_bytes_, kWidest)) : nullptr;
  for (int64_t i = 0; i < (shape.own ? 1 : shape.inputs); ++i)
    for (const Cut& cut : block.cuts) {
      const int64_t input = shape.own ? cut.base : i;
      p.input = fields.stored + input * fields.input_stride + slice.base;
      p.weights = weights_.data() + cut.weights;
      p.width = cut.width;
      if (product_.whole && !after.raw()) {
        const int64_t pair = i * shape.bases + cut.base;
        Finish f = finish(pair, block, fields.first_pixel + slice.first_pixel, batch, buffers);
        f.rows = slice.rows;
        f.pixels = slice.pixels;
        f.sum = after.sum && shape.pairs() > 1 ? sum : nullptr;
        product_.whole(p, f);
        continue;
      }
      product_.panel(p);
      for (int j = 0; j < cut.bases; ++j) {
        const int64_t pair = i * shape.bases + cut.base + j;
        Finish f = finish(pair, block, fields.first_pixel + slice.first_pixel, batch, buffers);
        f.counts = counts;
        f.rows = slice.rows;
        f.row_counts = cut.width;
        f.first_count = j * block.width;
        f.pixels = slice.pixels;
        f.sum = after.sum && shape.pairs() > 1 ? sum : nullptr;
        f.first = pair == 0;
        f.last = pair + 1 == shape.pairs();
        isa_.finish(f);
      }
    }
}

Finish Kernel::finish(int64_t pair, const Block& block, int64_t pixel, int64_t batch,
                      const Buffers& buffers) const {
  const int64_t all = batch * shape.pixels();
  if (after.raw()) {
    Finish f{};
    f.width = block.width;
    f.channels = block.channels;
    f.products = static_cast<int>(shape.products());
    f.dots_stride = shape.filters;
    f.dots = buffers.dots + (pair * all + pixel) * shape.filters + block.first;
    return f;
  }
  const Io io{nullptr, buffers.residual, buffers.floats, buffers.bits};
  Finish f = ending_.finish(pair, block.first, block.width, pixel, all, io);
  f.products = static_cast<int>(shape.products());
  if (!limits_.empty()) {
    f.limits = limits_.data() + pair * after.signs * padded_ + block.first;
    f.limits_stride = padded_;
  }
  return f;
}

}  // namespace bnn
