// A convolution on pixels and a max pool, as kernels/as_c/runtime/stem.c has it: sums of whole
// numbers, and what the mean takes off them by the cut of the row and that of the column.
//
//   weights  [kernel][kernel][channels][COLUMNS], filled up to groups of 8

#define COLUMNS (GROUPS_OF_PIXEL * 8)

__device__ inline int least(int a, int b) { return a < b ? a : b; }

// The convolution at one place, of 8 filters.
__device__ inline void sums(const Args& args, const Byte* image, int row, int column, int first,
                            float (&y)[8]) {
  const int top = row * STRIDE - PADDING, left = column * STRIDE - PADDING;
  int sum[8] = {};
  for (int tap = 0; tap < KERNEL * KERNEL; ++tap) {
    const int r = top + tap / KERNEL, c = left + tap % KERNEL;
    if (r < 0 || r >= HEIGHT || c < 0 || c >= WIDTH) continue;
    for (int channel = 0; channel < CHANNELS; ++channel) {
      const int pixel = image[(r * WIDTH + c) * CHANNELS + channel];
      const Int16* const by = args.weights + (tap * CHANNELS + channel) * COLUMNS + first;
#pragma unroll
      for (int f = 0; f < 8; ++f) sum[f] += pixel * by[f];
    }
  }
  const int cut = (args.row_cut[row] * COLUMN_CUTS + args.column_cut[column]) * COLUMNS + first;
#pragma unroll
  for (int f = 0; f < 8; ++f)
    y[f] = static_cast<float>(sum[f] + args.whole[cut + f]) + args.part[cut + f];
}

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
  const Item at = item();
  if (at.pixel >= args.pixels) return;
  const Byte* const image =
      args.reads[0] + at.pixel / (OUT_HEIGHT * OUT_WIDTH) * (HEIGHT * WIDTH * CHANNELS);
  const int place = static_cast<int>(at.pixel % (OUT_HEIGHT * OUT_WIDTH));
  const int top = place / OUT_WIDTH * POOL_STRIDE - POOL_PADDING;
  const int left = place % OUT_WIDTH * POOL_STRIDE - POOL_PADDING;
  float y[8], total[8];
  bool begun = false;
  for (int row = top < 0 ? 0 : top; row < least(top + POOL, CONV_HEIGHT); ++row)
    for (int column = left < 0 ? 0 : left; column < least(left + POOL, CONV_WIDTH); ++column) {
      float next[8];
      sums(args, image, row, column, at.first, next);
#pragma unroll
      for (int f = 0; f < 8; ++f)
        if (!begun || next[f] > y[f]) y[f] = next[f];
      begun = true;
    }
  end(args, 0, at.pixel, at.first, y, total);
}
