// A convolution of floats in groups. Weights are [kernel][kernel][TAKEN][filters], where a filter
// takes TAKEN channels, and MADE filters take the same.

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
  const Item at = item();
  if (at.pixel >= args.pixels) return;
  const Long image = at.pixel / (OUT_HEIGHT * OUT_WIDTH) * (HEIGHT * WIDTH);
  const int place = static_cast<int>(at.pixel % (OUT_HEIGHT * OUT_WIDTH));
  const int top = place / OUT_WIDTH * STRIDE - PADDING, left = place % OUT_WIDTH * STRIDE - PADDING;
  float total[8];
#if SUM
  for (int pair = 0; pair < PAIRS; ++pair) {
#else
  {
    const int pair = blockIdx.y;
#endif
    const float* weights = args.weights + at.first;
    float y[8] = {};
    for (int tap = 0; tap < KERNEL * KERNEL; ++tap) {
      const int row = top + tap / KERNEL * DILATION, column = left + tap % KERNEL * DILATION;
      const bool inside = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH;
      const float* const from = args.reads[pair] + (image + row * WIDTH + column) * CHANNELS;
      for (int c = 0; c < TAKEN; ++c, weights += FILTERS) {
        float by[8];
        if (!inside) continue;
        load8(by, weights, at.first);
#pragma unroll
        for (int f = 0; f < 8; ++f)
          if (at.first + f < FILTERS)
            y[f] = fmaf(from[(at.first + f) / MADE * TAKEN + c], by[f], y[f]);
      }
    }
    end(args, pair, at.pixel, at.first, y, total);
  }
}
