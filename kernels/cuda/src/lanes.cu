// The cores of the multiprocessor: a thread counts, or sums up, what its pixels and filters make.

#define ROWS (THREADS / GROUPS)

struct Own {};

__device__ inline int group() { return threadIdx.x % GROUPS; }
__device__ inline int pixel_of(int i) { return threadIdx.x / GROUPS + i * ROWS; }

#if PRODUCT == 0
// How many bits differ. Of three words, what they sum to at each place is two bits: so two
// population counts do, and those are slower than logic.
__device__ inline void join(Count& count, const Some& a, const Some& b) {
#if VEC == 4
  const Word x = a.word[0] ^ b.word[0], y = a.word[1] ^ b.word[1], z = a.word[2] ^ b.word[2];
  const Word ones = x ^ y ^ z, twos = (x & y) | (z & (x | y));
  count += __popc(ones) + __popc(a.word[3] ^ b.word[3]) + 2 * __popc(twos);
#else
#pragma unroll
  for (int v = 0; v < VEC; ++v) count += __popc(a.word[v] ^ b.word[v]);
#endif
}
#else
__device__ inline void join(Count& sum, const Some& a, const Some& b) {
#pragma unroll
  for (int v = 0; v < VEC; ++v)
    sum = fmaf(__uint_as_float(a.word[v]), __uint_as_float(b.word[v]), sum);
}
#endif

// Filter f of a group lies at f * GROUPS: so threads side by side read rows side by side.
__device__ inline void multiply(const Shared& shared, int chunk, Count (&counts)[PX][8], Own&) {
  const int stage = chunk % STAGES;
#pragma unroll UNROLL
  for (int k = 0; k < CHUNK && chunk * CHUNK + k < WORDS; k += VEC) {
    Some a[PX];
#pragma unroll
    for (int i = 0; i < PX; ++i) a[i] = some(shared.fields[stage][pixel_of(i)] + k);
#pragma unroll
    for (int f = 0; f < 8; ++f) {
      const Some b = some(shared.weights[stage][f * GROUPS + group()] + k);
#pragma unroll
      for (int i = 0; i < PX; ++i) join(counts[i][f], a[i], b);
    }
  }
}

__device__ inline void settle(const Args&, Long, Count (&)[PX][8], const Own&) {}
