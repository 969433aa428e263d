// An op with its parameters, ready to run: what a program is made of.
#pragma once

#include <cstdint>

namespace bnn {

// The maps of a value: of float32, or of packed signs.
struct Maps {
  int64_t sets, height, width, depth;  // depth: channels, or the bytes of their signs
  bool bits;

  // Of one set of one image.
  int64_t bytes() const { return height * width * depth * (bits ? 1 : 4); }
};

// What an op reads and writes; without sets, it does not.
struct Shapes {
  Maps reads, residual, floats, bits;
  bool together;  // the sets that it reads lie side by side
};

// Where that is, each set after the other, and in a set image after image.
struct Io {
  const void* const* reads;  // but each set that is read may be elsewhere, unless `together`
  const float* residual;
  float* floats;
  uint8_t* bits;
};

class Runner {
 public:
  virtual ~Runner() = default;
  virtual Shapes shapes() const = 0;
  virtual bool in_place() const { return false; }  // whether floats may be where the residual is
  virtual void run(int64_t batch, const Io& io, int threads) const = 0;
};

}  // namespace bnn
