// Whole numbers 0 to 255 as the network takes them.

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
  const Long n = static_cast<Long>(blockIdx.x) * THREADS + threadIdx.x;
  if (n >= args.numbers) return;
  const float centred = static_cast<float>(args.image[n]) - args.mean[n % CHANNELS];
  args.floats[n] = centred / args.std[n % CHANNELS];
}
