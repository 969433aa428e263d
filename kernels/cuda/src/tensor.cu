// Tensor cores. A warp makes 16 * TILES pixels times 32 filters. Its filters lie in such an order
// that the columns a thread gets of four products are 8 neighbours (kernels/cuda/conv.py).

#define TILES (PX / 2)
#define WARPS_ACROSS (GROUPS / 4)
#define WARPS_DOWN (THREADS / 32 / WARPS_ACROSS)

// How many bits of the fields themselves are set: what they have in common with all ones.
struct Own {
  int of[TILES][4] = {};
};

__device__ inline int lane() { return threadIdx.x % 32; }
__device__ inline int first_row() {
  return threadIdx.x / 32 % WARPS_DOWN * 16 * TILES + lane() / 4;
}
__device__ inline int pixel_of(int i) { return first_row() + 8 * i; }
__device__ inline int group() { return threadIdx.x / 32 / WARPS_DOWN * 4 + lane() % 4; }

// 4 bits, each in a byte.
__device__ inline Word spread(Word word, int nibble) {
  return (word >> 4 * nibble & 15) * 0x00204081u & 0x01010101u;
}

__device__ inline void meet(Count (&counts)[PX][8], Own& own, const Word (&a)[TILES][4],
                            const Some (&b)[4]) {
#if PRODUCT == 1
#pragma unroll
  for (int m = 0; m < TILES; ++m) {
    meet_bits(own.of[m][0], own.of[m][1], own.of[m][2], own.of[m][3], a[m], ~0u, ~0u);
#pragma unroll
    for (int j = 0; j < 4; ++j)
      meet_bits(counts[2 * m][2 * j], counts[2 * m][2 * j + 1], counts[2 * m + 1][2 * j],
                counts[2 * m + 1][2 * j + 1], a[m], b[j].word[0], b[j].word[1]);
  }
#else
#pragma unroll
  for (int nibble = 0; nibble < 8; ++nibble) {
    Word wide[4][2];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      wide[j][0] = spread(b[j].word[0], nibble);
      wide[j][1] = spread(b[j].word[1], nibble);
    }
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
      const Word bytes[4] = {spread(a[m][0], nibble), spread(a[m][1], nibble),
                             spread(a[m][2], nibble), spread(a[m][3], nibble)};
      meet_bytes(own.of[m][0], own.of[m][1], own.of[m][2], own.of[m][3], bytes, 0x01010101u,
                 0x01010101u);
#pragma unroll
      for (int j = 0; j < 4; ++j)
        meet_bytes(counts[2 * m][2 * j], counts[2 * m][2 * j + 1], counts[2 * m + 1][2 * j],
                   counts[2 * m + 1][2 * j + 1], bytes, wide[j][0], wide[j][1]);
    }
  }
#endif
}

__device__ inline void multiply(const Shared& shared, int chunk, Count (&counts)[PX][8],
                                Own& own) {
  const int stage = chunk % STAGES, word = lane() % 4 * 2, row = first_row();
  const int column = threadIdx.x / 32 / WARPS_DOWN * 32 + lane() / 4;
#pragma unroll UNROLL
  for (int k = word; k < CHUNK && chunk * CHUNK + k < WORDS; k += 8) {
    Some b[4];
    Word a[TILES][4];
#pragma unroll
    for (int j = 0; j < 4; ++j) b[j] = some(shared.weights[stage][column + 8 * j] + k);
#pragma unroll
    for (int m = 0; m < TILES; ++m) {
      const Some upper = some(shared.fields[stage][row + 16 * m] + k);
      const Some lower = some(shared.fields[stage][row + 16 * m + 8] + k);
      a[m][0] = upper.word[0], a[m][2] = upper.word[1];
      a[m][1] = lower.word[0], a[m][3] = lower.word[1];
    }
    meet(counts, own, a, b);
  }
}

// differ = bits of the one + bits of the other - 2 * bits of both
__device__ inline void settle(const Args& args, Long columns, Count (&counts)[PX][8],
                              const Own& own) {
#pragma unroll
  for (int f = 0; f < 8; ++f) {
    const int ones = args.ones[columns + 8 * group() + f];
#pragma unroll
    for (int i = 0; i < PX; ++i)
      counts[i][f] = own.of[i / 2][i % 2 * 2] + ones - 2 * counts[i][f];
  }
}
