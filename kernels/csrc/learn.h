// What a binary convolution computes while it learns: counts with the sums that a batch norm wants,
// the passes between two convolutions, and both gradients. Maps have their channels last.
//
// No sum depends on the number of threads: work is cut by the shape alone, and parts are added in
// their order.
#pragma once

#include "kernel.h"

namespace bnn {
namespace learn {

// Whether this CPU has the vectors that all of this is compiled for.
bool runs_here();

// Filters and channels come in whole vectors.
constexpr int64_t kFilters = 16, kChannels = 16;

// Whether there are gradients for this shape.
bool fits(const Shape& shape);

// What follows the products d of one convolution is r(d) * factor + add, r(d) = max(d, 0) or d.
struct Products {
  int64_t pixels, filters;  // of all images of the batch
  bool relu;
  const int16_t* dots;
};

// bits: the signs of x. dots: their products. sums[2][filters]: of r(d) and of its square, exact.
void count(const Kernel& kernel, const Isa& isa, int64_t batch, bool relu, const float* x,
           uint8_t* bits, int16_t* dots, int64_t* sums, int threads);

// y = r(d) * factor + add, + residual where there is one.
void finish(const Products& d, const float* factor, const float* add, const float* residual,
            float* y, int threads);

// sums[2][filters]: of the gradient and of gradient * r(d).
void reduce(const Products& d, const float* grad, double* sums, int threads);

enum class Estimator { identity, clipped, polynomial };  // trainers/binarize.py

struct Backward {
  Shape shape;  // one input, one base
  int64_t batch;
  Products d;
  const float* grad;                    // of y
  const float *by_grad, *by_one, *by_r; // [filters]: the gradient of d is their sum of products
  const float* scale;                   // [filters], of the weights
  const uint8_t *weights, *bits;        // signs
  const float* x;                       // what the signs were taken of
  Estimator estimator;
  bool shortcut;                        // x was the residual too
  bool more;                            // dx is added to
  float* dx;                            // as x
  float* dw;                            // [filters][kernel][kernel][channels]
};

void backward(const Backward& b, int threads);

// y[o] = sum of m[o][i] * x[i], of `size` numbers each.
void blend(const std::vector<const float*>& x, const float* m, const std::vector<float*>& y,
           int64_t size, int threads);

// dx[i] = sum of m[o][i] * dy[o]; dm[o][i] = sum of x[i] * dy[o].
void blend_backward(const std::vector<const float*>& x, const std::vector<const float*>& dy,
                    const float* m, const std::vector<float*>& dx, double* dm, int64_t size,
                    int threads);

}  // namespace learn
}  // namespace bnn
