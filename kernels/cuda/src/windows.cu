// The largest or the average of stretches of maps: pools and skips. A thread makes one number.
//
//   SLIDES    a window that slides; else each place has its share of the side
//   ONTO      the one map is added to each of so many

struct Stretch {
  int begin, end;
};

__device__ inline Stretch stretch(int place, int size, int out) {
#if SLIDES
  const int at = place * STRIDE - PADDING;
  return {at > 0 ? at : 0, at + KERNEL < size ? at + KERNEL : size};
#else
  return {static_cast<int>(static_cast<Long>(place) * size / out),
          static_cast<int>((static_cast<Long>(place + 1) * size + out - 1) / out)};
#endif
}

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
  const Long n = static_cast<Long>(blockIdx.x) * THREADS + threadIdx.x;
  const Long pixel = n / FILTERS, all = args.pixels * FILTERS;
  if (pixel >= args.pixels) return;
  const int place = static_cast<int>(pixel % (OUT_HEIGHT * OUT_WIDTH));
  const Stretch rows = stretch(place / OUT_WIDTH, HEIGHT, OUT_HEIGHT);
  const Stretch columns = stretch(place % OUT_WIDTH, WIDTH, OUT_WIDTH);
  const float* const map = args.reads[blockIdx.y] +
                           pixel / (OUT_HEIGHT * OUT_WIDTH) * (HEIGHT * WIDTH) * CHANNELS +
                           n % FILTERS % CHANNELS;
  float held = 0.0f;
  for (int row = rows.begin; row < rows.end; ++row)
    for (int column = columns.begin; column < columns.end; ++column) {
      const float next = map[static_cast<Long>(row * WIDTH + column) * CHANNELS];
      if (row == rows.begin && column == columns.begin)
        held = next;
#if LARGEST
      else if (next > held)
        held = next;
#else
      else
        held = held + next;
#endif
    }
#if !LARGEST
  const float count = static_cast<float>(rows.end - rows.begin) *
                      static_cast<float>(columns.end - columns.begin);
  const float times = 1.0f / count;
  held = held * times;
#endif
#if ONTO
  for (int i = 0; i < ONTO; ++i) args.floats[i * all + n] = args.residual[i * all + n] + held;
#else
  args.floats[blockIdx.y * all + n] = held;
#endif
}
