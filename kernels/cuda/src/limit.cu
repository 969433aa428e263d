// How fast a product can be: on registers alone, with nothing to fetch. PRODUCT as in conv.cu.

extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ Args args) {
#if PRODUCT == 0
  int counts[8] = {};
  Word word = threadIdx.x * 0x9e3779b9u;
  for (int n = 0; n < STEPS; ++n) {
    word = word * 5 + 1;
#pragma unroll
    for (int i = 0; i < 8; ++i) counts[i] += __popc(word ^ i * 0x01020408u);
  }
#else
  int counts[8][4] = {};
  const Word x = threadIdx.x * 0x9e3779b9u, a[4] = {x, ~x, x ^ 0x55555555u, x + 1};
  for (int n = 0; n < STEPS; ++n) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#if PRODUCT == 1
      meet_bits(counts[i][0], counts[i][1], counts[i][2], counts[i][3], a, x, ~x);
#else
      meet_bytes(counts[i][0], counts[i][1], counts[i][2], counts[i][3], a, x, ~x);
#endif
    }
  }
#endif
  int all = 0;
  for (int i = 0; i < 8; ++i)
#if PRODUCT == 0
    all += counts[i];
#else
    for (int j = 0; j < 4; ++j) all += counts[i][j];
#endif
  args.sums[blockIdx.x * THREADS + threadIdx.x] = all;
}
