// An ending alone.

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
  const Item at = item();
  if (at.pixel >= args.pixels) return;
  float y[8], total[8];
#if SUM
  for (int pair = 0; pair < PAIRS; ++pair) {
#else
  {
    const int pair = blockIdx.y;
#endif
    load8(y, args.reads[pair] + at.pixel * FILTERS + at.first, at.first);
    end(args, pair, at.pixel, at.first, y, total);
  }
}
