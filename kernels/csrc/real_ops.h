// The real-valued ops besides convolutions: kernels/real_ops.py says what they mean, and
// kernels/real_reference.py how each value is rounded.
#pragma once

#include <cstdint>
#include <vector>

#include "ending.h"
#include "isa.h"

namespace bnn {

// For each output row or column, the stretch of the input that it is made of.
struct Stretches {
  std::vector<int32_t> begin, end;

  int64_t size() const { return static_cast<int64_t>(begin.size()); }
  static Stretches sliding(int64_t size, int64_t kernel, int64_t stride, int64_t padding);
  static Stretches dividing(int64_t size, int64_t out);
};

struct MapShape {
  int64_t height, width, channels, sets;

  void check() const;  // throws std::invalid_argument
  int64_t floats() const { return height * width * channels; }
  Maps maps() const { return {sets, height, width, channels, false}; }
};

// Pool, GlobalPool and Skip: windows, of which `largest` or the average is taken; channels repeated
// or cut off; `onto` maps added.
class Windowed final : public Runner {
 public:
  Windowed(const MapShape& in, Stretches rows, Stretches columns, bool largest, int64_t filters,
           int64_t onto, const Isa& isa);
  Shapes shapes() const override;
  void run(int64_t batch, const Io& io, int threads) const override;

 private:
  void row(const float* image, int64_t y, float* to) const;

  const MapShape in_;
  const Stretches rows_, columns_;
  const bool largest_;
  const int64_t filters_, onto_;
  const RealOps& ops_;
};

class Resize final : public Runner {
 public:
  Resize(const MapShape& in, int64_t out_height, int64_t out_width, const Isa& isa);
  Shapes shapes() const override;
  void run(int64_t batch, const Io& io, int threads) const override;

 private:
  struct Places {  // what each place lies between, and how much of each it has
    std::vector<int32_t> before, behind;
    std::vector<float> first, second;
    Places(int64_t size, int64_t out);
  };

  const MapShape in_;
  const Places rows_, columns_;
  const RealOps& ops_;
};

enum class Blend { mean, lambda, gate, route };

class Mix final : public Runner {
 public:
  // in.sets are the branches. blend: of a gate or a route; sums: or null, for the mean.
  Mix(Blend kind, const MapShape& in, int64_t outputs, const After& after, const float* blend,
      const float* sums, const float* thresholds, const Isa& isa);
  Shapes shapes() const override;
  void run(int64_t batch, const Io& io, int threads) const override;

 private:
  void mix(const float* const* branches, int64_t output, int64_t count, const float* aggregate,
           float* to) const;

  const Blend kind_;
  const MapShape in_;
  const int64_t outputs_;
  const After after_;
  const Isa& isa_;
  std::vector<float> blend_, sums_, thresholds_;
};

class Affine final : public Runner {
 public:
  Affine(const MapShape& in, const After& after, const Constants& constants, const Isa& isa);
  Shapes shapes() const override;
  void run(int64_t batch, const Io& io, int threads) const override;

 private:
  const MapShape in_;
  const Ending ending_;
  const int64_t width_;  // channels in a panel
  const RealOps& ops_;
};

class Pack final : public Runner {
 public:
  Pack(const MapShape& in, int64_t signs, const float* thresholds, const Isa& isa);
  Shapes shapes() const override;
  void run(int64_t batch, const Io& io, int threads) const override;

 private:
  const MapShape in_;
  const int64_t signs_;
  const Isa& isa_;
  std::vector<float> thresholds_;
};

}  // namespace bnn
