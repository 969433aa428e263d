// One op with its weights, laid out for one product of one instruction set, ready to run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ending.h"
#include "isa.h"
#include "runner.h"

namespace bnn {

// kernels/ops.py, BinaryConv. Checked there and again by `Kernel`.
struct Shape {
  int64_t height, width, channels, filters, kernel, stride, dilation, padding, inputs, bases;
  bool own;

  void check() const;  // throws std::invalid_argument
  int64_t out(int64_t size) const {
    return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
  }
  int64_t pixels() const { return out(height) * out(width); }
  int64_t pairs() const { return own ? bases : inputs * bases; }
  int64_t pixel_bytes() const { return (channels + 7) / 8; }
  int64_t field_bytes() const { return kernel * kernel * pixel_bytes(); }
  int64_t products() const { return kernel * kernel * channels; }
};

constexpr int64_t kCache = 192 << 10;  // stored bytes of patches or bands that are worked on at once

struct Buffers {
  const uint8_t* input;   // [inputs][batch][height][width][pixel_bytes]
  const float* residual;  // [1 or pairs][batch][out height][out width][filters]
  int32_t* dots;          // [pairs][batch][out height][out width][filters]
  float* floats;          // [sets][batch][out height][out width][filters]
  uint8_t* bits;          // [sets][signs][batch][out height][out width][filter bytes]
};

// Why this product cannot compute this shape; empty if it can.
std::string misfit(const Shape& shape, const Product& product);

class Kernel final : public Runner {
 public:
  // Weights: [bases][filters][kernel][kernel][pixel_bytes].
  Kernel(const Shape& shape, const After& after, const Isa& isa, const Product& product,
         const uint8_t* weights, const Constants& constants);

  void run(int64_t batch, const Buffers& buffers, int threads) const;
  Shapes shapes() const override;
  bool in_place() const override { return true; }
  void run(int64_t batch, const Io& io, int threads) const override;  // not for raw dot products

  // Throws std::invalid_argument where a bit past the last channel is set.
  void check_spare(int64_t batch, const uint8_t* input) const;

  const Shape shape;
  const After after;
  int64_t sets() const { return ending_.sets(); }
  int64_t filter_bytes() const { return ending_.bytes(); }

 private:
  // Narrow blocks of several bases that read one input are counted together, as one wide product.
  struct Cut {
    int64_t base;      // the first of its bases
    int bases, width;  // how many, and the width of the product, at least bases * block width
    int64_t weights;   // where they begin
  };
  struct Block {
    int first, width, channels;
    std::vector<Cut> cuts;
  };
  struct Slice {  // a panel of an image, or of a strip of patches or bands
    int64_t base;
    const int64_t* units;
    const int32_t* rows;
    int n_units;
    int64_t first_pixel;
    int pixels;
  };
  struct Slices {
    std::vector<int64_t> units;
    std::vector<int32_t> rows;
    std::vector<Slice> all;  // in order; they point into the others

    void point();  // they do, once all of it is there
  };
  struct Fields {  // where the stored form of the inputs is, and which output pixels it serves
    const uint8_t* stored;
    int64_t input_stride;
    int64_t first_pixel, pixels;  // of all images of the batch
  };

  void plan_runs();
  void plan_lines();
  void plan_blocks();
  void plan_slices();
  void plan_positions();
  int64_t position_row() const;
  Slices positions(int64_t most) const;
  void lay_out(const uint8_t* weights);
  void find_limits();

  Slice slice(int64_t index, int64_t pixels) const;
  int64_t slices(int64_t pixels) const;
  void store_padded(const uint8_t* image, uint8_t* to) const;
  void store_rows(const uint8_t* image, uint8_t* to) const;
  void store_planes(const uint8_t* image, uint8_t* to) const;
  void plan_bands();
  void plan_strip();
  void store_line(const uint8_t* from, uint8_t* to) const;
  void store_bands(const uint8_t* images, int64_t first, int64_t end, uint8_t* to) const;
  void run_rows(int64_t batch, const Buffers& buffers, int threads) const;
  void run_bands(int64_t batch, const Buffers& buffers, int threads) const;
  void run_patches(int64_t batch, const Buffers& buffers, int threads) const;
  void compute(const Fields& fields, int64_t batch, const Buffers& buffers, int threads) const;
  void panel(const Fields& fields, const Block& block, const Slice& slice, int64_t batch,
             const Buffers& buffers) const;
  Finish finish(int64_t pair, const Block& block, int64_t pixel, int64_t batch,
                const Buffers& buffers) const;

  const Ending ending_;
  const Isa& isa_;
  const Product& product_;
  int64_t run_bytes_, padded_run_;    // packed bytes of a run, and as its weights are padded
  int64_t field_bytes_;               // packed bytes of a field of padded runs
  Lines lines_{};                     // of positions that are whole lines; else none
  int64_t row_stored_, pixel_stored_; // stored bytes of an image row and of a pixel in it
  int64_t columns_;                   // of planes: pixels of a row that are a stride apart; of
                                      // bands: columns that are `dilation` apart
  int64_t strip_;                     // output pixels of bands that are worked on at a time
  int64_t line_stored_;               // of bands: stored bytes of a line of the padded image
  Weave weave_{};
  std::vector<Run> runs_;
  std::vector<Block> blocks_;
  int64_t panel_pixels_;              // output pixels in a panel
  int64_t padded_;                    // filters, rounded up to whole blocks
  int64_t skip_ = 0;                  // positions from the end of a row to the next row
  Slices slices_;                     // of an image; of a strip, which are all alike, just units
  Slices large_;                      // of an image, for a thread that does all of them, or none
  Lined<uint8_t> weights_;
  Lined<int32_t> limits_;             // [pairs][signs][padded_], or empty
  std::vector<uint8_t> inverted_;     // [bases][filters] whose weights are, or empty
};

}  // namespace bnn
