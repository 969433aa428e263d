// Bilinear, between the centres of pixels: the first of the two that a place lies between, and how
// much of each, come as tables of rows and of columns. Rounded after each step.

__device__ inline float blend(float a, float b, float first, float second) {
  const float left = a * first, right = b * second;
  return left + right;
}

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
  const Long n = static_cast<Long>(blockIdx.x) * THREADS + threadIdx.x;
  const Long pixel = n / FILTERS, all = args.pixels * FILTERS;
  if (pixel >= args.pixels) return;
  const int place = static_cast<int>(pixel % (OUT_HEIGHT * OUT_WIDTH));
  const int y = place / OUT_WIDTH, x = place % OUT_WIDTH;
  const int row = args.row[y], column = args.column[x];
  const Long down = row + 1 < HEIGHT ? WIDTH * FILTERS : 0;
  const Long right = column + 1 < WIDTH ? FILTERS : 0;
  const float* const map =
      args.reads[blockIdx.y] + n % FILTERS +
      (pixel / (OUT_HEIGHT * OUT_WIDTH) * (HEIGHT * WIDTH) + row * WIDTH + column) * FILTERS;
  const float up = args.row_first[y], low = args.row_second[y];
  args.floats[blockIdx.y * all + n] =
      blend(blend(map[0], map[down], up, low), blend(map[right], map[down + right], up, low),
            args.column_first[x], args.column_second[x]);
}
