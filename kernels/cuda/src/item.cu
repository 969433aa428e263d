// A thread makes 8 neighbouring channels of a pixel.

#define GROUPS_OF_PIXEL ((FILTERS + 7) / 8)

struct Item {
  Long pixel;
  int first;
};

__device__ inline Item item() {
  const Long n = static_cast<Long>(blockIdx.x) * THREADS + threadIdx.x;
  return {n / GROUPS_OF_PIXEL, static_cast<int>(n % GROUPS_OF_PIXEL) * 8};
}
