// A convolution as a product of two matrices that never lie in memory: a row is what lies under a
// window, side by side (its field), a column is a filter. A block makes TILE pixels times
// 8 * GROUPS filters of one pair; both sides come to shared memory CHUNK words at a time, the next
// chunk while this one is multiplied. A thread makes PX pixels times 8 neighbouring filters, so its
// ending stays in registers and the signs of its filters are a byte. What is fetched is in
// fields.cu, how a thread multiplies in lanes.cu or tensor.cu.
//
//   PRODUCT   0  signs, counted by the cores of the multiprocessor
//             1  signs, on tensor cores that count bits
//             2  signs, on tensor cores that multiply bytes
//             3  floats: each sum one chain of fused multiply-adds in the order of the field
//   HEIGHT WIDTH BYTES          the map; bytes of a pixel
//   KERNEL STRIDE DILATION PADDING OUT_HEIGHT OUT_WIDTH
//   FIELD WORDS                 bytes of a field, and words that it takes here, the last filled up
//   CHUNKS                      WORDS / CHUNK, rounded up
//   UNIT                        bytes that are copied at a time: it divides BYTES, or PIECE does
//   VEC                         words that a thread reads at a time
//   PITCH                       words from row to row in shared memory, such that no banks meet
//   BLOCKS                      so many fit a multiprocessor: what bounds the registers of a thread

// The sums of one pair: of signs how many differ.
__device__ inline void sums(const Args& args, Shared& shared, int pair, Count (&counts)[PX][8]) {
  const int input = OWN ? pair : pair / BASES, base = OWN ? pair : pair % BASES;
  const Byte* const map = args.reads[input];
  const Long columns = (static_cast<Long>(base) * gridDim.y + blockIdx.y) * COLUMNS;
  const Word* const weights = args.weights + columns * WORDS;
#pragma unroll
  for (int i = 0; i < PX; ++i)
#pragma unroll
    for (int f = 0; f < 8; ++f) counts[i][f] = 0;
  Own own;
  fetch(shared, map, weights, 0);
  for (int chunk = 0; chunk < CHUNKS; ++chunk) {
    if (chunk + 1 < CHUNKS) {
      fetch(shared, map, weights, chunk + 1);
      wait_for_copies<1>();
    } else {
      wait_for_copies<0>();
    }
    __syncthreads();
    multiply(shared, chunk, counts, own);
    __syncthreads();
  }
  settle(args, columns, counts, own);
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    NAME(const __grid_constant__ Args args) {
  SHARED(Shared, shared);
  find_windows(args, shared);
  __syncthreads();
  const int first = blockIdx.y * COLUMNS + 8 * group();
  float total[PX][8];
#if SUM
  for (int pair = 0; pair < PAIRS; ++pair) {
#else
  {
    const int pair = blockIdx.z;
#endif
    Count counts[PX][8];
    sums(args, shared, pair, counts);
#pragma unroll
    for (int i = 0; i < PX; ++i) {
      const Long pixel = static_cast<Long>(anew(blockIdx.x)) * TILE + pixel_of(i);
      float y[8];
#pragma unroll
      for (int f = 0; f < 8; ++f) {
#if PRODUCT == 3
        y[f] = counts[i][f];
#else
        y[f] = static_cast<float>(PRODUCTS - 2 * counts[i][f]);
#endif
      }
      if (pixel < args.pixels && first < FILTERS) end(args, pair, pixel, first, y, total[i]);
    }
  }
}
