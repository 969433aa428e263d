// How both sides of a convolution come to shared memory: see conv.cu.

#define COLUMNS (8 * GROUPS)
#define TENSOR (PRODUCT == 1 || PRODUCT == 2)
#define STAGES (CHUNKS > 1 ? 2 : 1)
#define UNROLL (PX >= 4 ? 1 : 2)  // a step of many pixels has enough to do, and needs its registers

#if PRODUCT == 3
typedef float Count;
#else
typedef int Count;
#endif

static_assert(TILE % 16 == 0, "each part of Shared begins at a multiple of 16 bytes");

struct Shared {
  int top[TILE], left[TILE], image[TILE];  // of each window; image: where its image begins
  Word fields[STAGES][TILE][PITCH];
  Word weights[STAGES][COLUMNS][PITCH];
};

struct __align__(4 * VEC) Some {
  Word word[VEC];
};

__device__ inline Some some(const Word* from) { return aligned<Some>(from); }

// Whether 0 <= place < size.
__device__ inline bool within(int place, int size) {
  return static_cast<Word>(place) < static_cast<Word>(size);
}

__device__ inline void find_windows(const Args& args, Shared& shared) {
  for (int n = threadIdx.x; n < TILE; n += THREADS) {
    const Long pixel = static_cast<Long>(blockIdx.x) * TILE + n;
    const int image = static_cast<int>(pixel / (OUT_HEIGHT * OUT_WIDTH));
    const int place = static_cast<int>(pixel % (OUT_HEIGHT * OUT_WIDTH));
    const bool there = pixel < args.pixels;  // else its window is all border
    shared.top[n] = there ? place / OUT_WIDTH * STRIDE - PADDING : -(1 << 30);
    shared.left[n] = place % OUT_WIDTH * STRIDE - PADDING;
    shared.image[n] = image * (HEIGHT * WIDTH);
  }
}

// The byte `at` of the field of a pixel of this tile, or null where the border is.
__device__ inline const Byte* in_field(const Shared& shared, const Byte* map, int n, int at) {
  const int tap = at / BYTES;
  const int row = shared.top[n] + tap / KERNEL * DILATION;
  const int column = shared.left[n] + tap % KERNEL * DILATION;
  if (at >= FIELD || !within(row, HEIGHT) || !within(column, WIDTH)) return nullptr;
  return map + static_cast<Long>(shared.image[n] + row * WIDTH + column) * BYTES + at % BYTES;
}

__device__ inline void fetch_unit(const Shared& shared, const Byte* map, int n, int at, Word* to) {
#ifdef PIECE  // pixels end inside of words
  Word word = 0;
#pragma unroll
  for (int piece = 0; piece < 4; piece += PIECE) {
    const Byte* const from = in_field(shared, map, n, at + piece);
    if (!from) continue;
    const Word part = PIECE == 2 ? aligned<Half>(from) : *from;
    word |= part << 8 * piece;
  }
  *to = word;
#else
  const Byte* const from = in_field(shared, map, n, at);
  copy_later<UNIT>(to, from ? from : map, from != nullptr);
#endif
}

__device__ inline void fetch(Shared& shared, const Byte* map, const Word* weights, int chunk) {
  constexpr int kUnits = CHUNK * 4 / UNIT, kWide = VEC == 4 || TENSOR ? 4 : VEC;
  constexpr int kParts = CHUNK / kWide;
  const int stage = chunk % STAGES;
#pragma unroll 4
  for (int item = threadIdx.x; item < TILE * kUnits; item += THREADS) {
    const int n = item / kUnits, unit = item % kUnits;
    fetch_unit(shared, map, n, (chunk * kUnits + unit) * UNIT,
               shared.fields[stage][n] + unit * (UNIT / 4));
  }
#pragma unroll 4
  for (int item = threadIdx.x; item < COLUMNS * kParts; item += THREADS) {
    const int row = item / kParts, word = item % kParts * kWide;
    if (chunk * CHUNK + word < WORDS)
      copy_later<4 * kWide>(shared.weights[stage][row] + word,
                            weights + row * WORDS + chunk * CHUNK + word, true);
  }
  end_of_copies();
}
