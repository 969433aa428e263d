// What is done to the sums of 8 neighbouring filters of a pixel, one rounded float32 operation
// after another, in the order of kernels/epilogue.py. The build forbids fused multiply-adds.
//
//   FILTERS FLOATS SIGNS        what comes out; SIGNS thresholds a value
//   PAIRS SUM                   whether the pairs are summed; then `end` is called pair by pair
//   SCALED                      0: only a shift is added
//   INNER OUTER RESIDUAL        see kernels/cuda/ending.py
//   RAW                         whole numbers come out as they are

#define OUT_BYTES ((FILTERS + 7) / 8)

// 8 numbers, or those of them that there are. Where all are, they lie at multiples of 16 bytes.
__device__ inline void load8(float (&to)[8], const float* from, int first) {
#if FILTERS % 8 == 0
  const float4 a = aligned<float4>(from);
  const float4 b = aligned<float4>(from + 4);
  to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w;
  to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
#else
#pragma unroll
  for (int f = 0; f < 8; ++f) to[f] = first + f < FILTERS ? from[f] : 0.0f;
#endif
}

#if FLOATS || SIGNS
__device__ inline void put(const Args& args, int set, Long pixel, int first, const float (&y)[8]) {
#if FLOATS
  float* const to = args.floats + (set * args.pixels + pixel) * FILTERS + first;
#if FILTERS % 8 == 0
  aligned<float4>(to) = make_float4(y[0], y[1], y[2], y[3]);
  aligned<float4>(to + 4) = make_float4(y[4], y[5], y[6], y[7]);
#else
#pragma unroll
  for (int f = 0; f < 8; ++f)
    if (first + f < FILTERS) to[f] = y[f];
#endif
#endif
#if SIGNS
  for (int sign = 0; sign < SIGNS; ++sign) {
    float threshold[8];
    load8(threshold, args.thresholds + (set * SIGNS + sign) * FILTERS + first, first);
    Word below = 0;  // a filter that is not there is 0, and its threshold too
#pragma unroll
    for (int f = 0; f < 8; ++f) below |= static_cast<Word>(y[f] < threshold[f]) << f;
    args.bits[((set * SIGNS + sign) * args.pixels + pixel) * OUT_BYTES + first / 8] =
        static_cast<Byte>(below);
  }
#endif
}
#endif

#ifdef PAIRS

#if INNER || OUTER
__device__ inline float bent(float y, float slope) { return y < 0.0f ? y * slope : y; }
#endif

// d of one pair comes in y; with SUM the pairs come in their order, and `total` is what they share.
__device__ inline void end(const Args& args, int pair, Long pixel, int first, float (&y)[8],
                           float (&total)[8]) {
#if RAW
  int* const to = args.dots + (pair * args.pixels + pixel) * FILTERS + first;
#pragma unroll
  for (int f = 0; f < 8; ++f)
    if (first + f < FILTERS) to[f] = static_cast<int>(y[f]);
#else
  const int mine = pair * FILTERS + first;
  float by[8];
#if INNER == 1
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = bent(y[f], 0.0f);
#elif INNER == 2
  load8(by, args.slope + mine, first);
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = bent(y[f], by[f]);
#endif
#if SCALED
  load8(by, args.scale + mine, first);
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = y[f] * by[f];
#endif
  load8(by, args.shift + mine, first);
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = y[f] + by[f];
#if RESIDUAL == 2
  load8(by, args.residual + (pair * args.pixels + pixel) * FILTERS + first, first);
  const float each = args.each[pair];
#pragma unroll
  for (int f = 0; f < 8; ++f) {
    const float added = by[f] * each;
    y[f] = y[f] + added;
  }
#endif
#if SUM
  if (pair > 0) {
#pragma unroll
    for (int f = 0; f < 8; ++f) y[f] = total[f] + y[f];
  }
#pragma unroll
  for (int f = 0; f < 8; ++f) total[f] = y[f];
  if (pair + 1 < PAIRS) return;
#endif
  const int set = SUM ? 0 : pair;
#if RESIDUAL == 1
  load8(by, args.residual + pixel * FILTERS + first, first);
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = y[f] + by[f];
#endif
#if OUTER
  load8(by, args.before + set * FILTERS + first, first);
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = y[f] + by[f];
#if OUTER == 2
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = bent(y[f], 0.0f);
#elif OUTER == 3
  load8(by, args.curve + set * FILTERS + first, first);
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = bent(y[f], by[f]);
#endif
  load8(by, args.after + set * FILTERS + first, first);
#pragma unroll
  for (int f = 0; f < 8; ++f) y[f] = y[f] + by[f];
#endif
  put(args, set, pixel, first, y);
#endif
}

#endif
