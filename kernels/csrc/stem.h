// A convolution on the pixels of an image, its max pool and its ending in one pass, ready to run:
// kernels/real_ops.py, Stem.
#pragma once

#include <cstdint>
#include <vector>

#include "ending.h"
#include "isa.h"
#include "lined.h"
#include "real_ops.h"

namespace bnn {

struct StemShape {
  int64_t height, width, channels, filters, kernel, stride, padding;
  int64_t pool, pool_stride, pool_padding;  // pool 0: none

  void check() const;  // throws std::invalid_argument
  int64_t out(int64_t size) const { return (size + 2 * padding - kernel) / stride + 1; }
};

class Stem final : public Runner {
 public:
  // Weights: [filters][kernel][kernel][channels]; mean: [channels], of 0 to 255.
  Stem(const StemShape& shape, const After& after, const Isa& isa, const int16_t* weights,
       const float* mean, const Constants& constants);

  Shapes shapes() const override;
  void run(int64_t batch, const Io& io, int threads) const override;

 private:
  // Along a side, windows meet the image in a few ways: all of their taps, or those of a cut.
  struct Cuts {
    std::vector<int64_t> begin, end;  // of the taps inside
    std::vector<int32_t> of;          // of each output row or column
    Cuts(const StemShape& shape, int64_t size);
  };
  struct Part {  // some output rows of an image of a batch
    const uint8_t* image;
    int64_t first, end;
    int64_t row, all;  // the first output row among all of the batch; output pixels of the batch
    const Io& io;
  };
  struct Goals {  // of a row of the convolution
    const StemGoal* first;
    int count;
    int64_t newest;  // the output row of the last one
  };
  struct Even {  // windows along a row of the pool, as StemRow has them
    int first, end, apart;
  };

  Even even() const;  // the most of them that follow each other
  void lay_out(const int16_t* weights);
  template <class Value>
  void store_as(const uint8_t* image, int64_t row, int64_t rows, Value* to) const;
  void correct(const int16_t* weights, const float* mean);
  void store(const uint8_t* image, int64_t row, int64_t rows, uint8_t* to) const;
  void part(const Part& part) const;
  int64_t strip(const Part& part, const uint8_t* stored, int64_t first, int64_t end, int64_t block,
                int64_t next) const;
  void convolve(const Part& part, const uint8_t* input, int64_t row, int64_t block,
                const Goals& to) const;
  void finish(const Part& part, int64_t row, int64_t block, const float* sums) const;

  const StemShape shape_;
  const Ending ending_;
  const StemOps& ops_;
  void (*const finish_)(const Finish&);
  const Cuts rows_, columns_;
  const Stretches tall_, wide_;     // of the pool, or of single rows and columns
  const int64_t blocks_, line_;     // of 16 filters; values of a row of the image with its border
  const StemWindow window_;
  const int64_t value_;             // bytes of a value
  const int64_t together_;          // blocks of which a row is made at once
  const int64_t strip_;             // rows of the convolution whose image is stored at a time
  const int widest_;                // columns of a window of the pool, at most
  const Even even_;
  const int64_t alive_;             // pooled rows that are not complete yet, at most
  std::vector<int64_t> offsets_;    // of the pairs of a window
  std::vector<int32_t> places_;     // of the correction of each column
  Lined<uint8_t> weights_;          // of each block
  std::vector<int32_t> whole_;      // [block][cut of rows][cut of columns][16]
  std::vector<float> part_;
};

}  // namespace bnn
