// A float32 convolution with its weights, ready to run: kernels/real_ops.py, RealConv. A linear map
// is one over an image of one pixel.
#pragma once

#include <cstdint>
#include <vector>

#include "ending.h"
#include "isa.h"
#include "lined.h"

namespace bnn {

struct RealShape {
  int64_t height, width, channels, filters, kernel, stride, dilation, padding, groups, inputs;

  void check() const;  // throws std::invalid_argument
  int64_t reach() const { return dilation * (kernel - 1) + 1; }
  int64_t out(int64_t size) const { return (size + 2 * padding - reach()) / stride + 1; }
  int64_t taken() const { return channels / groups; }  // channels that a filter sees
  int64_t made() const { return filters / groups; }    // filters that see them
  bool depthwise() const { return taken() == 1 && made() == 1 && groups > 1; }
};

class RealConv final : public Runner {
 public:
  // Weights: [filters][kernel][kernel][taken].
  RealConv(const RealShape& shape, const After& after, const Isa& isa, const float* weights,
           const Constants& constants);

  Shapes shapes() const override;
  void run(int64_t batch, const Io& io, int threads) const override;

 private:
  // Pieces of filters that see the same channels.
  struct Part {
    int64_t channel, column, weights;
    int pieces;
  };
  struct Block {  // filters that are finished together
    int64_t first, width;
    std::vector<Part> parts;
  };
  struct Chunk {  // runs whose weights fit the first cache
    int first, n;
    int64_t begin, floats;  // of the field
  };
  struct Band {  // some output rows
    const float* const* inputs;  // where their first windows begin
    int64_t first, pixels, all;  // of all output pixels of a set
  };

  void plan_runs();
  void plan_points();
  void plan_blocks();
  void plan_bands();
  void lay_out(const float* weights);
  void store(const float* image, int64_t row, int64_t rows, float* to) const;
  void panel(const Band& band, const Block& block, int64_t first, int64_t end,
             const Io& io) const;
  void add_up(const float* input, const Block& block, int64_t first, int pixels,
              float* sums) const;

  const RealShape shape_;
  const Ending ending_;
  const RealOps& ops_;
  const int64_t field_;        // floats in a field
  bool as_it_is_;              // the input is read where it lies
  bool one_;                   // and no window is larger than a pixel: a batch is one tall image
  int64_t wide_;               // pixels of a row of the input, with its border
  int64_t row_;                // and of a row of the output
  int64_t band_;               // output rows in a band
  std::vector<RealRun> runs_;
  std::vector<Chunk> chunks_;
  std::vector<int64_t> points_;  // of a small field, or none
  std::vector<Block> blocks_;
  std::vector<int64_t> units_;  // of the pixels of a band
  Lined<float> weights_;
};

}  // namespace bnn
