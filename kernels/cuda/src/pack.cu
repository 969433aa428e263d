// Signs of floats.

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
  const Item at = item();
  if (at.pixel >= args.pixels) return;
  float y[8];
  load8(y, args.reads[blockIdx.y] + at.pixel * FILTERS + at.first, at.first);
  put(args, blockIdx.y, at.pixel, at.first, y);
}
