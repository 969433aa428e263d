// The table of instruction sets: a row each, and behind it one file of the same name.
#pragma once

#include <string>
#include <vector>

#include "product.h"
#include "real.h"
#include "stem_ops.h"

namespace bnn {

struct Isa {
  const char* name;
  const char* about;
  bool (*runs_here)();
  const Product* products;
  int n_products;
  void (*finish)(const Finish&);
  // Packs n pixels of `channels` floats: a bit is set where a value is below its threshold.
  void (*pack)(const float* values, int64_t pixels, int channels, const float* thresholds,
               uint8_t* out);
  // The textbook step, xor + popcount + add, on registers alone: runs it and returns how many
  // binary multiply-accumulates that were. What a plain kernel could reach if it did nothing else.
  double (*limit)(int64_t rounds);
  const char* limit_about;
  const RealOps* real;
  const StemOps* stem;
};

extern const Isa kPortable;
#if defined(__x86_64__)
extern const Isa kAvx2;
extern const Isa kAvx512;
extern const Isa kAmx;
extern const RealOps kAvx512Real;  // AMX has none of its own
extern const StemOps kAvx512Stem;
#endif
#if defined(__aarch64__)
extern const Isa kNeon;
#endif

// Best first.
const std::vector<const Isa*>& isas();

// The named row and product, which this machine can run. Throws std::invalid_argument otherwise.
const Isa& isa_named(const std::string& name);
const Product& product_named(const Isa& isa, const std::string& name);

}  // namespace bnn
