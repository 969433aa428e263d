// Maps mixed into others, by constants.
//
//   KIND      0 a mean or a weighted sum, 1 a gate, 2 a route
//   WEIGHTED  0: the mean

__device__ inline void weighted(const Args& args, const float* weights, const Item& at,
                                float (&sum)[8]) {
#pragma unroll 1
  for (int i = 0; i < INPUTS; ++i) {
    float x[8];
    load8(x, args.reads[i] + at.pixel * FILTERS + at.first, at.first);
#pragma unroll
    for (int f = 0; f < 8; ++f) {
      const float term = weights ? x[f] * weights[i] : x[f];
      sum[f] = i ? sum[f] + term : term;
    }
  }
  if (!weights) {
#pragma unroll
    for (int f = 0; f < 8; ++f) sum[f] = sum[f] / static_cast<float>(INPUTS);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
  const Item at = item();
  if (at.pixel >= args.pixels) return;
  const int output = blockIdx.y;
  float y[8];
#if KIND == 2
  weighted(args, args.blend + output * INPUTS, at, y);
#else
#if WEIGHTED
  weighted(args, args.sums, at, y);
#else
  weighted(args, nullptr, at, y);
#endif
#if KIND == 1
  if (output < INPUTS) {  // c * own + (1 - c) * the sum
    const float c = args.blend[output], rest = 1.0f - c;
    float own[8];
    load8(own, args.reads[output] + at.pixel * FILTERS + at.first, at.first);
#pragma unroll
    for (int f = 0; f < 8; ++f) {
      const float mine = own[f] * c, theirs = y[f] * rest;
      y[f] = mine + theirs;
    }
  }
#endif
#endif
  put(args, output, at.pixel, at.first, y);
}
